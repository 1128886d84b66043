"""Whom a challenger approves less often than the champion does, and how certain that is."""

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from creditrisk.validation.fairness import adverse_impact, groupings_of, smallest_ratio
from creditrisk.validation.impact_change import ImpactChange, Shift, impact_change

Flags = NDArray[np.bool_]


def changed(table: pl.DataFrame, new: Flags, old: Flags, weight: NDArray[np.float64] | None = None) -> ImpactChange:
    return impact_change(groupings_of(table, len(new), weight=weight), new, old)


def shift_of(found: ImpactChange, group: str) -> Shift:
    return next(shift for shift in found.shifts if shift.group == group)


def world(rows: int, seed: int, against: float) -> tuple[pl.DataFrame, Flags, Flags]:
    """Two models that rank nearly alike, one of them with so much more log-odds for women; twenty regions beside."""
    random = np.random.default_rng(seed)
    table = pl.DataFrame(
        {"sex": random.choice(["f", "m"], rows), "region": random.choice([f"r{i}" for i in range(20)], rows)}
    )
    risk, noise = random.normal(size=rows), 0.2 * random.normal(size=(2, rows))
    return table, risk + noise[0] + against * (table["sex"] == "f").to_numpy() < 0.3, risk + noise[1] < 0.3


def test_ratios_are_those_of_each_model_alone() -> None:
    table, new, old = world(4_000, 0, 0.3)
    found = changed(table.select("sex"), new, old)
    for flags, side in ((new, "challenger"), (old, "champion")):
        assert min(getattr(shift, side) for shift in found.shifts) == smallest_ratio(
            adverse_impact(table.select("sex"), flags)
        )
    assert found.worst == shift_of(found, "f")


def test_the_interval_is_as_wide_as_repeated_samples_spread() -> None:
    found = [shift_of(changed(t.select("sex"), n, o), "f").difference for t, n, o in _samples(200, 0.3)]
    spread = float(np.std([figure.value for figure in found]))
    said = float(np.mean([(figure.high - figure.low) / 2 / 1.96 for figure in found]))
    assert said == pytest.approx(spread, rel=0.15)


def _samples(count: int, against: float) -> list[tuple[pl.DataFrame, Flags, Flags]]:
    return [world(1_500, seed, against) for seed in range(count)]


def test_many_groups_do_not_hide_the_one_that_loses() -> None:
    """By the smallest ratio of all groups, mostly a region's by chance, most such challengers passed."""
    shown = sum(shift_of(changed(*sample), "f").shown_worse for sample in _samples(60, 0.2))
    assert shown >= 57


def test_of_equal_models_chance_alone_seldom_shows_a_loss() -> None:
    worst = [changed(*sample).worst for sample in _samples(120, 0.0)]
    shown = [shift for shift in worst if shift is not None and shift.shown_worse and shift.change < -0.05]
    assert len(shown) <= 6


@pytest.mark.parametrize(("fewer", "worse"), [(4, False), (6, True)])
def test_a_few_applicants_of_a_small_group_are_chance(fewer: int, worse: bool) -> None:
    """Four of fifty declined anew have a one-sided exact p value of .06, six of .016."""
    table = pl.DataFrame({"region": ["isle"] * 50 + ["north"] * 2_000})
    old = np.array([True] * 40 + [False] * 10 + [True] * 1_600 + [False] * 400)
    new = old.copy()
    new[:fewer] = False
    isle = shift_of(changed(table, new, old), "isle")
    assert isle.difference.value == pytest.approx(-fewer / 50 / 0.8)
    assert isle.shown_worse == worse


def test_groups_that_change_places_at_the_top_take_nothing_from_a_third() -> None:
    table = pl.DataFrame({"region": ["a"] * 1_000 + ["b"] * 1_000 + ["c"] * 1_000})
    a, b, c = np.arange(1_000) < 900, np.arange(1_000) < 800, np.arange(1_000) < 720
    found = changed(table, np.concatenate([b, a, c]), np.concatenate([a, b, c]))
    assert shift_of(found, "c").change == pytest.approx(0)
    assert found.worst == shift_of(found, "a")


def test_a_group_that_alone_gains_leaves_the_others_behind() -> None:
    table = pl.DataFrame({"region": ["a"] * 1_000 + ["b"] * 1_000 + ["c"] * 1_000})
    same, more = np.arange(1_000) < 800, np.arange(1_000) < 950
    found = changed(table, np.concatenate([more, same, same]), np.concatenate([same, same, same]))
    assert [shift.group for shift in found.shifts if shift.shown_worse] == ["b", "c"]
    assert found.worst is not None
    assert found.worst.change == pytest.approx(0.8 / 0.95 - 1)


def test_nobody_approved_is_said_and_small_groups_are_named() -> None:
    table = pl.DataFrame({"sex": ["m"] * 100 + ["f"] * 100 + ["x"] * 5})
    all_of_them, none = np.ones(205, dtype=bool), np.zeros(205, dtype=bool)
    assert changed(table, none, all_of_them) == ImpactChange((), ("sex",), ("x (sex)",))
    assert changed(table, all_of_them, none).nobody == ()
    assert changed(table, all_of_them, none).worst is None
    assert changed(table[:100], all_of_them[:100], none[:100]).not_judged == ("m (sex)",)


def test_rows_count_by_their_weight() -> None:
    table, new, old = world(2_000, 1, 0.3)
    twice = np.concatenate([np.arange(2_000), np.arange(0, 2_000, 2)])
    weight = np.where(np.arange(2_000) % 2, 1.0, 2.0)
    one, two = changed(table, new, old, weight), changed(table[twice], new[twice], old[twice])
    for a, b in zip(one.shifts, two.shifts, strict=True):
        assert (a.challenger, a.champion) == pytest.approx((b.challenger, b.champion))
        assert a.difference.high - a.difference.low > b.difference.high - b.difference.low


def test_rows_of_one_customer_are_no_further_evidence() -> None:
    table, new, old = world(2_000, 1, 0.1)
    four = np.repeat(np.arange(2_000), 4)
    one = changed(table, new, old)
    groupings = groupings_of(table[four], four.size)
    many = impact_change(groupings, new[four], old[four], customer=four)
    blind = impact_change(groupings, new[four], old[four])
    for a, b, c in zip(one.shifts, many.shifts, blind.shifts, strict=True):
        width, same, less = (shift.difference.high - shift.difference.low for shift in (a, b, c))
        assert same == pytest.approx(width, rel=0.25)
        assert less < 0.6 * width
