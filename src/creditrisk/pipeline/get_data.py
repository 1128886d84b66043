"""Stage 1: the contract's source -> raw table."""

from __future__ import annotations

import os
from pathlib import Path

from creditrisk.contract import Contract
from creditrisk.data.reading.source import materialise
from creditrisk.errors import SourceError
from creditrisk.paths import Project
from creditrisk.pipeline.stage import Stage, write_json


def get_data(stage: Stage) -> str:
    """Fetch the source, check its digest and keep it as ``raw/raw.parquet``, with broken lines beside it."""
    contract, project = stage.contract, stage.project
    watched = watched_file(contract, project)
    if Path(os.path.normpath(project.pipeline / stage.params.table)) != Path(
        os.path.normpath(project.pipeline / watched)
    ):
        raise SourceError(
            f"{project.params}: table is {stage.params.table!r}, but the table of portfolio {contract.name!r} is "
            f"{watched!r}, so new rows would not be noticed; type main.py use {contract.name}."
        )
    folder = stage.tables / "raw"
    folder.mkdir(parents=True, exist_ok=True)
    report = materialise(contract, folder / "raw.parquet", folder / "broken.parquet", project.root, cache(project))
    write_json(folder / "raw.json", report.to_json())
    return f"raw: {report.rows:,} rows, {report.columns} columns, from {report.origin}"


def watched_file(contract: Contract, project: Project) -> str:
    """What DVC watches for new rows, relative to the pipeline's folder: a local table, else the contract."""
    url = contract.source.url
    if url is None or "://" in url:
        return os.path.relpath(project.contract(contract.name), project.pipeline)
    return os.path.relpath(project.root / url, project.pipeline)


def cache(project: Project) -> Path:
    """Where fetched sources are kept by digest."""
    return project.root / "1.data" / "tables" / ".fetched"
