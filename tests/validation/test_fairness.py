"""Adverse impact ratios."""

import numpy as np
import polars as pl
import pytest

from creditrisk.errors import DataError
from creditrisk.validation.fairness import adverse_impact, bands, smallest_ratio


def test_ratio_is_to_the_most_favoured_group() -> None:
    sex = pl.DataFrame({"sex": ["1"] * 100 + ["2"] * 100 + [None] * 60})
    approved = np.array([True] * 80 + [False] * 20 + [True] * 60 + [False] * 40 + [True] * 30 + [False] * 30)
    (found,) = adverse_impact(sex, approved, {"sex": {"1": "men", "2": "women"}})
    assert found.favoured == "men"
    assert {g.name: g.ratio for g in found.groups} == pytest.approx({"men": 1, "women": 0.75, "not given": 0.625})
    assert found.ratio == smallest_ratio([found]) == pytest.approx(0.625)
    women = next(g for g in found.groups if g.name == "women")
    assert women.low is not None
    assert women.high is not None
    assert 0.6 < women.low < 0.75 < women.high < 0.95
    men = next(g for g in found.groups if g.name == "men")
    assert (men.low, men.high) == (None, None), "its ratio to itself is 1 in every sample"


def test_small_groups_are_left_out_and_said() -> None:
    table = pl.DataFrame({"region": ["north"] * 100 + ["south"] * 100 + ["isle"] * 10})
    (found,) = adverse_impact(table, np.array([True] * 100 + [True] * 90 + [False] * 20))
    assert found.left_out == ("isle",)
    assert found.ratio == pytest.approx(0.9)
    assert next(g for g in found.groups if g.name == "isle").ratio is None


def test_values_of_one_title_are_one_group() -> None:
    """Shown apart, the small one's title would take the large one out of the report."""
    table = pl.DataFrame({"status": ["1"] * 100 + ["0"] * 100 + [None] * 5})
    approved = np.array([True] * 90 + [False] * 10 + [True] * 60 + [False] * 45)
    (found,) = adverse_impact(table, approved, {"status": {"1": "employed", "0": "not given"}})
    assert {g.name: g.rows for g in found.groups} == {"not given": 105, "employed": 100}
    assert found.left_out == ()
    assert found.ratio == pytest.approx(60 / 105 / 0.9)


def test_one_large_group_alone_cannot_be_judged() -> None:
    (found,) = adverse_impact(pl.DataFrame({"sex": ["1"] * 100 + ["2"] * 3}), np.ones(103, dtype=bool))
    assert (found.ratio, found.favoured, smallest_ratio([found])) == (None, None, None)


def test_nobody_approved_has_no_ratio_and_none_of_a_group_is_nought() -> None:
    table = pl.DataFrame({"sex": ["1"] * 100 + ["2"] * 100})
    (none,) = adverse_impact(table, np.zeros(200, dtype=bool))
    assert none.ratio is None
    (half,) = adverse_impact(table, np.array([True] * 100 + [False] * 100))
    assert half.ratio == 0


def test_ages_are_in_bands_and_other_numbers_in_quarters() -> None:
    ages = bands(pl.Series("age", [18.0, 25.0, 44.9, 70.0, None]))
    assert ages.to_list() == ["below 25", "25 to 35", "35 to 45", "65 and above", "not given"]
    assert bands(pl.Series("language", [1.0, 2.0, None])).to_list() == ["1", "2", "not given"]
    assert bands(pl.Series("postcode", np.arange(100.0))).n_unique() == 4
    assert bands(pl.Series("married", [True, False, None])).to_list() == ["true", "false", "not given"]


def test_bands_stand_in_the_order_of_their_numbers() -> None:
    ages = pl.DataFrame({"age": [70.0, 30.0, 20.0, None] * 20})
    (found,) = adverse_impact(ages, np.ones(80, dtype=bool), min_rows=10)
    assert [g.name for g in found.groups] == ["below 25", "25 to 35", "65 and above", "not given"]


def test_another_number_of_rows_is_refused() -> None:
    with pytest.raises(DataError, match="3 rows and 2 decisions"):
        adverse_impact(pl.DataFrame({"sex": ["1", "2", "2"]}), np.array([True, False]))
