"""Random expressions on random rows: Polars and the generated Python function agree to the last bit.

Hypothesis chooses seeds; expressions and rows come from them by plain code, which is many times quicker than drawing
each part. A failure shows the expression and the row.
"""

from __future__ import annotations

import datetime as dt
import itertools
import math
import os
import random
import struct
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from creditrisk.contract import Kind
from creditrisk.expression.parse import as_input, parse
from creditrisk.expression.polars import to_polars
from creditrisk.expression.python import compile_python

EXAMPLES = int(os.environ.get("PARITY_EXAMPLES", "120"))
KINDS: dict[str, Kind] = {
    "a": "number",
    "b": "number",
    "c": "number",
    "s": "text",
    "t": "text",
    "f": "boolean",
    "g": "boolean",
    "d": "date",
    "e": "date",
}
SCHEMA = {"number": pl.Float64, "text": pl.String, "boolean": pl.Boolean, "date": pl.Date}
NUMBERS = [0.0, -0.0, 1.0, -1.0, 2.0, 0.5, 2.5, -2.5, 3.0, 100.0, 1000.0, 5e-324, -5e-324, 1e-300, 1e300, -1e308]
NUMBERS += [
    1.7976931348623157e308,
    2.0**52 + 0.5,
    2.0**53,
    0.49999999999999994,
    1.005,
    2.675,
    709.79,
    709.78,
    1e22,
    0.1,
]
TEXTS = [
    "",
    "car",
    "new car",
    " Car\t",
    "ÄRGER",
    "a%b_c",
    "a\nb",
    "x.y*",
    "ſK",
    "\u00a0x ",
    "1",
    "\x00",
    "\U0001f600",
    "aab",
]
PATTERNS = [
    "%",
    "_",
    "car",
    "%car",
    "car%",
    "%a%",
    "_a%",
    "%a_",
    "a%b",
    "%_%",
    "",
    "a\\%",
    "%%",
    "a_b",
    "%a%b%",
    "[a]",
    "x.y*",
]
FIRST, LAST = dt.date(1, 1, 1).toordinal(), dt.date(9999, 12, 31).toordinal()


class Draw:
    """Random expressions and rows from one seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.pick = self.random.choice

    def value(self, kind: Kind) -> Any:
        if self.random.random() < 0.12:
            return None
        if kind == "boolean":
            return self.random.random() < 0.5
        if kind == "text":
            return self.pick(TEXTS)
        if kind == "date":
            near = dt.date(2020, 2, 27).toordinal() + self.random.randrange(40)
            return dt.date.fromordinal(self.pick([near, self.random.randint(FIRST, LAST)]))
        scale = math.ldexp(self.random.uniform(-1, 1), self.random.randint(-1074, 1024))
        return self.pick(
            [self.pick(NUMBERS), self.random.uniform(-1e4, 1e4), float(self.random.randint(-99, 99)), scale]
        )

    def row(self) -> dict[str, Any]:
        return {name: self.value(kind) for name, kind in KINDS.items()}

    def literal(self, kind: Kind) -> str:
        if self.random.random() < 0.1:
            return "NULL"
        if kind == "boolean":
            return self.pick(["TRUE", "FALSE"])
        if kind == "text":
            return quoted(self.pick(TEXTS[:9]))
        if kind == "date":
            return f"DATE '{dt.date.fromordinal(self.random.randint(FIRST, LAST)).isoformat()}'"
        return self.pick(
            ["0", "1", "2", "3", "7", "10", "12", "49", "100", "0.1", "0.5", "1.5", "1e-3", "1e300", "1e-308"]
        )

    def sql(self, kind: Kind, depth: int) -> str:
        """SQL of one kind, up to so many operations deep."""
        if depth == 0 or self.random.random() < 0.1:
            columns = [name for name, of in KINDS.items() if of == kind]
            return self.pick([self.pick(columns), self.pick(columns), self.literal(kind)])
        shapes = SHARED + SHAPES[kind] * 2
        shape = self.pick(shapes)
        while "{" in shape:  # fill one gap at a time: {n} a number, {k} the same kind, {lit} a literal, ...
            start = shape.index("{")
            end = shape.index("}", start)
            shape = shape[:start] + self.fill(shape[start + 1 : end], kind, depth - 1) + shape[end + 1 :]
        return shape.replace("\ue000", "{").replace("\ue001", "}")

    def fill(self, gap: str, kind: Kind, depth: int) -> str:
        if "|" in gap:
            return self.pick(gap.split("|"))
        if gap == "lit":
            return self.literal(kind)
        if gap == "digits":
            return str(self.random.randint(-15, 15))
        if gap == "pattern":
            return quoted(self.pick(PATTERNS))
        of: dict[str, Kind] = {"n": "number", "t": "text", "b": "boolean", "d": "date", "k": kind}
        return self.sql(of[gap], depth)


SHARED = [
    "COALESCE({k}, {k})",
    "NULLIF({k}, {k})",
    "CASE WHEN {b} THEN {k} WHEN {b} THEN {k} ELSE {k} END",
    "CASE WHEN {b} THEN {k} END",
    "CASE {t} WHEN {t} THEN {k} ELSE {k} END",
]
SHAPES: dict[Kind, list[str]] = {
    "number": [
        "({n} {+|-|*|/|/|%} {n})",
        "({n} {+|-|*|/} {n} {+|-|*|/} {n})",
        "({n} {*|/} {3|7|0.1|49})",
        "{ABS|LN|LOG10|EXP|SQRT|FLOOR|CEIL|ROUND|-}({n})",
        "ROUND({n}, {digits})",
        "{POWER|MOD|LEAST|GREATEST}({n}, {n})",
        "{LEAST|GREATEST}({n}, {n}, {n})",
        "POWER({n}, {2|3|0.5|-1|1.3|12})",
        "LENGTH({t})",
        "EXTRACT({YEAR|MONTH|DAY} FROM {d})",
        "{DAYS|MONTHS}_BETWEEN({d}, {d})",
    ],
    "text": ["{LOWER|UPPER|TRIM}({t})", "({t} || {t})"],
    "boolean": [
        "({n} {=|<>|<|<=|>|>=} {n})",
        "({t} {=|<>|<|<=|>|>=} {t})",
        "({d} {=|<>|<|<=|>|>=} {d})",
        "({b} {=|<>|AND|OR|AND|OR} {b})",
        "(NOT {b})",
        "({n} IS {NULL|NOT NULL})",
        "({b} IS {NULL|NOT NULL})",
        "({n} {BETWEEN|NOT BETWEEN} {n} AND {n})",
        "({d} BETWEEN {d} AND {d})",
        "({n} {IN|NOT IN} ({n}, {0|1|NULL}, {2|3}))",
        "({t} {IN|NOT IN} ({t}, 'car', 'x', 'y'))",
        "({t} {LIKE|NOT LIKE} {pattern})",
    ],
    "date": ["{LEAST|GREATEST}({d}, {d}, {d})", "{LEAST|GREATEST}({d}, {d})"],
}


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def bits(value: Any) -> Any:
    """What two equal results share: a float's bits, and the type."""
    return struct.pack("<d", value) if isinstance(value, float) else (type(value), value)


