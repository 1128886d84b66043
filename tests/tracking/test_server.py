"""The same against a real MLflow server that keeps the files itself."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
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
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    (tmp_path / "mlflow.db").write_bytes(migrated.read_bytes())
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{tmp_path}/mlflow.db", "--serve-artifacts"]
    command += ["--artifacts-destination", str(tmp_path / "files")]
    quietly = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (tmp_path / "server.log").open("w") as log:
        process = subprocess.Popen(
            command,
            stdout=log,
            stderr=log,
            cwd=tmp_path,
            env=os.environ | quietly,
        )
    uri = f"http://127.0.0.1:{port}"
    try:
        for _ in range(240):
            try:
                urllib.request.urlopen(f"{uri}/health", timeout=1).close()
                break
            except OSError:
                assert process.poll() is None, (tmp_path / "server.log").read_text()
                time.sleep(0.5)
        yield uri
    finally:
        process.terminate()
        process.wait(30)


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
