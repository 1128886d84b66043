"""Information values and tables of bins."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import yaml
from support import SMALL_CONTRACT, small_table

from creditrisk.contract import Contract
from creditrisk.data.characteristics import add_characteristics
from creditrisk.data.cleaning.clean import clean_training
from creditrisk.exploration.folds import out_of_fold
from creditrisk.exploration.information import (
    VERY_STRONG,
    bin_all,
    bins_table,
    evidence_table,
    information_table,
    reading,
)
from creditrisk.model.families.binning import Binned
from creditrisk.model.family import TrainingData
from creditrisk.params import ModelParams
from creditrisk.pipeline.train_model import training_data
from creditrisk.validation.comparison import compare
from creditrisk.validation.metrics import evaluate


@pytest.fixture(scope="module")
def data() -> TrainingData:
    contract = Contract.from_text(yaml.safe_dump(SMALL_CONTRACT, sort_keys=False), "small")
    cleaned = clean_training(small_table(2_000).lazy(), contract)
    return training_data(add_characteristics(cleaned.table, contract).collect(), contract)


@pytest.fixture(scope="module")
def binned(data: TrainingData) -> dict[str, Binned]:
    return bin_all(data, ModelParams())


@pytest.mark.parametrize(
    ("iv", "said"), [(0.0, "nothing"), (0.02, "weak"), (0.29, "medium"), (0.3, "strong"), (0.6, VERY_STRONG)]
)
def test_readings(iv: float, said: str) -> None:
    assert reading(iv) == said


def test_the_ratio_that_makes_the_outcome_comes_first(data: TrainingData, binned: dict[str, Binned]) -> None:
    table = information_table(data, binned)
    assert table["input"][0] == "instalment_burden"
    assert set(table["input"]) == {item.name for item in data.inputs}
    assert table["iv"].is_sorted(descending=True)
    assert table.filter(pl.col("input") == "income")["missing"][0] > 0


def test_bins_hold_every_row_and_their_evidence(data: TrainingData, binned: dict[str, Binned]) -> None:
    table = bins_table(binned["income"])
    assert table["rows"].sum() == data.y.size
    assert table["bads"].sum() == int(data.y.sum())
    assert table["group"][-1] == "missing"
    assert np.corrcoef(table["woe"], table["bad_rate"])[0, 1] > 0.9


def test_evidence_is_that_of_each_rows_bin(data: TrainingData, binned: dict[str, Binned]) -> None:
    table = evidence_table(binned, ["income", "purpose"])
    assert table.shape == (data.y.size, 2)
    assert set(table["income"]) == set(bins_table(binned["income"])["woe"])


def test_rows_are_judged_by_models_that_never_saw_them(data: TrainingData) -> None:
    """On pure noise an out-of-fold PD says nothing, however well the fit looks on its own rows."""
    noise = TrainingData(data.table, np.random.default_rng(5).permutation(data.y), data.weight, data.inputs)
    params = ModelParams.model_validate({"monotone": False, "scorecard": {"min_iv": 0.0}})
    pd, nothing = (out_of_fold("scorecard", rows, params) for rows in (data, noise))
    assert pd.shape == data.y.shape
    assert evaluate(data.y, pd).auc.low > 0.7
    assert evaluate(noise.y, nothing).auc.value == pytest.approx(0.5, abs=0.06)
    assert compare(data.y, pd, nothing, data.weight).better


def test_out_of_fold_is_repeatable(data: TrainingData) -> None:
    first, again = (out_of_fold("scorecard", data, ModelParams(), seed=3) for _ in range(2))
    assert (first == again).all()
