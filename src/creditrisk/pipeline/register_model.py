"""Stage 7: bundle -> a version in the registry."""

from __future__ import annotations

from typing import Any

from creditrisk.params import Params
from creditrisk.paths import Project
from creditrisk.pipeline.stage import Stage, read_json, write_json
from creditrisk.tracking.experiments import preflight
from creditrisk.tracking.register import register


def register_model(stage: Stage) -> str:
    """Register the bundle with its metrics, plots and report; the same bundle gives the same version."""
    preflight(stage.project, stage.params)
    entry = register_bundle(stage.project, stage.params)
    write_json(stage.artifacts / "registered.json", {"model": entry["model"], "digest": entry["digest"]})
    how = "new" if entry["new"] else "already there"
    return f"registered: {entry['model']} version {entry['version']} ({how})"


def register_bundle(project: Project, params: Params) -> dict[str, Any]:
    """Register what the pipeline made for the params' portfolio."""
    artifacts = project.artifacts(params.portfolio)
    training = read_json(artifacts / "training.json")
    files = [artifacts / name for name in ("report.html", "plots", "cleaning.json", "split.json", "training.json")]
    registered = register(
        project,
        params,
        artifacts / "bundle",
        metrics=read_json(artifacts / "metrics.json"),
        settings=training["settings"],
        files=files,
    )
    return registered.to_json()
