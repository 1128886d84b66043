"""A table of one's own: a first contract, unedited, to a champion that scores."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import polars as pl
import pytest
import yaml
from support import Checkout, small_table

pytestmark = pytest.mark.slow


def lend(checkout: Checkout, dated: bool) -> str:
    """Leave a table that no contract knows; loans of each day among them where they are dated."""
    table = small_table(1_500, seed=11).rename({"outcome": "went"})
    table = table.with_columns(sex=pl.Series(["f", "m", "m"] * 500))
    if dated:
        days = pl.date_range(dt.date(2021, 1, 1), dt.date(2022, 12, 31), eager=True)
        table = table.with_columns(applied_on=days.gather([row % days.len() for row in range(table.height)]))
    table.write_csv(checkout.root / "cars.csv")
    return "cars.csv"


@pytest.mark.parametrize("dated", [False, True])
def test_a_first_contract_goes_unedited_to_a_champion_that_scores(checkout: Checkout, dated: bool) -> None:
    time = ("--time", "applied_on") if dated else ()
    given = ("--target", "went", "--bad", "default", "--id", "loan", *time)
    made = checkout.main("new-portfolio", lend(checkout, dated), *given)
    assert made.returncode == 0, made.stdout + made.stderr
    contract = checkout.root / "1.data" / "portfolios" / "cars.yaml"
    text = contract.read_text()
    columns = yaml.safe_load(text)["columns"]
    assert (columns["sex"]["role"], columns["age"]["audited"]) == ("protected", True)
    again = checkout.main("new-portfolio", "cars.csv", *given)
    assert again.returncode == 1
    assert "cars.yaml" in again.stderr
    assert contract.read_text() == text, "an existing contract is not written over"
    done = checkout.main("--json", "run", "--portfolio", "cars")
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["promotion"]["champion"] == "1"
    out = checkout.root / "scored.csv"
    scored = checkout.main("score", "cars.csv", "--out", str(out), "--portfolio", "cars")
    assert scored.returncode == 0, scored.stdout + scored.stderr
    answers = pl.read_csv(out)
    assert answers["verdict"].unique().to_list() == ["scored"]
    assert answers["pd"].is_between(0, 1).all()
    said = {name for number in range(1, 5) for name in answers[f"characteristic_{number}"].drop_nulls()}
    assert said
    assert "sex" not in said
