"""One row through an additive model against its table, bit by bit, on models drawn at random."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from creditrisk.contract import Input
from creditrisk.model.additive.row import search_keys
from creditrisk.model.additive.runtime import AdditiveModel
from creditrisk.model.additive.terms import Bins, Pair, Terms
from creditrisk.model.family import Value

VALUES = ("a", "b", "c")
CUTS = st.lists(st.sampled_from([-1e300, -2.0, -0.5, 0.0, 5e-324, 1.0, 3.5, 1e300]), unique=True).map(sorted)
NUMBERS = st.none() | st.floats() | st.sampled_from([-2.0, -0.5, -0.0, 0.0, 5e-324, 1.0, 3.5])
TEXTS = st.none() | st.sampled_from([*VALUES, "d", ""])


@st.composite
def models(draw: st.DrawFn) -> AdditiveModel:
    """Two numbers, two categories and pairs, in which an input may come first here and second there."""
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    bins = [Bins("number", np.array(draw(CUTS), dtype=np.float64)) for _ in range(2)]
    bins += [Bins("category", np.empty(0), VALUES[: draw(st.integers(0, 3))]) for _ in range(2)]
    sides = draw(st.lists(st.permutations(range(4)).map(lambda order: tuple(order[:2])), max_size=5))
    effects = tuple(random.choice([0.0, -0.0, 0.1, *random.normal(size=4)], size=item.count) for item in bins)
    pairs = []
    for first, second in sides:
        table = random.normal(size=random.integers(1, 4, size=2))
        rows = random.integers(table.shape[0], size=bins[first].count)
        columns = random.integers(table.shape[1], size=bins[second].count)
        pairs.append(Pair(first, second, rows, columns, table))
    names = zip("pqrs", ["number", "number", "category", "category"], strict=True)
    inputs = tuple(Input.model_validate({"name": name, "kind": kind, "title": name}) for name, kind in names)
    return AdditiveModel(inputs, float(random.normal()), Terms(tuple(bins), effects, tuple(pairs)))


def bits(numbers: Sequence[float]) -> list[bytes]:
    return [struct.pack("<d", number) for number in numbers]


@settings(max_examples=200)
@given(models(), st.lists(st.tuples(NUMBERS, NUMBERS, TEXTS, TEXTS), min_size=1, max_size=8))
def test_one_row_equals_the_table_to_the_last_bit(model: AdditiveModel, rows: list[tuple[Value, ...]]) -> None:
    schema = {"p": pl.Float64, "q": pl.Float64, "r": pl.String, "s": pl.String}
    margins, contributions = model.explain(pl.DataFrame(rows, schema=schema, orient="row"))
    score = model.row()
    for at, row in enumerate(rows):
        margin, parts = score(row)
        assert bits([margin]) == bits([margins[at]])
        assert bits(parts) == bits(contributions[at].tolist())


@settings(max_examples=200)
@given(st.lists(CUTS, min_size=1, max_size=4), st.data())
def test_one_search_finds_the_bins_that_a_search_for_each_input_finds(
    cuts: list[list[float]], data: st.DataObject
) -> None:
    bins = [Bins("number", np.array(item, dtype=np.float64)) for item in cuts]
    keys, starts = search_keys(bins)
    numbers = data.draw(st.lists(st.floats(allow_nan=False), min_size=len(bins), max_size=len(bins)))
    queries = np.arange(len(bins), dtype=np.complex128)
    queries.imag = numbers
    alone = [int(item.find(pl.Series([x], dtype=pl.Float64))[0]) for item, x in zip(bins, numbers, strict=True)]
    assert (keys.searchsorted(queries, "right") - starts).tolist() == alone
