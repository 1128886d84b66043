"""The Polars expressions: they stream without falling back into memory, and traps of the engine are gone."""

from __future__ import annotations

import polars as pl
import pytest
from polars._typing import EngineType

from creditrisk.contract import Kind
from creditrisk.expression.parse import parse
from creditrisk.expression.polars import to_polars

KINDS: dict[str, Kind] = {"a": "number", "b": "number", "s": "text", "d": "date", "f": "boolean"}
EVERYTHING = [
    "a / b + a * 2 - ABS(-a)",
    "LN(a) + LOG10(a) + EXP(a) + SQRT(a) + POWER(a, 2) + ROUND(a, 2) + FLOOR(a) + CEIL(a) + MOD(a, b)",
    "CASE s WHEN 'x' THEN a WHEN 'y' THEN b END",
    "COALESCE(a, b, 0) + NULLIF(a, b) + LEAST(a, b) + GREATEST(a, 3)",
    "UPPER(LOWER(TRIM(s))) || 'x'",
    "LENGTH(s) + EXTRACT(YEAR FROM d) + DAYS_BETWEEN(d, d) + MONTHS_BETWEEN(d, d)",
    "a IN (1, 2, 3) AND s IN ('a', 'b') OR s LIKE '%a_b%' OR f OR a BETWEEN 1 AND 2 OR d IS NULL",
]


def falls_back(plan: pl.LazyFrame) -> bool:
    """Whether the streaming engine would hand a part of the plan to the in-memory engine."""
    graph = plan.show_graph(engine="streaming", plan_stage="physical", raw_output=True, show=False)
    assert graph is not None
    return 'fillcolor="0.0 0.3 1.0"' in graph or "in-memory-map" in graph


def table(rows: int) -> pl.LazyFrame:
    return pl.LazyFrame(
        {"a": [1.5] * rows, "b": [2.0] * rows, "s": ["x"] * rows, "d": [None] * rows, "f": [True] * rows},
        schema_overrides={"d": pl.Date},
    )


def test_everything_streams() -> None:
    plan = table(3).with_columns(to_polars(parse(sql, KINDS, sql)).alias(f"x{i}") for i, sql in enumerate(EVERYTHING))
    assert not falls_back(plan)
    assert plan.collect(engine="streaming").height == 3


def test_the_check_notices_a_fallback() -> None:
    assert falls_back(table(3).select(pl.col("a").replace_strict({1.5: 1.0})))


@pytest.mark.parametrize("rows", [1, 1000])
@pytest.mark.parametrize("by", ["3", "CASE WHEN b > 0 THEN 3 ELSE 7 END", "COALESCE(NULLIF(b, 2), 3)"])
def test_division_by_what_is_constant_is_a_division(rows: int, by: str) -> None:
    found = table(rows).select(to_polars(parse(f"(a - 1.4) / {by}", KINDS, "test"))).collect().to_series()
    assert found.unique().to_list() == [(1.5 - 1.4) / 3.0]


@pytest.mark.parametrize("engine", ["in-memory", "streaming"])
@pytest.mark.parametrize("sql", ["1 < {}", "{} = 7", "1 + {} > 2", "7 = {} AND f", "3 BETWEEN {} AND b"])
def test_a_column_that_happens_to_be_uniform_keeps_its_rows(engine: EngineType, sql: str) -> None:
    uniform = "CASE WHEN a > 100 THEN b ELSE 7 END"
    plan = table(3).with_columns(to_polars(parse(sql.format(uniform), KINDS, "test")).alias("x"))
    assert plan.collect(engine=engine)["x"].len() == 3
    assert table(3).select(to_polars(parse(sql.format(uniform), KINDS, "test"))).collect(engine=engine).height == 3


def test_deep_nesting_does_not_grow_without_bound() -> None:
    sql = "a"
    for _ in range(20):
        sql = f"(b / {sql})"
    plan = table(2).select(to_polars(parse(sql, KINDS, "test")))
    assert plan.collect().to_series().is_not_null().all()


def levels(expression: pl.Expr) -> int:
    """How deep the operations of an expression lie within one another."""
    deep, deepest = 0, 0
    for mark in expression.meta.serialize(format="json"):
        deep += (mark == "{") - (mark == "}")
        deepest = max(deepest, deep)
    return deepest


@pytest.mark.parametrize("word", ["AND", "OR"])
def test_a_long_chain_of_conditions_is_joined_half_by_half(word: str) -> None:
    """Polars takes a time for a chain that grows with the cube of its length: one after the other, 6 s for these."""
    chain = to_polars(parse(f" {word} ".join(["f"] * 600), KINDS, "test"))
    assert table(3).select(chain.alias("f")).collect().equals(table(3).select("f").collect())
    assert levels(chain) <= levels(pl.col("f")) + 2 * 10  # of 600, half by half, ten times
