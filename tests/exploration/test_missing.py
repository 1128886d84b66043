"""What is missing, when, and whether it says something."""

from __future__ import annotations

import datetime as dt

import polars as pl

from creditrisk.exploration.missing import missing_and_risk, missing_by_period

TABLE = pl.DataFrame(
    {
        "application_date": [dt.date(2020, 1, 5), dt.date(2020, 2, 5), dt.date(2020, 7, 5), dt.date(2020, 8, 5)],
        "_target": [1.0, 0.0, 0.0, 1.0],
        "income": [None, 5.0, 6.0, None],
        "purpose": ["car", None, "car", "car"],
        "amount": [1.0, 2.0, 3.0, 4.0],
    }
)


def test_shares_are_by_period() -> None:
    shares = missing_by_period(TABLE, ["income", "purpose"])
    assert shares.rows() == [(dt.date(2020, 1, 1), 2, 0.5, 0.5), (dt.date(2020, 7, 1), 2, 0.5, 0.0)]


def test_rates_stand_side_by_side_and_columns_without_gaps_are_left_out() -> None:
    found = missing_and_risk(TABLE, ["purpose", "income", "amount"])
    assert found["column"].to_list() == ["income", "purpose"]
    income = found.row(0, named=True)
    assert (income["missing"], income["rate_missing"], income["rate_given"]) == (0.5, 1.0, 0.0)
    assert income["low"] < 1.0 == income["high"]


def test_a_table_without_gaps_gives_an_empty_answer() -> None:
    assert missing_and_risk(TABLE, ["amount"]).height == 0
