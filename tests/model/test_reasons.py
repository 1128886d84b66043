from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from creditrisk.contract import Input, Reason
from creditrisk.model.reasons import compile_reasons, compile_text
from creditrisk.model.reasons_table import BLOCK, ReasonsTable

INPUTS = (
    Input(name="amount", kind="number", title="Amount", unit="EUR", monotone="increasing", reason="The amount is high"),
    Input(name="income", kind="number", title="Income", unit="EUR", monotone="decreasing", reason="The income is low"),
    Input(name="age", kind="number", title="Age", reason="The age"),
    Input(name="dti", kind="number", title="Debt ratio",
          reason=Reason(high="Much debt", low="No debt history", missing="Debt unknown")),
    Input(name="lines", kind="number", title="Credit lines"),
    Input(name="home", kind="category", title="Home", values=("own", "rent"), value_titles=("Owner", "Tenant"),
          reason=Reason(values={"rent": "You rent"})),
    Input(name="town", kind="category", title="Town"),
    Input(name="savings", kind="category", title="Savings", values=("none", "some", "much"), ordered=True,
          monotone="decreasing", reason="Savings are low"),
    Input(name="job", kind="category", title="Job", reason="The kind of job"),
)  # fmt: skip
MEDIANS = {"amount": 1000.0, "income": 2000.0, "age": 40.0, "dti": 0.3, "lines": 5.0}


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("amount", 1500.0, "The amount is high"),
        ("amount", 1000.0, "Amount: 1,000 EUR"),
        ("amount", 12.345678, "Amount: 12.35 EUR"),
        ("amount", None, "Amount is not known"),
        ("income", 1999.9, "The income is low"),
        ("income", 12345.67, "Income: 12,346 EUR"),
        ("age", 40.0, "The age"),
        ("age", None, "Age is not known"),
        ("dti", 0.31, "Much debt"),
        ("dti", 0.29, "No debt history"),
        ("dti", 0.3, "Debt ratio: 0.3"),
        ("dti", None, "Debt unknown"),
        ("lines", 7.0, "Credit lines: 7"),
        ("home", "rent", "You rent"),
        ("home", "own", "Home: Owner"),
        ("home", "boat", "Home: boat"),
        ("home", None, "Home is not known"),
        ("town", "Bonn", "Town: Bonn"),
        ("savings", "none", "Savings are low"),
        ("savings", "some", "Savings: some"),
        ("savings", "much", "Savings: much"),
        ("job", "cook", "The kind of job"),
        ("job", None, "Job is not known"),
    ],
)
def test_the_text_is_true_of_the_applicant(name: str, value: Any, text: str) -> None:
    item = next(item for item in INPUTS if item.name == name)
    assert compile_text(item, MEDIANS.get(name))(value) == text


def test_high_and_low_need_a_median() -> None:
    assert compile_text(INPUTS[0], None)(9e9) == "Amount: 9,000,000,000 EUR"


def test_only_what_raises_the_risk_counts_largest_first() -> None:
    row = [1500.0, 1.0, 50.0, None, 1.0, "own", "x", "none", "cook"]
    given_ = compile_reasons(INPUTS, MEDIANS)(row, [0.1, 0.9, -2.0, 0.3, 0.0, -0.1, 0.0, 0.2, 0.05])
    assert [(r.characteristic, r.text, r.contribution) for r in given_] == [
        ("income", "The income is low", 0.9),
        ("dti", "Debt unknown", 0.3),
        ("savings", "Savings are low", 0.2),
        ("amount", "The amount is high", 0.1),
    ]
    assert compile_reasons(INPUTS, MEDIANS)(row, [-1.0] * 9) == []
    assert len(compile_reasons(INPUTS, MEDIANS, limit=2)(row, [0.1] * 9)) == 2


