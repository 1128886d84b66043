"""A checkout with an empty tracking store for each test of a search, and what Optuna and MLflow warn of let pass."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from bank import MLFLOWS_OWN
from search.lab import PARAMS, SEARCH, plan

from creditrisk.paths import Project
from creditrisk.search.opening import open_session
from creditrisk.search.session import Session


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let MLflow's own warnings pass, in the tests of this folder alone."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            for each in MLFLOWS_OWN:
                item.add_marker(pytest.mark.filterwarnings(each))


@pytest.fixture
def project(tmp_path: Path, migrated: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A checkout with an empty tracking store."""
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "MLFLOW_ARTIFACT_ROOT"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "3.experiments").mkdir()
    shutil.copy(migrated, tmp_path / "3.experiments" / "mlflow.db")
    return Project(tmp_path)


@pytest.fixture
def search(project: Project) -> Iterator[Callable[..., Session]]:
    """Open a part in the small lender's study; closed at the test's end."""
    from contextlib import ExitStack

    with ExitStack() as stack:

        def opened(*families: str, **options: Any) -> Session:
            chosen = families or ("scorecard", "ebm", "catboost", "blend")
            arguments = {"trials": 4} | options
            return stack.enter_context(open_session(project, PARAMS, plan(), SEARCH, chosen, **arguments))

        yield opened
