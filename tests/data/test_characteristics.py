"""Characteristics of a contract: parsed once, added to a clean table, and the table a model sees."""

from __future__ import annotations

import datetime as dt
from typing import Any

import polars as pl
import pytest

from creditrisk.contract import Contract
from creditrisk.data.characteristics import add_characteristics, inputs_frame, parse_all
from creditrisk.errors import ExpressionError


def contract(characteristics: dict[str, str], **changes: Any) -> Contract:
    columns: dict[str, dict[str, Any]] = {
        "y": {"type": "integer", "role": "target"},
        "amt": {"type": "number", "rename": "amount"},
        "use": {"type": "category", "rename": "purpose", "values": ["a", "b"]},
        "own": {"type": "boolean"},
        "sex": {"type": "category", "values": ["m", "f"], "role": "protected"},
        "note": {"type": "text"},
        "day": {"type": "date", "rename": "issued", "role": "time"},
        "born": {"type": "date"},
    }
    given: dict[str, Any] = {
        "name": "t",
        "title": "t",
        "source": {"url": "t.csv"},
        "target": {"column": "y", "bad": [1], "good": [0]},
        "columns": columns,
        "characteristics": {name: {"sql": sql} for name, sql in characteristics.items()},
    }
    return Contract.model_validate(given | changes)


CLEAN = pl.LazyFrame(
    {
        "amount": [100.0, None],
        "purpose": ["a", None],
        "own": [True, None],
        "note": ["x", None],
        "born": [dt.date(1990, 5, 5), None],
        "application_date": [dt.date(2024, 5, 4), dt.date(2024, 5, 5)],
    },
    schema_overrides={"born": pl.Date},
)


def test_inputs_are_columns_then_characteristics() -> None:
    given = contract(
        {
            "age": "MONTHS_BETWEEN(born, application_date) / 12",
            "large": "amount > 50",
            "kind": "UPPER(purpose) || '!'",
        },
        time="issued",
    )
    table = inputs_frame(add_characteristics(CLEAN, given), given).collect()
    assert [(item.name, item.kind) for item in given.inputs] == [
        ("amount", "number"),
        ("purpose", "category"),
        ("own", "number"),
        ("age", "number"),
        ("large", "number"),
        ("kind", "category"),
    ]
    assert table.schema == {item.name: pl.Float64 if item.kind == "number" else pl.String for item in given.inputs}
    assert table.rows() == [(100.0, "a", 1.0, 407 / 12, 1.0, "A!"), (None,) * 6]


def test_expressions_are_parsed_once() -> None:
    given = contract({"double": "amount * 2"})
    assert parse_all(given) is parse_all(given)


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("amnt * 2", r"characteristics\.bad: line 1, column 1: there is no column 'amnt'\. Did you mean 'amount'\?"),
        ("sex", "there is no column 'sex'"),
        ("application_date", "there is no column 'application_date'"),
        ("born", "its result is a date"),
    ],
)
def test_what_a_characteristic_may_not_use(sql: str, message: str) -> None:
    with pytest.raises(ExpressionError, match=message):
        contract({"bad": sql}).check_expressions()


def test_population_is_a_condition_over_all_columns_and_the_target() -> None:
    contract({}, population="sex = 'm' AND y <> '3'").check_expressions()
    with pytest.raises(ExpressionError, match="population: expected a condition, found a number"):
        contract({}, population="amount").check_expressions()
