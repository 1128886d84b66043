"""Random columns and random raw values: the row function and the Polars path agree to the last bit, faults included."""

from __future__ import annotations

import datetime as dt
import math
import os
import random
import struct
from typing import Any

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from creditrisk.contract import Contract
from creditrisk.data.characteristics import add_characteristics, inputs_frame
from creditrisk.data.cleaning.clean_scoring import clean_scoring
from creditrisk.data.cleaning.column import clean_column, column_cleaner
from creditrisk.data.cleaning.rules import rules
from creditrisk.data.row import compile_row

EXAMPLES = int(os.environ.get("PARITY_EXAMPLES", "80"))
DAY = dt.date(2024, 3, 1)
WEIRD = [
    "",
    " ",
    "nan",
    "NaN",
    "inf",
    "-Infinity",
    "1_000",
    "١٢",
    "\u00a01",
    "1\x1c",
    "0x1",
    "1e999",
    "--1",
    ".",
    "e5",
    "\x00",
    "É",
]
NUMERIC = [
    "0",
    "-0",
    "1",
    "1.0",
    "01",
    "+1",
    "1.",
    ".5",
    "0.5",
    "2",
    "3.0",
    "1e2",
    "12",
    "96",
    "98.0",
    "-7",
    "1e400",
    "5e-324",
    "0.1",
]
NUMERIC += ["1.234,5", "1.234", "12.34", "0.123", "0,5", ",5", "5,", ",", "1,e5", "1.234.567,0", "-1.000,25", "1,2,3"]
NUMERIC += [
    "123456789012345678901234567890",
    "9007199254740993",
    "2.5",
    "100",
    "$1,200",
    "12%",
    " 7\t",
    "\n8 ",
    "1e-400",
    "99999",
]
NUMERIC += ["EUR 1.200,5", "12 EUR", "-EUR 7", "EUR 12 EUR", "1 EUR 2", "R$ 1", "Rs. 1.5", "(EUR 7)", "EUR", "EUR1E5"]
NUMERIC += [
    "(1,5)",
    "(2.5) EUR",
    "7-",
    "EUR 7-",
    "( 7 )",
    "7 -",
    "(-7)",
    "-7-",
    "()",
    "1e-5-",
    "($12)",
    "(98)",
    "-",
    "((7))",
]
WORDS = [
    "a",
    "A",
    "b",
    "car",
    "Car ",
    "CAR",
    "yes",
    "No",
    "true",
    "True",
    "FALSE",
    "J",
    "n/a",
    "unknown",
    "ſ",
    "Ärger",
    "ÄRGER",
]
DATES = [
    "2024-02-29",
    "2023-02-29",
    "2024-01-31T10:00:00Z",
    "2024-01-31 10:00",
    "0000-01-01",
    "0001-01-01",
    "9999-12-31",
    "2024-1-5",
]
DATES += [
    "Dec-2011",
    "dec-2011",
    "Foo-2011",
    "20240131",
    "31/12/1999",
    "1/2/03",
    "January 5, 2020",
    "2024-01-31\n",
    "9999-99-99",
]
STRINGS = [*WEIRD, *NUMERIC, *NUMERIC, *WORDS, *DATES]
CATEGORIES = [["1", "2", "3"], ["01", "0.5", "12"], ["a", "b", "car"], ["yes", "1", "É"], ["98", "-7", "1e300"]]
FORMATS = [None, None, "%b-%Y", "%Y%m%d", "%d/%m/%Y", "%m/%d/%y", "%B %d, %Y", "%Y-%m-%d"]


TYPES: dict[str, tuple[list[Any], pl.DataType]] = {
    "text": (STRINGS, pl.String()),
    "float": ([], pl.Float64()),
    "float32": ([0.1, 1.0, 98.0, math.nan], pl.Float32()),
    "int": ([0, 1, 2, 3, 98, -7, 2**53 + 1, 20240131, -(2**62)], pl.Int64()),
    "bool": ([True, False], pl.Boolean()),
    "date": ([dt.date(2024, 2, 29), dt.date(1, 1, 1), dt.date(2010, 5, 6)], pl.Date()),
    "datetime": ([dt.datetime(2024, 2, 29, 23, 59, 59, 999999), dt.datetime(999, 1, 2)], pl.Datetime("us")),
    "null": ([None], pl.Null()),
}


