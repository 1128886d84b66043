"""A real MLflow store for each test: migrated once a session, copied for each."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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
