"""The leakage hunt over all raw columns."""

from __future__ import annotations

import copy

import numpy as np
import polars as pl
import pytest
import yaml
from support import SMALL_CONTRACT, small_table

from creditrisk.contract import Contract
from creditrisk.errors import DataError
from creditrisk.exploration.hunt import NOT_DESCRIBED, hunt

RAW = small_table(3_000)
BAD = (RAW["outcome"] == "default").cast(pl.Float64)


def small() -> Contract:
    contract = copy.deepcopy(SMALL_CONTRACT)
    contract["columns"]["memo"] = {"type": "text", "role": "ignore", "note": "Written later."}
    return Contract.from_text(yaml.safe_dump(contract), "small")


def test_honest_columns_are_not_suspect() -> None:
    found = hunt(RAW, BAD, small())
    assert set(found["column"]) == set(RAW.columns) - {"outcome"}
    assert (found["verdict"] == "").all()
    assert found["auc"].is_sorted(descending=True)


def test_what_tells_the_outcome_is_found_used_or_not() -> None:
    random = np.random.default_rng(0)
    memo = BAD.to_numpy() * 3 + random.random(BAD.len())
    raw = RAW.with_columns(pl.Series("memo", memo.astype(str)), extra=BAD)
    found = {line["column"]: line for line in hunt(raw, BAD, small()).to_dicts()}
    assert found["memo"]["verdict"].startswith("tells the outcome alone")
    assert (found["memo"]["role"], found["memo"]["note"]) == ("ignore", "Written later.")
    assert (found["extra"]["role"], found["extra"]["auc"]) == (NOT_DESCRIBED, pytest.approx(1.0))


def test_a_value_that_only_bad_rows_have_is_found_though_the_auc_is_modest() -> None:
    rare = (BAD == 1) & (pl.Series(np.random.default_rng(1).random(BAD.len())) < 0.4)
    (line,) = hunt(RAW.select(memo=rare.cast(pl.Int64)), BAD, small()).to_dicts()
    assert line["auc"] < 0.8
    assert "almost no good row" in line["verdict"]


def test_what_beats_every_feature_and_is_none_is_found() -> None:
    noise = np.random.default_rng(2).normal(size=BAD.len())
    raw = RAW.select("age", "purpose").with_columns(memo=pl.Series(BAD.to_numpy() + noise))
    verdicts = dict(hunt(raw, BAD, small()).select("column", "verdict").rows())
    assert verdicts["memo"].startswith("stronger than every feature")


def test_a_name_can_give_a_column_away() -> None:
    raw = RAW.with_columns(recoveries=pl.lit(0))
    verdicts = dict(hunt(raw, BAD, small()).select("column", "verdict").rows())
    assert verdicts["recoveries"].startswith("by its name")


def test_an_outcome_for_each_row() -> None:
    with pytest.raises(DataError, match="3,000 rows and 10 outcomes"):
        hunt(RAW, BAD.head(10), small())