class Draw:
    """Random columns and values from one seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.pick = self.random.choice

    def maybe(self, value: Any, otherwise: Any = None, share: float = 0.4) -> Any:
        return value if self.random.random() < share else otherwise

    def column(self) -> dict[str, Any]:
        kind = self.pick(
            ["number", "number", "integer", "boolean", "category", "category", "open_category", "text", "date"]
        )
        column: dict[str, Any] = {"type": kind, "required": self.maybe(True, False, 0.2)}
        column["missing"] = self.pick([[], [], [96, 98, "inf"], ["n/a", 1, "-inf"], ["0"], ["2024-02-29", ""], [True]])
        column["strip"] = self.pick(["", "", "$,", "%", "a"])
        if kind in ("number", "integer"):
            column["decimal"] = self.pick([".", ".", ","])
            column["currency"] = self.pick([None, "EUR", "R$", "Rs."])
            column["accounting"] = self.pick([True, False])
        if kind in ("number", "integer", "date"):
            bounds = sorted(self.pick([-5.0, 0.0, 0.5, 2.0, 100.0]) for _ in range(2))
            if kind == "date":
                bounds = [dt.date(2000, 1, 1), dt.date(2024, 2, 1)]  # type: ignore[list-item]
                column["format"] = self.pick(FORMATS)
            column["min"], column["max"] = self.maybe(bounds[0]), self.maybe(bounds[1])
            column["out_of_range"] = self.pick(["clip", "missing", "quarantine"])
        elif kind == "category":
            column["values"] = self.pick(CATEGORIES)
            column["unknown"] = self.pick(["missing", "reject"])
        elif kind == "boolean" and self.random.random() < 0.6:
            column["values"] = self.pick(
                [{"J": "true", "N": "false"}, {"1": "true", "2": "false"}, {"car": "true", "b": "false"}]
            )
        if kind in ("category", "open_category", "text"):
            column["case"] = self.pick(["keep", "keep", "lower", "upper"])
        return column

    def series(self, name: str, rows: int) -> pl.Series:
        """A raw column: mostly texts, as of a CSV; else of another type, as Parquet and JSON have them."""
        kind = self.pick(["text", "text", "text", "float", "float32", "int", "bool", "date", "datetime", "null"])
        choices, dtype = TYPES[kind]
        values = [
            None if self.random.random() < 0.1 else self.number() if kind == "float" else self.pick(choices)
            for _ in range(rows)
        ]
        return pl.Series(name, values, dtype=dtype)

    def number(self) -> float:
        known = [
            0.0,
            -0.0,
            1.0,
            1.5,
            2.0,
            96.0,
            98.0,
            0.1,
            math.nan,
            math.inf,
            -math.inf,
            1e300,
            5e-324,
            2.0**53,
            1e16,
            1e-7,
        ]
        return self.pick([self.pick(known), self.random.uniform(-5, 120), float(self.random.randint(-5, 120))])


def contract_of(columns: dict[str, dict[str, Any]]) -> Contract:
    numbers = [name for name, column in columns.items() if column["type"] in ("number", "integer")]
    derived = {f"ratio_{name}": {"sql": f"{name} / 3 + LN({name})"} for name in numbers}
    return Contract.model_validate(
        {
            "name": "t",
            "title": "t",
            "source": {"url": "t.csv"},
            "target": {"column": "y", "bad": [1], "good": [0]},
            "columns": columns,
            "characteristics": derived,
        }
    )


def bits(value: Any) -> Any:
    return struct.pack("<d", value) if isinstance(value, float) else (type(value), value)


@settings(max_examples=EXAMPLES)
@given(st.integers(0, 2**48))
def test_a_row_alone_and_in_a_table_is_the_same(seed: int) -> None:
    draw = Draw(seed)
    contract = contract_of({"always": {"type": "number"}} | {f"x{index}": draw.column() for index in range(5)})
    raw = pl.DataFrame([draw.series(name, 12) for name in contract.columns])
    clean = clean_scoring(raw, contract, DAY)
    for rule in rules(contract, training=False):
        dtype = raw.schema[rule.raw]
        plan = raw.lazy().select(both=clean_column(rule, dtype)).unnest("both")
        streamed = plan.collect(engine="streaming" if seed % 2 else "in-memory")
        values, codes = column_cleaner(rule, dtype)(raw[rule.raw])
        assert_frame_equal(streamed, pl.DataFrame({"value": values, "code": codes}))
    table = inputs_frame(add_characteristics(clean.lazy(), contract), contract).collect()
    function = compile_row(contract)
    for given_, cleaned, inputs in zip(
        raw.iter_rows(named=True), clean.iter_rows(named=True), table.iter_rows(), strict=True
    ):
        row = function(given_, DAY)
        assert "; ".join(fault.sentence for fault in row.faults) == (cleaned["_fault"] or ""), (
            given_,
            contract.columns,
        )
        assert "; ".join(fault.sentence for fault in row.warnings) == (cleaned["_warnings"] or ""), (
            given_,
            contract.columns,
        )
        assert [bits(value) for value in row.values] == [bits(value) for value in inputs], (given_, contract.columns)


TYPED: dict[str, list[Any]] = {
    "1": [1, 1.0, "1.0", "01", np.int64(1), np.float64(1.0), np.float32(1.0), np.str_("1"), " 1 "],
    "0": [0, 0.0, -0.0, "0.0", np.uint8(0)],
    "": [None, math.nan, np.float64("nan"), np.datetime64("NaT", "D"), "  ", "\t"],
}


@given(st.sampled_from([(text, value) for text, values in TYPED.items() for value in values]), st.sampled_from("nicb"))
def test_a_value_means_the_same_as_text_and_typed(pair: tuple[str, Any], name: str) -> None:
    text, value = pair
    columns: dict[str, dict[str, Any]] = {
        "n": {"type": "number"},
        "i": {"type": "integer"},
        "c": {"type": "category", "values": [0, 1]},
        "b": {"type": "boolean"},
    }
    function = compile_row(contract_of({name: columns[name]}))
    one, other = function({name: text}), function({name: value})
    assert one.values == other.values
    assert one.faults == other.faults == []
