"""Rows and folds: by class, by time, by customer; and the fingerprint that keeps studies apart."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest
from search.lab import SEARCH, plan, rows

from creditrisk.errors import DataError
from creditrisk.model.family import TrainingData
from creditrisk.search.plan import FIRST_SHARE, expanding_folds, make_plan


def days(count: int) -> pl.Series:
    start = dt.date(2020, 1, 1)
    return pl.Series([start + dt.timedelta(days=int(x)) for x in np.random.default_rng(0).integers(0, 400, count)])


def test_every_row_is_judged_once_a_draw() -> None:
    found = plan()
    judged = np.concatenate([rows for _, rows in found.folds])
    assert sorted(judged) == list(range(found.data.y.size))
    assert found.data.y.size == 700
    assert found.rows == rows().y.size
    shares = [found.data.y[rows].mean() for _, rows in found.folds]
    assert max(shares) - min(shares) < 0.01


def test_folds_by_time_train_on_the_past_alone() -> None:
    dates = days(2_000)
    folds = expanding_folds(dates, 3)
    values = dates.to_numpy()
    for train, judged in folds:
        assert values[train].max() < values[judged].min()
    assert abs(folds[0][0].size / 2_000 - FIRST_SHARE) < 0.02
    judged = np.concatenate([rows for _, rows in folds])
    assert len(set(judged)) == judged.size == 2_000 - folds[0][0].size
    assert [train.size for train, _ in folds] == sorted(train.size for train, _ in folds)


def test_the_plan_goes_by_time_where_there_are_dates() -> None:
    found = make_plan(rows(), SEARCH, 0, dates=days(rows().y.size))
    assert found.kind == "expanding by time"
    assert len(found.folds) == SEARCH.folds


def test_too_few_days_for_the_folds_are_said() -> None:
    dates = pl.Series([dt.date(2020, 1, 1), dt.date(2020, 2, 1)] * 50)
    with pytest.raises(DataError, match="their 2 different application dates are too few for 3 folds by time"):
        expanding_folds(dates, 3)


def test_a_missing_day_is_said() -> None:
    with pytest.raises(DataError, match="1 have no application date"):
        expanding_folds(pl.Series([None, dt.date(2020, 1, 1)]), 2)


def test_rows_of_one_customer_stay_together() -> None:
    groups = pl.Series([f"c{number // 3}" for number in range(rows().y.size)])
    found = make_plan(rows(), SEARCH, 0, groups=groups)
    assert "together" in found.kind
    chosen = SEARCH.rows
    for train, judged in found.folds:
        assert train.size + judged.size == found.data.y.size <= chosen


def test_a_fold_with_one_class_is_named() -> None:
    few = rows().take(np.concatenate([np.flatnonzero(rows().y == 1)[:8], np.flatnonzero(rows().y == 0)[:500]]))
    with pytest.raises(DataError, match=r"fold 1 of 3 \(stratified\): its judged rows are \d+ good and \d bad"):
        make_plan(few, SEARCH, 0)


def test_a_fold_by_time_without_bads_is_named() -> None:
    data = rows()
    order = np.argsort(-data.y, kind="stable")  # all bads come first
    dates = pl.Series([dt.date(2020, 1, 1) + dt.timedelta(days=int(day)) for day in np.argsort(order)])
    with pytest.raises(DataError, match=r"fold \d of 2 \(expanding by time\)"):
        make_plan(data, SEARCH, 0, dates=dates)


def test_the_fingerprint_changes_with_rows_inputs_and_folds() -> None:
    same = make_plan(rows(), SEARCH, 0)
    assert same.fingerprint == plan().fingerprint
    other = make_plan(rows().take(np.arange(rows().y.size - 1)), SEARCH, 0)
    folds = make_plan(rows(), SEARCH.model_copy(update={"small_folds": 4}), 0)
    assert len({same.fingerprint, other.fingerprint, folds.fingerprint}) == 3


def test_other_folds_are_of_the_same_draw() -> None:
    twice = make_plan(rows(), SEARCH.model_copy(update={"small_repeats": 2}), 0)
    assert len(twice.folds) == 6
    for number, (_, judged) in enumerate(twice.folds):
        for other in twice.others(number):
            assert not set(judged) & set(twice.folds[other][1])
    assert twice.others(4) == [3, 5]


def test_folds_by_time_learn_nothing_from_later_ones() -> None:
    found = make_plan(rows(), SEARCH, 0, dates=days(rows().y.size))
    assert [found.others(number) for number in range(len(found.folds))] == [[], [0]]


def test_as_many_periods_as_folds_need_are_enough() -> None:
    dates = pl.Series([dt.date(2020, month, 1) for month in range(1, 5) for _ in range(25)])
    folds = expanding_folds(dates, 3)
    assert [(train.size, judged.size) for train, judged in folds] == [(25, 25), (50, 25), (75, 25)]


def test_customers_that_do_not_make_folds_are_said() -> None:
    size = rows().y.size
    with pytest.raises(DataError, match="2 different customers, 0 rows without one; 3 folds by customer need"):
        make_plan(rows(), SEARCH, 0, groups=pl.Series([f"c{number % 2}" for number in range(size)]))
    with pytest.raises(DataError, match="rows without one"):
        make_plan(rows(), SEARCH, 0, groups=pl.Series([None, *[f"c{number}" for number in range(size - 1)]]))


def test_folds_by_time_judge_new_customers_alone() -> None:
    data = rows()
    groups = pl.Series([f"c{number % 600}" for number in range(data.y.size)])
    found = make_plan(data, SEARCH.model_copy(update={"rows": data.y.size}), 0, days(data.y.size), groups)
    assert found.kind == "expanding by time"
    names = groups.to_numpy()
    for train, judged in found.folds:
        assert judged.size
        assert not set(names[train]) & set(names[judged])


def test_where_all_customers_come_again_they_are_parted_in_place_of_periods() -> None:
    groups = pl.Series([f"c{number % 50}" for number in range(rows().y.size)])
    found = make_plan(rows(), SEARCH, 0, days(rows().y.size), groups)
    assert found.kind == "stratified, customers together"


def test_rows_without_weight_are_in_no_plan() -> None:
    data = rows()
    weight = np.where(np.arange(data.y.size) % 3, 1.0, 0.0)
    found = make_plan(TrainingData(data.table, data.y, weight, data.inputs), SEARCH, 0)
    assert found.data.weight.all()
    assert found.rows == weight.sum()
