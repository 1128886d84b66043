from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from glassbox import make_data
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from creditrisk.contract import Input
from creditrisk.model.additive.columns import ColumnTerm, terms_of_inputs
from creditrisk.model.additive.directions import GRAIN, check_monotone, hold_directions
from creditrisk.model.additive.terms import Bins, Floats, Indexes, Pair, Terms
from creditrisk.model.encoding import fit_encoding
from creditrisk.params import ModelParams

A = Input(name="a", kind="number", title="A", monotone="increasing")
B = Input(name="b", kind="number", title="B", monotone="decreasing")


def terms(a: Floats, b: Floats, table: Floats) -> Terms:
    """Two inputs of as many bins as there are effects, and one pair of each bin with each."""
    bins = tuple(Bins("number", np.arange(effect.size - 2.0)) for effect in (a, b))
    return Terms(bins, (a, b), (Pair(0, 1, np.arange(a.size), np.arange(b.size), table),))


@given(st.integers(0, 2**32 - 1))
def test_what_rounding_turned_is_levelled_and_what_is_wrong_stays(seed: int) -> None:
    random = np.random.default_rng(seed)
    # Steps up and down that cancel in the sum, up to rounding.
    drop = random.integers(0, 2, 7) * random.random(7)
    a = np.append(np.cumsum(np.append(0.0, drop[:-1])), 3.0)
    table = np.broadcast_to(-a[:, None], (8, 6)) + np.append(random.normal(size=5), 0.0)
    b = np.append(-np.sort(random.random(5) * 3), 0.0) - np.append(table[0, :5], 0.0)
    given_terms = terms(a / 3, b / 3, table / 3)
    held = hold_directions((A, B), given_terms)
    assert check_monotone((A, B), held) == []
    for old, new in zip(
        (*given_terms.effects, given_terms.pairs[0].table), (*held.effects, held.pairs[0].table), strict=True
    ):
        np.testing.assert_allclose(new, old, rtol=0, atol=20 * GRAIN)
        np.testing.assert_array_equal(np.round(new / GRAIN), new / GRAIN)
    wrong = terms(a / 3 - np.append(0.0, np.full(7, 1e-6)) * np.arange(8), b / 3, table / 3)
    assert check_monotone((A, B), hold_directions((A, B), wrong))


def test_pairs_of_the_same_inputs_become_one() -> None:
    data = make_data(800, 0)
    encoding = fit_encoding(data, ModelParams.model_validate({"encoding": {"one_hot_up_to": 10}}), 0, one_hot=False)
    names = [column.name for column in encoding.columns]
    town, age = [at for at, name in enumerate(names) if name.startswith("town")], names.index("age")
    assert len(town) == 2
    random = np.random.default_rng(1)

    def place(cuts: Floats, numbers: Floats) -> Indexes:
        return np.where(np.isnan(numbers), cuts.size + 1, np.searchsorted(cuts, numbers, side="right"))

    def rule(*cuts: float) -> Callable[[Floats], NDArray[np.int64]]:
        return partial(place, np.array(cuts))

    parts = [
        ColumnTerm((age, town[0]), (rule(30.0, 50.0), rule(0.0)), random.normal(size=(4, 3))),
        ColumnTerm((age, town[1]), (rule(40.0), rule(1.0, 2.0)), random.normal(size=(3, 4))),
        ColumnTerm((town[1], age), (rule(1.5), rule(60.0)), random.normal(size=(3, 3))),
        ColumnTerm(tuple(town), (rule(0.0), rule(1.0)), random.normal(size=(3, 3))),
        ColumnTerm((age,), (rule(40.0),), random.normal(size=3)),
    ]
    cuts = [np.array([30.0, 40.0, 50.0, 60.0]) if item.name == "age" else np.empty(0) for item in data.inputs]
    found = terms_of_inputs(encoding, cuts, parts)
    assert [(pair.first, pair.second) for pair in found.pairs] == [(1, 5)]
    matrix = encoding.matrix(data.table)
    expected = sum(
        part.table[tuple(p(matrix[:, at]) for p, at in zip(part.places, part.columns, strict=True))] for part in parts
    )
    bins = found.find(data.table, data.table.columns)
    (pair,) = found.pairs
    own = found.effects[1][bins[1]] + found.effects[5][bins[5]] + pair.table.ravel()[pair.index(bins)]
    np.testing.assert_allclose(own, expected, rtol=0, atol=1e-12)
