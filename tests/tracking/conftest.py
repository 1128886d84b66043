"""A real MLflow store for each test: migrated once a session, copied for each."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from bank import MLFLOWS_OWN, SMALL, copy_bank

from creditrisk.params import Params
from creditrisk.paths import Project
from creditrisk.tracking.store import QUIET


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let MLflow's own warnings pass, in the tests of this folder alone."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            for each in MLFLOWS_OWN:
                item.add_marker(pytest.mark.filterwarnings(each))


@pytest.fixture(autouse=True)
def _surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "MLFLOW_ARTIFACT_ROOT", "LEDGER_URL"):
        monkeypatch.delenv(name, raising=False)
    before = dict(os.environ)
    yield
    for name in QUIET:  # set by the code under test, on purpose for the process
        if name not in before:
            os.environ.pop(name, None)
    assert not list(elsewhere.iterdir()), "MLflow's own default store, in the working folder, was used"


@pytest.fixture
def bare(tmp_path: Path) -> Project:
    """A checkout without a tracking store."""
    (tmp_path / "4.dvc_pipeline").mkdir()
    (tmp_path / "3.experiments").mkdir()
    return Project(tmp_path)


@pytest.fixture
def project(bare: Project, migrated: Path) -> Project:
    """A checkout with an empty tracking store."""
    shutil.copy(migrated, bare.experiments / "mlflow.db")
    return bare


@pytest.fixture
def params() -> Params:
    return Params()


@pytest.fixture
def small() -> Params:
    """Params of the small lender."""
    return SMALL


@pytest.fixture
def bank(bare: Project, promoted: Project) -> Project:
    """A copy of the small lender and its champion, to do anything with."""
    return copy_bank(promoted, bare.root)
