"""A real MLflow store for each test: migrated once a session, copied for each."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lender import Lender, make_lender

from creditrisk.params import Params
from creditrisk.paths import Project
from creditrisk.tracking.promotion import promote
from creditrisk.tracking.register import register
from creditrisk.tracking.store import QUIET, make_sqlite, quiet

PLACES = {
    "experiments": ["artifact_location"],
    "runs": ["artifact_uri"],
    "logged_models": ["artifact_location"],
    "model_versions": ["source", "storage_location"],
}
"""Where MLflow's store keeps addresses of files."""
MLFLOWS_OWN = (
    "ignore:The ``noload`` loader strategy is deprecated:sqlalchemy.exc.SADeprecationWarning",
    "ignore:Operation with range is deprecated:pandas.errors.Pandas4Warning",
)
"""Warnings about MLflow's code, not ours."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let MLflow's own warnings pass, in the tests of this folder alone."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            for each in MLFLOWS_OWN:
                item.add_marker(pytest.mark.filterwarnings(each))


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty, fully migrated SQLite store."""
    quiet()
    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    make_sqlite(path)
    return path


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


@pytest.fixture(scope="session")
def lender(tmp_path_factory: pytest.TempPathFactory) -> Lender:
    """The small lender; look, do not change."""
    return make_lender(tmp_path_factory.mktemp("lender"))


SMALL = Params.model_validate({"portfolio": "small", "evaluation": {"bootstrap": 50}})


@pytest.fixture
def small() -> Params:
    """Params of the small lender."""
    return SMALL


@pytest.fixture(scope="session")
def promoted(tmp_path_factory: pytest.TempPathFactory, migrated: Path, lender: Lender) -> Project:
    """The small lender with ``fair`` as champion, version 1; look, do not change."""
    project = Project(tmp_path_factory.mktemp("promoted"))
    project.experiments.mkdir()
    shutil.copy(migrated, project.experiments / "mlflow.db")
    lender.tables(project)
    register(project, SMALL, lender.bundle("fair"))
    assert promote(project, SMALL, who="test").promoted
    return project


@pytest.fixture
def bank(bare: Project, promoted: Project) -> Project:
    """A copy of the small lender and its champion, to do anything with."""
    shutil.copytree(promoted.root, bare.root, dirs_exist_ok=True)
    with sqlite3.connect(bare.experiments / "mlflow.db") as store:
        for table, columns in PLACES.items():
            for column in columns:
                places = (str(promoted.root), str(bare.root))
                store.execute(f"UPDATE {table} SET {column} = replace({column}, ?, ?)", places)
    store.close()
    return bare


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PostgreSQL of our own, on a socket in a folder of the test; skipped where there is none."""
    pytest.importorskip("psycopg")
    found = shutil.which("pg_ctl") or next((str(p) for p in Path("/usr/lib/postgresql").glob("*/bin/pg_ctl")), None)
    if found is None:
        pytest.skip("PostgreSQL is not installed here")
    programs, folder = Path(found).resolve().parent, tmp_path_factory.mktemp("pg")
    for each in (folder, *folder.parents):  # PostgreSQL refuses to run as root, so another account must get in
        if os.geteuid() == 0 and each.owner() == "root" and each != Path("/"):
            each.chmod(each.stat().st_mode | 0o011)
    account: dict[str, Any] = {}
    if os.geteuid() == 0:
        account = {"user": "postgres", "cwd": "/"}
        shutil.chown(folder, "postgres")
    data = folder / "data"
    options = f"-c listen_addresses='' -k {folder} -c fsync=off"
    subprocess.run([programs / "initdb", "-D", data, "-U", "lender", "-A", "trust"], check=True, stdout=-3, **account)
    control = [str(programs / "pg_ctl"), "-D", str(data), "-w"]
    subprocess.run([*control, "-o", options, "-l", str(folder / "log"), "start"], check=True, stdout=-3, **account)
    yield f"postgresql://lender@/postgres?host={folder}"
    subprocess.run([*control, "-m", "immediate", "stop"], check=True, stdout=-3, **account)