def test_ties_go_by_the_inputs_order() -> None:
    row = [1.0] * 5 + ["own", "x", "none", "cook"]
    names = [
        r.characteristic for r in compile_reasons(INPUTS, MEDIANS)(row, [0.0, 0.2, 0.5, 0.2, 0.2, 0.5, 0.2, 0.0, 0.2])
    ]
    assert names == ["age", "home", "income", "dti"]


@given(st.lists(st.sampled_from([-1.0, -0.0, 0.0, 0.1, 0.2, 0.3]) | st.floats(-3, 3), min_size=9, max_size=9))
def test_parts_and_places_are_those_of_a_stable_sort(parts: list[float]) -> None:
    row = [1.0] * 5 + ["own", "x", "none", "cook"]
    order = sorted((at for at, part in enumerate(parts) if part > 0), key=lambda at: -parts[at])
    for limit in (3, 4, 9):
        found = compile_reasons(INPUTS, MEDIANS, limit)(row, parts)
        assert [(r.characteristic, r.contribution) for r in found] == [
            (INPUTS[at].name, parts[at]) for at in order[:limit]
        ]


number = st.none() | st.floats(-1e15, 1e15) | st.sampled_from([*MEDIANS.values(), 0.0, -0.0, 1e308])
category = st.none() | st.sampled_from(["own", "rent", "none", "some", "much", "cook", ""])
rows_and_parts = st.lists(
    st.tuples(
        st.tuples(*[number] * 5, *[category] * 4),
        st.tuples(*[st.sampled_from([-1.0, -0.0, 0.0, 0.1, 0.2]) | st.floats(-3, 3)] * 9),
    ),
    min_size=1,
    max_size=6,
)


def check_each_row(table: pl.DataFrame, parts: Any, limit: int) -> None:
    frame = ReasonsTable(INPUTS, MEDIANS, limit).frame(table, parts)
    single = compile_reasons(INPUTS, MEDIANS, limit)
    for row, own, found in zip(table.iter_rows(), parts.tolist(), frame.iter_rows(named=True), strict=True):
        reasons = single(row, own)
        padded = [(r.text, r.characteristic) for r in reasons] + [(None, None)] * (limit - len(reasons))
        assert [(found[f"reason_{k + 1}"], found[f"characteristic_{k + 1}"]) for k in range(limit)] == padded


SCHEMA = {item.name: pl.Float64 if item.kind == "number" else pl.String for item in INPUTS}


@settings(max_examples=100)
@given(rows_and_parts, st.integers(1, 10))
def test_a_table_gives_what_each_row_gives(pairs: list[Any], limit: int) -> None:
    table = pl.DataFrame([row for row, _ in pairs], schema=SCHEMA, orient="row")
    check_each_row(table, np.array([parts for _, parts in pairs]), limit)


def test_a_large_table_gives_what_each_row_gives() -> None:
    """More rows than are looked through at once, and more stated numbers than are written one by one."""
    random, rows = np.random.default_rng(3), 2 * BLOCK + 17
    numbers = {name: random.normal(0, 10.0 ** random.integers(-3, 5, rows)) for name in MEDIANS}
    words = {item.name: random.choice(["own", "some", "cook"], rows) for item in INPUTS if item.kind == "category"}
    table = pl.DataFrame(numbers | words, schema=SCHEMA)
    gaps = [pl.when(pl.Series(random.random(rows) > 0.1)).then(pl.col(name)).alias(name) for name in table.columns]
    parts = random.normal(0, 1, (rows, len(INPUTS))).round(1)
    check_each_row(table.with_columns(gaps), parts, 4)
    check_each_row(table.with_columns(gaps), np.asfortranarray(parts), 3)


def test_an_empty_table_has_the_columns() -> None:
    frame = ReasonsTable(INPUTS, MEDIANS).frame(pl.DataFrame({i.name: [] for i in INPUTS}), np.empty((0, 9)))
    assert frame.columns == [*(f"reason_{k}" for k in range(1, 5)), *(f"characteristic_{k}" for k in range(1, 5))]
    assert frame.dtypes == [pl.String] * 4 + [pl.Enum([item.name for item in INPUTS])] * 4
