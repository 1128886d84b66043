"""dvc.yaml against what the stages really read, so that DVC reruns neither too little nor too much."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from support import ROOT, Checkout

pytestmark = pytest.mark.slow

NAMES = {
    "get_data": "get_data",
    "prep_clean_data": "prep_clean_data",
    "FE": "fe",
    "split_data": "split_data",
    "train_model": "train_model",
    "evaluate_model": "evaluate_model",
    "register_model": "register_model",
}
SHARED = {"errors", "settings", "paths", "progress", "contract", "params", "pipeline.stage"}
"""The ground that all stages stand on, and packages that hold nothing but a line of text."""
ASKED_WHEN_NEEDED = {"extra_columns", "as_of", "test_from"}
"""Looked at only where the table has a column too many, or the portfolio has a time column."""
STAGES: dict[str, Any] = yaml.safe_load((ROOT / "4.dvc_pipeline" / "dvc.yaml").read_text())["stages"]
CONTRACT = "../1.data/portfolios/${portfolio}.yaml"


@cache
def traced(checkout: Checkout, stage: str) -> dict[str, Any]:
    script = str(Path(__file__).with_name("trace_stage.py"))
    done = checkout.run("python", script, NAMES[stage], folder="4.dvc_pipeline")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.fixture(scope="module")
def project(finished: Checkout, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    import shutil

    root = tmp_path_factory.mktemp("traced") / "project"
    shutil.copytree(finished.root, root, symlinks=True)
    return _Hashable(root)


class _Hashable(Checkout):
    __hash__ = object.__hash__


def declared(stage: str, checkout: Checkout) -> list[Path]:
    return [_path(dep, checkout) for dep in STAGES[stage]["deps"]]


def _path(text: str, checkout: Checkout) -> Path:
    filled = text.replace("${portfolio}", "small").replace("${table}", "../small.csv")
    return (checkout.pipeline / filled).resolve()


def covered(path: Path, deps: list[Path]) -> bool:
    return any(path == dep or dep in path.parents for dep in deps)


def keys(stage: str) -> tuple[set[str], set[str]]:
    """Params, and keys of the contract, that dvc.yaml names."""
    of_params = {item for item in STAGES[stage]["params"] if isinstance(item, str)}
    of_contract = {key for item in STAGES[stage]["params"] if isinstance(item, dict) for key in item[CONTRACT]}
    return of_params, of_contract


@pytest.mark.parametrize("stage", STAGES)
def test_params_are_those_that_the_stage_reads(project: Checkout, stage: str) -> None:
    assert keys(stage)[0] == set(traced(project, stage)["params"]) | {"portfolio"}


@pytest.mark.parametrize("stage", STAGES)
def test_keys_of_the_contract_are_those_that_the_stage_reads(project: Checkout, stage: str) -> None:
    if covered(project.contract_path.resolve(), declared(stage, project)):
        assert keys(stage)[1] == set()
        return
    if project.artifacts / "bundle" in declared(stage, project):
        return  # the contract comes in the bundle
    read = set(traced(project, stage)["contract"]) - {"name"}
    assert read - keys(stage)[1] == set()
    assert keys(stage)[1] - read - ASKED_WHEN_NEEDED == set()


def tells(name: str) -> bool:
    """Whether a module is more than what all stages share, or a room's sentence about itself."""
    shared = name in SHARED or name.partition(".")[0] in SHARED
    return not shared and not (ROOT / "src" / "creditrisk" / name.replace(".", "/")).is_dir()


@pytest.mark.parametrize("stage", STAGES)
def test_code_that_the_stage_imports_is_named(project: Checkout, stage: str) -> None:
    deps = declared(stage, project)
    folder = project.root / "src" / "creditrisk"
    modules, own = (
        {name for name in (found.removeprefix("creditrisk.") for found in traced(project, stage)[kind]) if tells(name)}
        for kind in ("modules", "own")
    )
    paths = {name: folder / f"{name.replace('.', '/')}.py" for name in own}
    if stage in ("evaluate_model", "register_model"):  # what made the bundle is in the bundle's digest
        paths = {name: path for name, path in paths.items() if name.split(".")[0] in ("validation", "tracking")}
    assert {name for name, path in paths.items() if not covered(path.resolve(), deps)} == set()
    named = [dep for dep in deps if dep.suffix == ".py" and folder.resolve() in dep.parents]
    imported = {(folder / f"{name.replace('.', '/')}.py").resolve() for name in modules}
    lazily = {"simulate", "population", "risk", "export", "parquet"}  # for the simulated portfolio alone
    lazily |= {"source", "local", "delimited", "quoting"}  # in cleaning, where the source has broken lines
    assert {dep.stem for dep in named if dep not in imported} - lazily == set()


@pytest.mark.parametrize("stage", STAGES)
def test_files_that_the_stage_reads_are_named(project: Checkout, stage: str) -> None:
    deps = declared(stage, project)
    outs = [project.pipeline / "params.yaml", project.contract_path, project.root / "3.experiments"]
    read = [Path(name) for name in traced(project, stage)["files"]]
    inside = [p for p in read if project.root.resolve() in p.parents and "src" not in p.parts and ".git" not in p.parts]
    own = [out.resolve() for out in outs] + _outs(stage, project)
    foreign = [path for path in inside if path.is_file() and not covered(path, deps) and not covered(path, own)]
    assert [str(path) for path in foreign] == []


def _outs(stage: str, checkout: Checkout) -> list[Path]:
    items = [*STAGES[stage]["outs"], *STAGES[stage].get("metrics", [])]
    return [_path(next(iter(item)) if isinstance(item, dict) else item, checkout) for item in items]
