"""Fixtures of several tests."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest
from lender import Lender, make_lender
from postgres import Postgres
from support import CLASHING, DATED, SMALL_CONTRACT, Checkout, clashing_table, copy_project, dated_table, make_bundle

from creditrisk.paths import Project

# No test looks at the clock.
hypothesis.settings.register_profile("unhurried", hypothesis.settings.default, deadline=None)
hypothesis.settings.load_profile("unhurried")


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """The small lender after one run of the whole lifecycle; look, do not change."""
    checkout = copy_project(tmp_path_factory.mktemp("finished"))
    done = checkout.main("--json", "run")
    assert done.returncode == 0, done.stdout + done.stderr
    return checkout


@pytest.fixture
def checkout(finished: Checkout, tmp_path: Path) -> Checkout:
    """A copy of the finished project to do anything with."""
    from bank import keep_own_files

    root = tmp_path / "project"
    shutil.copytree(finished.root, root, symlinks=True)
    keep_own_files(Project(root), finished.root)
    return Checkout(root)


@pytest.fixture(scope="session")
def small_bundle_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A function from a family's name to a bundle of the small lender; look, do not change."""

    @functools.cache
    def make(family: str) -> Path:
        return make_bundle(tmp_path_factory.mktemp(family) / "bundle", family)

    return make


@pytest.fixture(scope="session")
def small_bundle(small_bundle_of: Callable[[str], Path]) -> Path:
    """A scorecard of the small lender."""
    return small_bundle_of("scorecard")


@pytest.fixture(scope="session")
def clashing_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scorecard of ``clashing_table``'s rows, whose id columns have the names of answers."""
    columns = SMALL_CONTRACT["columns"]
    named = dict.fromkeys(CLASHING, columns["loan"]) | {n: c for n, c in columns.items() if n != "loan"}
    contract = SMALL_CONTRACT | {"id": CLASHING, "columns": named}
    folder = tmp_path_factory.mktemp("clashing") / "bundle"
    return make_bundle(folder, "scorecard", contract=contract, table=clashing_table)


@pytest.fixture(scope="session")
def dated_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scorecard of ``dated_table``'s rows; look, do not change."""
    return make_bundle(tmp_path_factory.mktemp("dated") / "bundle", "scorecard", contract=DATED, table=dated_table)


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty, fully migrated MLflow store in SQLite."""
    from creditrisk.tracking.store import make_sqlite, quiet

    quiet()
    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    make_sqlite(path)
    return path


@pytest.fixture(scope="session")
def lender(tmp_path_factory: pytest.TempPathFactory) -> Lender:
    """The small lender's tables and bundles; look, do not change."""
    return make_lender(tmp_path_factory.mktemp("lender"))


@pytest.fixture(scope="session")
def promoted(tmp_path_factory: pytest.TempPathFactory, migrated: Path, lender: Lender) -> Project:
    """The small lender with ``fair`` as champion, version 1; look, do not change."""
    from bank import make_promoted

    return make_promoted(tmp_path_factory.mktemp("promoted"), migrated, lender)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL of our own; who stops it starts it again."""
    server = Postgres()
    yield server
    server.remove()


@pytest.fixture
def database(postgres: Postgres) -> str:
    """The address of an empty database in it."""
    return postgres.fresh()
