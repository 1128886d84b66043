"""Adverse impact ratios."""

import datetime as dt

import numpy as np
import polars as pl
import pytest

from creditrisk.errors import DataError
from creditrisk.validation.fairness import adverse_impact, bands, lowest, smallest_ratio


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


def test_days_of_birth_are_in_decades() -> None:
    """By the day nobody would be like anybody: each a group of one, and the attribute never judged."""
    days = [dt.date(1958, 1, 1) + dt.timedelta(days=31 * i) for i in range(400)]
    table = pl.DataFrame({"birth_date": [*days, None]})
    (found,) = adverse_impact(table, np.arange(401) >= 100, min_rows=20)
    assert [group.name for group in found.groups] == [
        *(f"{year} to {year + 9}" for year in (1950, 1960, 1970, 1980, 1990)), "not given",
    ]  # fmt: skip
    assert found.ratio == 0
    assert found.left_out == ("not given",)
    one = bands(pl.Series("registered", [dt.datetime(2011, 3, 1), dt.datetime(2012, 1, 1), None]))
    assert one.to_list() == ["2011", "2012", "not given"]


def test_a_number_that_is_mostly_one_value_has_two_bands() -> None:
    children = pl.Series("children", [0.0] * 80 + [1.0, 2.0, 3.0, 4.0, 5.0] * 4)
    assert bands(children).value_counts(sort=True).rows() == [("below 1", 80), ("1 and above", 20)]


def test_applicants_count_by_their_weight() -> None:
    table = pl.DataFrame({"sex": ["1"] * 100 + ["2"] * 100})
    approved = np.array([True] * 50 + [False] * 50 + [True] * 50 + [False] * 50)
    weight = np.where((np.arange(200) >= 100) & ~approved, 3.0, 1.0)
    (found,) = adverse_impact(table, approved, weight=weight)
    assert found.ratio == pytest.approx(0.25 / 0.5)
    (kept,) = adverse_impact(table, approved, weight=np.where(np.arange(200) < 100, 1.0, 0.0))
    assert [group.name for group in kept.groups] == ["1"], "rows of weight 0 are of no group"


def test_the_lowest_group_is_named_and_everybody_approved_is_not_certain() -> None:
    table = pl.DataFrame({"sex": ["1"] * 60 + ["2"] * 60})
    found = lowest(adverse_impact(table, np.arange(120) < 110))
    assert found is not None
    assert (found[0], found[1].name) == ("sex", "2")
    (everybody,) = adverse_impact(table, np.ones(120, dtype=bool))
    other = next(group for group in everybody.groups if group.name != everybody.favoured)
    assert other.low is not None
    assert other.high is not None
    assert other.low < 0.97 < 1.03 < other.high


def test_rows_of_one_customer_are_no_further_evidence() -> None:
    table, approved = pl.DataFrame({"sex": ["1"] * 100 + ["2"] * 100}), np.arange(200) % 100 < np.repeat([80, 60], 100)
    four = np.repeat(np.arange(200), 4)
    (once,), (many,) = adverse_impact(table, approved), adverse_impact(table[four], approved[four], customer=four)
    (blind,) = adverse_impact(table[four], approved[four])
    assert adverse_impact(table, approved, customer=np.arange(200)) == (once,)
    low, same, less = (found.groups[1].low for found in (once, many, blind))
    assert once.ratio == many.ratio == blind.ratio == pytest.approx(0.75)
    assert same == pytest.approx(low, abs=0.003)
    assert less is not None
    assert low is not None
    assert less > low + 0.05
