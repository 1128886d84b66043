"""What cleaning did to values, on the rows."""

from __future__ import annotations

import copy
from typing import Any

import polars as pl
import yaml
from support import SMALL_CONTRACT, small_table

from creditrisk.contract import Contract
from creditrisk.data.cleaning.clean import clean_training
from creditrisk.exploration.touched import touched


def small(**columns: dict[str, Any]) -> Contract:
    """The small lender's contract with some columns changed."""
    contract = copy.deepcopy(SMALL_CONTRACT)
    for name, keys in columns.items():
        contract["columns"][name] |= keys
    return Contract.from_text(yaml.safe_dump(contract, sort_keys=False), "small")


def lines(table: pl.DataFrame, contract: Contract, column: str) -> list[dict[str, Any]]:
    found = touched(clean_training(table.lazy(), contract), examples=5)
    return found.filter(pl.col("column") == column).to_dicts()


def test_a_value_is_shown_before_and_after_with_its_row_and_its_rule() -> None:
    table = small_table(4).with_columns(pl.Series("months", ["12 months", "24", "36 months", "12 months"]))
    found = lines(table, small(months={"strip": " months"}), "months")
    assert [(line["what"], line["rows"], line["row"], line["raw"], line["clean"]) for line in found] == [
        ("rewritten", 3, 1, "12 months", "12"),
        ("rewritten", 3, 3, "36 months", "36"),
    ]
    assert "strip: ' months'" in found[0]["rule"]


def test_nothing_there_and_a_word_for_missing_are_told_apart() -> None:
    table = small_table(3).with_columns(pl.Series("purpose", ["car", None, "n/k"]))
    found = lines(table, small(purpose={"missing": ["n/k"]}), "purpose")
    assert [(line["what"], line["row"], line["clean"]) for line in found] == [("empty", 2, None), ("missing", 3, None)]
    assert found[1]["rule"] == "missing: [n/k]"


def test_faults_say_what_was_expected() -> None:
    table = small_table(30).with_columns(
        pl.when(pl.col("loan") == "L000004").then(700).otherwise("months").alias("months")
    )
    (line,) = lines(table, small(), "months")
    assert (line["what"], line["row"], line["raw"], line["clean"]) == ("range", 5, "700", None)
    assert line["rule"] == "between 1 and 120: else quarantine"


def test_clipped_and_unknown_values_are_named() -> None:
    table = small_table(3).with_columns(
        pl.Series("months", [12, 700, 24]), pl.Series("purpose", ["car", "boat", "home"])
    )
    contract = small(months={"out_of_range": "clip"})
    (clipped,) = lines(table, contract, "months")
    assert (clipped["what"], clipped["raw"], clipped["clean"]) == ("clipped", "700", "120")
    (unknown,) = lines(table, contract, "purpose")
    assert (unknown["what"], unknown["raw"]) == ("unknown", "boat")
    assert unknown["rule"].endswith("else missing")


def test_the_same_number_written_otherwise_is_not_touched() -> None:
    table = small_table(3).with_columns(pl.Series("months", ["12.0", " 24 ", "36"]))
    assert lines(table, small(), "months") == []
    assert lines(small_table(300), small(), "amount") == []
