"""The same against a real MLflow server that keeps the files itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from bank import mlflow_server
from lender import Lender
from support import small_table

from creditrisk.params import Params
from creditrisk.paths import Project
from creditrisk.tracking.experiments import preflight
from creditrisk.tracking.promotion import promote, verify_history
from creditrisk.tracking.register import register
from creditrisk.tracking.registry import champion_bundle
from creditrisk.tracking.store import pyfunc

pytestmark = pytest.mark.slow


@pytest.fixture
def server(tmp_path: Path, migrated: Path) -> Iterator[str]:
    with mlflow_server(tmp_path, migrated) as (uri, _):
        yield uri


def test_register_and_promote_through_a_server(
    server: str, bare: Project, lender: Lender, small: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    preflight(bare, small)
    first = register(bare, small, lender.bundle("fair"), metrics={"auc": 0.7})
    assert register(bare, small, lender.bundle("fair")).version == first.version
    lender.tables(bare)
    assert promote(bare, small).promoted
    register(bare, small, lender.bundle("good"))
    assert promote(bare, small).promoted
    assert verify_history(bare, small) == 2
    path, digest = champion_bundle(bare, small)
    assert path.name == digest == lender.manifest("good").digest
    table = pd.DataFrame(small_table(5).to_dict(as_series=False))
    loaded = pyfunc().load_model("models:/CreditRiskModel-small@champion")
    assert loaded.predict(table)["pd"].between(0, 1).all()
