"""Bad rates by group and by vintage."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.stats import binomtest

from creditrisk.exploration.rates import MISSING, OTHERS, bad_rates, banded, vintages


def test_rates_count_every_row_and_missing_comes_last() -> None:
    groups = pl.Series(["b", "a", None, "a"])
    table = bad_rates(groups, np.array([1.0, 0.0, 1.0, 1.0]))
    assert table.select("group", "rows", "bads").rows() == [("a", 2, 1), ("b", 1, 1), (MISSING, 1, 1)]
    assert table["bad_rate"].to_list() == [0.5, 1.0, 1.0]


def test_an_order_is_kept_and_groups_without_rows_are_left_out() -> None:
    table = bad_rates(pl.Series(["low", "high", "low"]), np.zeros(3), ["low", "middle", "high"])
    assert table["group"].to_list() == ["low", "high"]


def test_intervals_are_wilsons() -> None:
    y = np.repeat([1.0, 0.0], [7, 93])
    low, high = bad_rates(pl.repeat("all", 100, eager=True), y).select("low", "high").row(0)
    expected = binomtest(7, 100).proportion_ci(0.95, method="wilson")
    assert (low, high) == pytest.approx((expected.low, expected.high))


def test_few_values_stay_as_they_are_in_order() -> None:
    groups, order = banded(pl.Series([10.0, 2.0, None, 2.0]))
    assert order == ["2", "10"]
    assert groups.to_list() == ["10", "2", None, "2"]


@example([0.0, -0.0], 2)
@example([1.0, 1.0 + 1e-9, None], 2)
@given(st.lists(st.floats(-1e6, 1e6) | st.none(), min_size=1, max_size=300), st.integers(2, 12))
def test_bands_hold_every_row_once(values: list[float | None], bands: int) -> None:
    groups, order = banded(pl.Series(values, dtype=pl.Float64), bands)
    table = bad_rates(groups, np.zeros(len(values)), order)
    assert table["rows"].sum() == len(values)
    missing = table.filter(pl.col("group") == MISSING)["rows"].sum()
    assert missing == values.count(None)
    assert table.height - (missing > 0) <= bands


def test_bands_of_many_values_hold_about_as_many_rows() -> None:
    groups, order = banded(pl.Series(np.arange(800.0)), 8)
    assert len(order) == 8
    assert order[0] == "under 99"
    assert bad_rates(groups, np.zeros(800), order)["rows"].is_between(99, 101).all()


def test_rare_texts_are_taken_together() -> None:
    groups, order = banded(pl.Series(["a"] * 5 + ["b"] * 3 + ["c", "d", None]), 3)
    assert order == ["a", "b", OTHERS]
    assert groups.to_list()[-3:] == [OTHERS, OTHERS, None]


def test_vintages_are_in_order_of_time() -> None:
    days = [dt.date(2021, 2, 3), dt.date(2020, 5, 1), dt.date(2020, 6, 30)]
    table = pl.DataFrame({"application_date": days, "_target": [1.0, 0.0, 1.0]})
    assert vintages(table, "1q").select("period", "rows", "bads").rows() == [
        (dt.date(2020, 4, 1), 2, 1),
        (dt.date(2021, 1, 1), 1, 1),
    ]