def drawn(seed: int, rows: int) -> tuple[list[str], pl.DataFrame]:
    draw = Draw(seed)
    kinds: list[Kind] = ["number", "number", "boolean", "text"]
    sqls = [draw.sql(draw.pick(kinds), draw.pick([1, 2, 3])) for _ in range(4)]
    table = pl.DataFrame([draw.row() for _ in range(rows)], schema={name: SCHEMA[kind] for name, kind in KINDS.items()})
    return sqls, table


@settings(max_examples=EXAMPLES)
@given(st.integers(0, 2**48), st.sampled_from([1, 2, 25]))
def test_both_engines_give_the_same_bits(seed: int, rows: int) -> None:
    sqls, table = drawn(seed, rows)
    expressions = [as_input(parse(sql, KINDS, "test"), "test") for sql in sqls]
    names = [f"x{index}" for index in range(len(sqls))]
    plan = table.lazy().with_columns(to_polars(item).alias(name) for name, item in zip(names, expressions, strict=True))
    found = plan.select(names).collect(engine="streaming" if seed % 2 else "in-memory")
    function = compile_python(expressions, list(KINDS))
    for row, result in zip(table.iter_rows(), found.iter_rows(), strict=True):
        alone = function(row)
        for sql, ours, theirs in zip(sqls, alone, result, strict=True):
            assert bits(ours) == bits(theirs), (sql, dict(zip(KINDS, row, strict=True)), ours, theirs)
            assert not isinstance(ours, float) or math.isfinite(ours), (sql, row)


@pytest.mark.parametrize("engine", ["in-memory", "streaming"])
def test_zeros_of_either_sign_nulls_and_equals_come_out_the_same(engine: Any) -> None:
    values = [0.0, -0.0, None, 1.0, -1.0, 5e-324, -5e-324]
    table = pl.DataFrame(
        list(itertools.product(values, repeat=3)), schema=dict.fromkeys("abc", pl.Float64), orient="row"
    )
    calls = [
        "a, b",
        "a, 0",
        "0, a",
        "a, NULL",
        "a, b, c",
        "a, b, 0",
        "0, a, b",
        "-a, b, c * 0",
        "a * b, c, a + b, b, a",
    ]
    sqls = [f"{name}({call})" for name in ("LEAST", "GREATEST") for call in calls]
    sqls += [f"NULLIF({call})" for call in ("a, b", "a, 0", "0, a", "a, NULL", "a * b, c")] + ["1 / LEAST(a, b, c)"]
    expressions = [parse(sql, dict.fromkeys("abc", "number"), "test") for sql in sqls]
    plan = table.lazy().select(to_polars(item).alias(sql) for sql, item in zip(sqls, expressions, strict=True))
    function = compile_python(expressions, list("abc"))
    for row, theirs in zip(table.iter_rows(), plan.collect(engine=engine).iter_rows(), strict=True):
        assert [*map(bits, function(row))] == [*map(bits, theirs)], (row, dict(zip(sqls, theirs, strict=True)))
