"""The small lender with a real MLflow store and a champion, made once and copied for each test."""

from __future__ import annotations

import contextlib
import copy
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import yaml
from lender import Lender
from support import ROOT, SMALL_CONTRACT, small_table

from creditrisk.contract import Contract
from creditrisk.data.characteristics import add_characteristics
from creditrisk.data.cleaning.clean import clean_training
from creditrisk.data.split import split
from creditrisk.params import Params, Split
from creditrisk.paths import Project
from creditrisk.pipeline.train_model import train_bundle

SMALL = Params.model_validate({"portfolio": "small", "evaluation": {"bootstrap": 50}})
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


def make_promoted(root: Path, store: Path, lender: Lender) -> Project:
    """The small lender with ``fair`` as champion, version 1."""
    from creditrisk.tracking.promotion import promote
    from creditrisk.tracking.register import register

    project = Project(root)
    project.experiments.mkdir()
    shutil.copy(store, project.experiments / "mlflow.db")
    lender.tables(project)
    register(project, SMALL, lender.bundle("fair"))
    assert promote(project, SMALL, who="test").promoted
    return project


def copy_bank(promoted: Project, root: Path) -> Project:
    """A copy whose store names its own files."""
    shutil.copytree(promoted.root, root, dirs_exist_ok=True)
    keep_own_files(Project(root), promoted.root)
    return Project(root)


def keep_own_files(copy: Project, original: Path) -> None:
    """Let the store of a copied checkout name its own files: what is registered there must not land in the original."""
    with closing(sqlite3.connect(copy.experiments / "mlflow.db")) as store, store:
        for table, columns in PLACES.items():
            for column in columns:
                change = f"UPDATE {table} SET {column} = replace({column}, ?, ?)"
                store.execute(change, (str(original), str(copy.root)))


def make_servable(bank: Project) -> Project:
    """Put beside it what ``main.py serve`` needs."""
    shutil.copy(ROOT / "main.py", bank.root)
    (bank.root / "6.production").mkdir()
    shutil.copy(ROOT / "6.production" / "app.py", bank.root / "6.production")
    bank.pipeline.mkdir(exist_ok=True)
    bank.params.write_text(yaml.safe_dump({"portfolio": "small", "evaluation": {"bootstrap": 50}}))
    return bank


def make_narrow(folder: Path) -> Path:
    """A good bundle whose contract takes loans of 60 months at most, where the lender's takes 120."""
    content = copy.deepcopy(SMALL_CONTRACT)
    content["columns"]["months"]["max"] = 60
    text = yaml.safe_dump(content, sort_keys=False)
    contract = Contract.from_text(text, "narrow")
    table = add_characteristics(clean_training(small_table(4_000, seed=11).lazy(), contract).table, contract).collect()
    parts, rule, _ = split(table, contract, Split())
    params = Params(portfolio="small", model={"family": "scorecard"})
    train_bundle(folder, contract, text, params, parts["train"], parts["calibration"], rule, "0" * 64)
    return folder


@contextlib.contextmanager
def mlflow_server(folder: Path, store: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A real MLflow server on a copy of a store, which keeps the files itself: its address and its process."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    shutil.copy(store, folder / "mlflow.db")
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--serve-artifacts"]
    command += ["--artifacts-destination", str(folder / "files")]
    quietly = os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (folder / "server.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, env=quietly)
    uri = f"http://127.0.0.1:{port}"
    try:
        for _ in range(240):
            try:
                urllib.request.urlopen(f"{uri}/health", timeout=1).close()
                break
            except OSError:
                assert process.poll() is None, (folder / "server.log").read_text()
                time.sleep(0.5)
        yield uri, process
    finally:
        process.terminate()
        process.wait(30)
