"""The small lender with a real MLflow store and a champion, made once and copied for each test."""

from __future__ import annotations

import copy
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import yaml
from lender import Lender
from support import ROOT, SMALL_CONTRACT, small_table

from creditrisk.contract import Contract
from creditrisk.data.characteristics import add_characteristics
from creditrisk.data.clean import clean_training
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
    bank = Project(root)
    with closing(sqlite3.connect(bank.experiments / "mlflow.db")) as store, store:
        for table, columns in PLACES.items():
            for column in columns:
                store.execute(
                    f"UPDATE {table} SET {column} = replace({column}, ?, ?)", (str(promoted.root), str(bank.root))
                )
    return bank


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
