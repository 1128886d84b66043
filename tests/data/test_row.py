"""One raw application to the model's inputs."""

from __future__ import annotations

import datetime as dt
import json
import math
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

from creditrisk.contract import Contract
from creditrisk.data.row import Fault, compile_row

COLUMNS: dict[str, dict[str, Any]] = {
    "y": {"type": "integer", "role": "target"},
    "amt": {"type": "number", "rename": "amount", "min": 0, "max": 1000, "out_of_range": "clip"},
    "dur": {"type": "integer", "rename": "duration", "min": 1, "max": 120, "required": True},
    "use": {"type": "category", "rename": "purpose", "values": [1, 2]},
    "own": {"type": "boolean"},
    "sex": {"type": "category", "values": ["m", "f"], "role": "protected"},
}
GOOD = {"amt": 600, "dur": 12, "use": "1", "own": True}


def contract(**changes: Any) -> Contract:
    given: dict[str, Any] = {
        "name": "t",
        "title": "t",
        "source": {"url": "t.csv"},
        "target": {"column": "y", "bad": [1], "good": [0]},
        "columns": COLUMNS,
        "characteristics": {"burden": {"sql": "amount / duration"}, "owner": {"sql": "own AND amount > 10"}},
    }
    return Contract.model_validate(given | changes)


def test_a_good_row() -> None:
    row = compile_row(contract())(GOOD)
    assert row.values == [600.0, 12.0, "1", 1.0, 50.0, 1.0]
    assert row.faults == row.warnings == []


@pytest.mark.parametrize(
    "raw",
    [
        {"amt": "600.0", "dur": " 12 ", "use": "1.0", "own": "True"},
        {"amt": np.float32(600), "dur": np.int64(12), "use": np.str_("01"), "own": np.bool_(True)},
        {"amt": 600.0, "dur": 12.0, "use": 1, "own": 1, "sex": "no such", "more": object()},
        json.loads('{"amt": 6e2, "dur": 12.0, "use": 1.0, "own": "yes", "sex": null}'),
        pd.DataFrame([GOOD]).convert_dtypes().to_dict("records")[0],
        pd.DataFrame([GOOD, GOOD | {"use": "2"}]).iloc[0].to_dict(),
    ],
)
def test_the_same_row_in_other_types(raw: dict[str, Any]) -> None:
    row = compile_row(contract())(raw)
    assert row.values == [600.0, 12.0, "1", 1.0, 50.0, 1.0]
    assert row.faults == row.warnings == []


@pytest.mark.parametrize(
    "nothing", [None, math.nan, np.float64("nan"), pd.NA, pd.NaT, "", " \t", np.datetime64("NaT", "D"), Decimal("sNaN")]
)
def test_what_means_missing(nothing: Any) -> None:
    row = compile_row(contract())({"amt": nothing, "dur": 1, "use": nothing, "own": nothing})
    assert row.values == [None, 1.0, None, None, None, None]
    assert row.faults == row.warnings == []


def test_every_wrong_field_is_named() -> None:
    row = compile_row(contract())({"amt": "x", "dur": 1.5, "use": [1], "own": {"a": 1}})
    assert row.faults == [
        Fault("amt", "x", "type", "a number"),
        Fault("dur", "1.5", "integer", "a whole number"),
        Fault("use", "[1]", "type", "one of 1, 2"),
        Fault("own", "{'a': 1}", "type", "one of true, false"),
    ]
    assert row.faults[1].sentence == "dur: expected a whole number, found '1.5'"


@pytest.mark.parametrize("odd", [10**400, -(10**400), math.inf, True, "1_0", "٣", b"1", "1\x00", dt.date(2024, 1, 1)])
def test_what_is_no_number(odd: Any) -> None:
    (fault,) = compile_row(contract())(GOOD | {"amt": odd}).faults
    assert (fault.column, fault.rule) == ("amt", "type")


def test_a_number_too_long_to_be_written_is_a_fault_of_any_column() -> None:
    columns = {"amt": {"type": "number"}, "job": {"type": "open_category"}, "day": {"type": "date"}}
    row = compile_row(contract(columns=columns, characteristics={}))(dict.fromkeys(columns, 16**5_000))
    assert [(fault.rule, fault.value) for fault in row.faults] == [("type", "0x1" + "0" * 77)] * 3


def test_required_and_absent_fields() -> None:
    row = compile_row(contract())({})
    assert row.faults == [Fault("dur", None, "required", "a value (a whole number)")]
    assert row.faults[0].sentence == "dur: expected a value (a whole number), found nothing"


def test_warnings() -> None:
    row = compile_row(contract())(GOOD | {"amt": 2000, "use": "7"})
    assert row.values[0] == 1000.0
    assert row.warnings == [
        Fault("amt", "2000", "clipped", "between 0 and 1000"),
        Fault("use", "7", "unknown", "one of 1, 2"),
    ]


def test_half_a_surrogate_pair_is_a_fault() -> None:
    columns = {"job": {"type": "open_category"}}
    row = compile_row(contract(columns=columns, characteristics={}))(json.loads('{"job": "x\\ud800"}'))
    assert [fault.rule for fault in row.faults] == ["type"]
    assert row.faults[0].sentence.encode()


def test_application_date() -> None:
    columns = COLUMNS | {"day": {"type": "date", "rename": "issued", "role": "time"}}
    sql = {"year": {"sql": "EXTRACT(YEAR FROM application_date)"}}
    function = compile_row(contract(columns=columns, time="issued", characteristics=sql))
    given, stated, today = dt.date(2021, 1, 1), dt.date(2022, 2, 2), dt.date.today()
    cases: list[tuple[dict[str, Any], dt.date | None, dt.date]] = [
        ({"day": "2022-02-02"}, None, stated),
        ({"day": "2022-02-02"}, given, given),
        ({"day": "never"}, given, given),
        ({}, None, today),
        ({"day": pd.Timestamp("2022-02-02 13:00")}, None, stated),
    ]
    for raw, argument, expected in cases:
        row = function(GOOD | raw, argument)
        assert (row.application_date, row.values[-1], row.faults) == (expected, float(expected.year), [])
    assert function(GOOD | {"day": "never"}).faults[0].column == "day"
    assert compile_row(contract())(GOOD).application_date is None


def test_answers_do_not_leak_from_row_to_row() -> None:
    function = compile_row(contract())
    assert function({"dur": "x"}).faults
    assert not function(GOOD).faults
