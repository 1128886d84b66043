"""The notebooks' figures: what they must not hide."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from creditrisk.exploration import figures
from creditrisk.exploration.rates import bad_rates, vintages


def drawn() -> Figure:
    figure = Figure()
    FigureCanvasAgg(figure)
    return figure


def test_groups_stand_from_top_to_bottom_with_their_intervals_inside() -> None:
    axes = drawn().add_subplot()
    rates = bad_rates(pl.Series(["a"] * 50 + ["b"] * 50), np.repeat([1.0, 0.0], [30, 70]))
    figures.dots(axes, rates, overall=0.3)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b"]
    assert axes.get_ylim()[0] > axes.get_ylim()[1]
    assert axes.get_xlim()[1] > rates["high"].max()  # type: ignore[operator]


def test_vintages_begin_at_zero() -> None:
    axes = drawn().add_subplot()
    days = [dt.date(2020, month, 1) for month in (1, 2, 3) for _ in range(40)]
    rates = vintages(pl.DataFrame({"application_date": days, "_target": [0.0, 1.0] * 60}))
    figures.vintage_band(axes, rates["period"], rates)
    assert axes.get_ylim()[0] == 0


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("0.0263635 to under 0.102341", "0.0264 to under 0.102"),
        ("606.5 or more", "606.5 or more"),
        ("14,352.5 or more", "14,352 or more"),
        ("36 to under 60", "36 to under 60"),
    ],
)
def test_labels_of_bins_have_few_digits(name: str, shown: str) -> None:
    axes = drawn().add_subplot()
    figures.dots(axes, bad_rates(pl.Series([name]), np.zeros(1)))
    assert [label.get_text() for label in axes.get_yticklabels()] == [shown]


def test_long_texts_are_cut_or_wrapped() -> None:
    assert figures.short("short") == "short"
    assert figures.short("a rather long name", 10) == "a rather…"
    assert figures.wrapped("one two three", 8) == "one two\nthree"
