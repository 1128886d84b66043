"""Working out a text once for all its rows changes nothing."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars._typing import EngineType

from creditrisk.expression.distinct import by_distinct
from creditrisk.expression.parse import parse
from creditrisk.expression.polars import to_polars

LENGTH = pl.col("s").str.len_chars().cast(pl.Int64).fill_null(-1)
TEXTS = st.lists(st.one_of(st.none(), st.sampled_from(["", "a", " a", "Ä", "\x00"]), st.text()), max_size=40)


def times_looked(texts: list[str | None], engine: EngineType = "auto") -> tuple[list[int], int]:
    seen = []

    def count(values: pl.Series) -> pl.Series:
        seen.append(values.len())
        return values

    result = LENGTH + pl.col("s").map_batches(count, return_dtype=pl.String).is_null().cast(pl.Int64) * 0
    table = pl.LazyFrame({"s": texts}, schema={"s": pl.String})
    found = table.select(by_distinct("s", result, pl.Int64())).collect(engine=engine)["s"].to_list()
    return found, max(seen, default=0)


@given(TEXTS)
def test_each_row_gets_the_result_of_its_text(texts: list[str | None]) -> None:
    assert times_looked(texts)[0] == [-1 if text is None else len(text) for text in texts]


@pytest.mark.parametrize("engine", ["in-memory", "streaming"])
def test_repeated_texts_are_looked_at_once_and_identifiers_as_they_are(engine: EngineType) -> None:
    found, looked = times_looked(["car", None, "home"] * 20_000, engine)
    assert found == [3, -1, 4] * 20_000
    assert looked == 3
    texts = [str(number) for number in range(20_000)]
    found, looked = times_looked([*texts], engine)
    assert found == [len(text) for text in texts]
    assert looked > 5_000


def test_texts_that_start_differing_late_are_still_right() -> None:
    texts = ["same"] * 10_000 + [f"text {number}" for number in range(10_000)]
    assert times_looked([*texts])[0] == [len(text) for text in texts]


def test_several_text_columns_and_numbers_mix() -> None:
    sql = "CASE WHEN LOWER(s) LIKE '%car%' AND UPPER(t) = 'X' THEN LENGTH(TRIM(s)) / 3 + a ELSE LENGTH(t) END"
    plan = pl.LazyFrame({"s": ["Car ", None, "home"] * 200, "t": ["x", "yy", None] * 200, "a": [1.0, None, 2.0] * 200})
    found = plan.select(x=to_polars(parse(sql, {"s": "text", "t": "text", "a": "number"}, "x"))).collect()["x"]
    assert found.to_list() == [2.0, 2.0, None] * 200


@pytest.mark.parametrize("texts", [["a"] * 3, [str(number) for number in range(20_000)]])
def test_a_result_that_is_constant_is_given_to_every_row(texts: list[str]) -> None:
    table = pl.DataFrame({"s": texts})
    assert table.select(by_distinct("s", pl.lit(True), pl.Boolean()))["s"].to_list() == [True] * len(texts)
