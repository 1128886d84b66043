"""The evaluation of a table as a first contract describes it: nothing protected, no id, no dates."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import yaml
from support import SMALL_CONTRACT, small_table

from creditrisk.params import Params
from creditrisk.paths import Project
from creditrisk.pipeline.evaluate_model import evaluate_model
from creditrisk.pipeline.fe import fe
from creditrisk.pipeline.get_data import get_data
from creditrisk.pipeline.prep_clean_data import prep_clean_data
from creditrisk.pipeline.split_data import split_data
from creditrisk.pipeline.stage import Stage
from creditrisk.pipeline.train_model import train_model


def test_a_contract_that_protects_nothing_is_evaluated(tmp_path: Path) -> None:
    contract = copy.deepcopy(SMALL_CONTRACT)
    contract["columns"]["age"]["role"] = "ignore"
    contract["columns"]["loan"]["role"] = "ignore"
    contract["id"] = None
    for folder in ("1.data/portfolios", "4.dvc_pipeline"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "1.data" / "portfolios" / "small.yaml").write_text(yaml.safe_dump(contract, sort_keys=False))
    small_table(1_500).write_csv(tmp_path / "small.csv")
    settings = {"model": {"family": "scorecard"}, "evaluation": {"bootstrap": 50}}
    stage = Stage(Project(tmp_path), Params(portfolio="small", table="../small.csv", **settings))
    for work in (get_data, prep_clean_data, fe, split_data, train_model, evaluate_model):
        work(stage)
    metrics = json.loads((stage.artifacts / "metrics.json").read_text())
    assert metrics["adverse_impact"] is None
    assert metrics["auc"]["value"] > 0.6
    report = (stage.artifacts / "report.html").read_text()
    assert "Adverse impact" not in report
