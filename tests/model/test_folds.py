"""Inner folds: a customer's rows lie on one side, and nothing changes where each customer has one row."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from creditrisk.contract import Input
from creditrisk.errors import DataError
from creditrisk.model.families.blend import out_of_fold
from creditrisk.model.family import TrainingData
from creditrisk.model.folds import inner_folds
from creditrisk.model.race import stratified_folds
from creditrisk.model.selection import select
from creditrisk.params import BlendParams, CatboostParams, EbmParams, ModelParams

CUSTOMERS, LOANS = 240, 5
INPUTS = tuple(Input(name=f"x{i}", kind="number", title=f"X{i}") for i in range(6))
EBM = EbmParams(bags=2, rounds=300, interactions=0, tree_pairs=0, max_bins=32)
CATBOOST = CatboostParams(rounds=200, depth=6, learning_rate=0.1)


def loans_of_customers(*, known: bool) -> TrainingData:
    """What a customer is stands in every loan's inputs, and half of the risk is the customer's own."""
    random = np.random.default_rng(0)
    x, own = random.normal(size=(CUSTOMERS, 6)), 2 * random.normal(size=CUSTOMERS)
    customer = np.repeat(np.arange(CUSTOMERS), LOANS)
    margin = (x[:, 0] - x[:, 1] / 2 + own)[customer]
    y = (random.random(customer.size) < 1 / (1 + np.exp(-margin))).astype(np.float64)
    table = pl.DataFrame(x[customer], schema=[item.name for item in INPUTS])
    return TrainingData(table, y, np.ones(y.size), INPUTS, customer if known else None)


def customers_of(data: TrainingData, rows: NDArray[np.int64]) -> set[int]:
    assert data.group is not None
    return set(data.group[rows].tolist())


def test_rows_of_one_customer_stay_on_one_side() -> None:
    data = loans_of_customers(known=True)
    folds = inner_folds(data, 3, 2, 0)
    assert len(folds) == 6
    for fit, judge in folds:
        assert not customers_of(data, fit) & customers_of(data, judge)
        assert data.y[judge].mean() == pytest.approx(data.y.mean(), abs=0.05)
    for draw in (folds[:3], folds[3:]):
        assert sorted(np.concatenate([judge for _, judge in draw])) == list(range(data.y.size))


def test_customers_of_one_row_each_change_nothing() -> None:
    data = replace(loans_of_customers(known=True), group=np.arange(CUSTOMERS * LOANS))
    for one, other in zip(inner_folds(data, 3, 2, 0), stratified_folds(data.y, 3, 2, 0), strict=True):
        assert all((a == b).all() for a, b in zip(one, other, strict=True))


def test_a_black_box_does_not_win_by_knowing_the_customers() -> None:
    params = ModelParams(ebm=EBM, catboost=CATBOOST)
    found = {known: select(loans_of_customers(known=known), params, 0) for known in (False, True)}
    assert {known: one.family for known, one in found.items()} == {False: "catboost", True: "ebm"}
    best = {known: max(entry.get("auc", 0.0) for entry in one.leaderboard) for known, one in found.items()}
    assert best[True] < best[False] - 0.03


def test_weights_of_a_blend_come_from_customers_that_no_member_knew() -> None:
    params = ModelParams(family="blend", ebm=EBM, catboost=CATBOOST, blend=BlendParams(members=("ebm", "catboost")))
    loss = []
    for known in (False, True):
        data = loans_of_customers(known=known)
        margin = out_of_fold(data, params, 0)[0][:, 1]
        loss.append(float(np.mean(np.logaddexp(0.0, margin) - data.y * margin)))
    assert loss[1] > loss[0] + 0.03


def test_too_few_customers_are_said() -> None:
    data = loans_of_customers(known=True)
    two = replace(data, group=np.arange(data.y.size) % 2)
    with pytest.raises(DataError, match="rows are of 2 customers, too few for 3 inner folds"):
        inner_folds(two, 3, 1, 0)
    bads_of_one = replace(data, y=(np.asarray(data.group) == 7).astype(np.float64))
    with pytest.raises(DataError, match="an inner fold has 0 rows of one outcome"):
        inner_folds(bads_of_one, 3, 1, 0)
    with pytest.raises(DataError, match="but 3 customers; one for each row"):
        replace(data, group=np.arange(3))
