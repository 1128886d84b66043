"""The evaluation of a table as a first contract describes it: nothing protected, no id, no dates."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import yaml
from support import SMALL_CONTRACT, small_table

from creditrisk.contract import GROUP, WEIGHT
from creditrisk.model.scorer import Scorer
from creditrisk.params import Params
from creditrisk.paths import Project
from creditrisk.pipeline.evaluate_model import evaluate_model
from creditrisk.pipeline.fe import fe
from creditrisk.pipeline.get_data import get_data
from creditrisk.pipeline.prep_clean_data import prep_clean_data
from creditrisk.pipeline.split_data import split_data
from creditrisk.pipeline.stage import Stage
from creditrisk.pipeline.train_model import train_model, training_data
from creditrisk.validation.fairness import adverse_impact, smallest_ratio
from creditrisk.validation.metrics import evaluate


def test_a_contract_that_protects_nothing_is_evaluated(tmp_path: Path) -> None:
    contract = copy.deepcopy(SMALL_CONTRACT)
    contract["columns"]["age"]["role"] = "ignore"
    contract["columns"]["loan"]["role"] = "ignore"
    contract["id"] = None
    stage = evaluated(tmp_path, contract, {"family": "scorecard"})
    metrics = json.loads((stage.artifacts / "metrics.json").read_text())
    assert metrics["adverse_impact"] is None
    assert metrics["auc"]["value"] > 0.6
    report = (stage.artifacts / "report.html").read_text()
    assert "Adverse impact" not in report


def test_the_report_of_a_blend_says_its_weights_and_what_was_settled_for_each_member(tmp_path: Path) -> None:
    blend = {"members": ["scorecard", "lightgbm"]}
    lightgbm = {"rounds": 20, "leaves": 4}
    stage = evaluated(tmp_path, SMALL_CONTRACT, {"family": "blend", "blend": blend, "lightgbm": lightgbm})
    report = (stage.artifacts / "report.html").read_text()
    for setting in ("weights.scorecard", "weights.lightgbm", "intercept", "members.lightgbm.leaves"):
        assert setting in report
    assert "catboost.depth" not in report
    files = json.loads((stage.artifacts / "bundle" / "manifest.json").read_text())["files"]
    assert {"model/model.json", "model/scorecard/arrays.npz", "model/lightgbm/model.txt"} <= set(files)


def test_customers_and_weights_are_counted_as_the_gates_count_them(tmp_path: Path) -> None:
    added = {"customer": {"type": "text", "role": "id"}, "counts": {"type": "number", "min": 0, "input": False}}
    columns = {"columns": SMALL_CONTRACT["columns"] | added, "group": "customer", "weight": "counts"}
    number = np.arange(1_500)
    counts = np.where(number % 2, 1.0, 3.0)
    table = small_table(1_500).with_columns(
        customer=pl.Series([f"C{n // 3}" for n in number]), counts=pl.Series(counts)
    )
    stage = evaluated(tmp_path, SMALL_CONTRACT | columns, {"family": "scorecard"}, table)
    metrics = json.loads((stage.artifacts / "metrics.json").read_text())
    test = pl.read_parquet(stage.tables / "split" / "test.parquet")
    assert metrics["customers"] == test[GROUP].n_unique() < test.height
    said = f"These {test.height:,} rows are of {metrics['customers']:,} customers: intervals count customers, not rows."
    assert said in (stage.artifacts / "report.html").read_text()
    scorer = Scorer.load(stage.artifacts / "bundle")
    data = training_data(test, scorer.contract)
    pd = scorer.calibrator.pd_vector(scorer.model.margin(data.table))
    approved = (scorer.policy.decide_vector(pd) == "approve").to_numpy()
    by_weight = adverse_impact(test.select("age"), approved, weight=test[WEIGHT].to_numpy())
    by_row = adverse_impact(test.select("age"), approved)
    assert metrics["adverse_impact"] == smallest_ratio(by_weight) != smallest_ratio(by_row)
    expected = evaluate(data.y, pd, data.weight, stage.params.evaluation, stage.params.seed, data.group)
    assert metrics["auc"] == expected.auc.to_json()
    assert metrics["calibration_slope"] == expected.calibration_slope.to_json()


def evaluated(root: Path, contract: dict[str, Any], model: dict[str, Any], table: pl.DataFrame | None = None) -> Stage:
    """The small lender in a folder of its own after six stages."""
    for folder in ("1.data/portfolios", "4.dvc_pipeline"):
        (root / folder).mkdir(parents=True)
    (root / "1.data" / "portfolios" / "small.yaml").write_text(yaml.safe_dump(contract, sort_keys=False))
    (small_table(1_500) if table is None else table).write_csv(root / "small.csv")
    params = Params.model_validate(
        {"portfolio": "small", "table": "../small.csv", "model": model, "evaluation": {"bootstrap": 50}}
    )
    stage = Stage(Project(root), params)
    for work in (get_data, prep_clean_data, fe, split_data, train_model, evaluate_model):
        work(stage)
    return stage
