"""The runtime of oblivious trees against definitions written out, and against CatBoost's own answers."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from creditrisk.contract import Input
from creditrisk.errors import ModelError
from creditrisk.model.categories import Statistics, Vocabulary
from creditrisk.model.family import load_model
from creditrisk.model.oblivious.forest import MAX_DEPTH, Forest, as_float64_threshold
from creditrisk.model.oblivious.runtime import ObliviousModel
from creditrisk.model.oblivious.table import BLOCK_TREES, MOST_ROWS

TREES, DEPTH = 12, 4
INPUTS = (
    Input(name="amount", kind="number", title="Amount"),
    Input(name="purpose", kind="category", title="Purpose"),
    Input(name="income", kind="number", title="Income"),
)


def make_model(seed: int = 0, *, empty_leaves: bool = False) -> ObliviousModel:
    """Random trees; some have fewer levels, some leaves no training row."""
    random = np.random.default_rng(seed)
    purpose = Statistics(1, Vocabulary(("car", "home")), random.normal(size=(4, 2)).astype(np.float32).astype(float))
    slot = random.choice([0, 2, 3, 4], size=(TREES, DEPTH))
    threshold = random.normal(size=(TREES, DEPTH))
    values, weights = random.normal(size=(TREES, 16)), random.uniform(0.5, 9.0, size=(TREES, 16))
    threshold[0, :], slot[0, :] = np.inf, 0
    threshold[1, 2:], slot[1, 2:] = np.inf, 0
    for tree, levels in ((0, 0), (1, 2)):
        values[tree, 1 << levels :] = weights[tree, 1 << levels :] = 0.0
    if empty_leaves:
        weights[2:] *= random.random((TREES - 2, 16)) > 0.4
        weights[2:, 0] += 1.0
    return ObliviousModel(INPUTS, Forest(slot, threshold, values, weights, 0.25), (purpose,))


def write_arrays(path: Path, **changed: Any) -> None:
    """The model's arrays, some of them changed."""
    arrays: dict[str, Any] = {**MODEL.forest.arrays(), **changed}
    np.savez(path, **arrays)


def make_table(rows: int, seed: int = 0) -> pl.DataFrame:
    """Rows with missing and unseen values."""
    random = np.random.default_rng(seed)

    def number() -> list[float | None]:
        return [None if random.random() < 0.2 else float(value) for value in random.normal(size=rows)]

    purpose = [("car", "home", "never seen", None)[code] for code in random.integers(4, size=rows)]
    return pl.DataFrame(
        {"amount": number(), "purpose": purpose, "income": number()},
        schema={"amount": pl.Float64, "purpose": pl.String, "income": pl.Float64},
    )


def shapley(players: Sequence[int], worth: Callable[[frozenset[int]], float]) -> dict[int, float]:
    """Shapley values by the definition: the mean gain over all orders of joining."""
    totals = dict.fromkeys(players, 0.0)
    for order in itertools.permutations(players):
        there: frozenset[int] = frozenset()
        for player in order:
            totals[player] += worth(there | {player}) - worth(there)
            there |= {player}
    return {player: total / math.factorial(len(players)) for player, total in totals.items()}


def expected_value(forest: Forest, tree: int, leaf: int, known: set[int]) -> float:
    """A tree's value where only some levels are known: the others averaged by training weight, from the root down."""

    def walk(level: int, prefix: int) -> float:
        if level < 0:
            return float(forest.values[tree, prefix])
        if forest.threshold[tree, level] == np.inf or level in known:
            return walk(level - 1, prefix | (leaf & 1 << level))
        sides = [
            sum(forest.weights[tree, n] for n in range(16) if n >> level == (prefix | bit << level) >> level)
            for bit in (0, 1)
        ]
        share = sides[1] / sum(sides) if sum(sides) else 0.5
        return (1 - share) * walk(level - 1, prefix) + share * walk(level - 1, prefix | 1 << level)

    return walk(forest.depth - 1, 0)


@pytest.mark.parametrize("empty_leaves", [False, True])
def test_contributions_are_shapley_values_by_definition(empty_leaves: bool) -> None:
    model = make_model(1, empty_leaves=empty_leaves)
    table = make_table(15)
    forest, x = model.forest, model._matrix(table)
    owner = [0, 1, 2, 1, 1]  # by slot: statistics of the category are the category's
    wanted = np.zeros((15, 3))
    for row, tree in itertools.product(range(15), range(TREES)):
        levels = [level for level in range(DEPTH) if forest.threshold[tree, level] != np.inf]
        leaf = sum(1 << n for n in levels if x[forest.slot[tree, n], row] > forest.threshold[tree, n])
        inputs = {level: owner[forest.slot[tree, level]] for level in levels}

        def worth(there: frozenset[int], tree: int = tree, leaf: int = leaf, inputs: dict[int, int] = inputs) -> float:
            return expected_value(forest, tree, leaf, {level for level, player in inputs.items() if player in there})

        for player, value in shapley(sorted(set(inputs.values())), worth).items():
            wanted[row, player] += value
    np.testing.assert_allclose(model.contributions(table), wanted, atol=1e-12)


def test_contributions_and_baseline_make_the_margin() -> None:
    model = make_model(2, empty_leaves=True)
    table = make_table(500)
    total = model.contributions(table).sum(axis=1) + model.baseline
    np.testing.assert_allclose(total, model.margin(table), atol=1e-12)


@given(
    amount=st.none() | st.floats(allow_nan=False, allow_infinity=False),
    purpose=st.none() | st.sampled_from(["car", "home"]) | st.text(max_size=5),
    income=st.none() | st.floats(-3, 3),
)
def test_one_row_and_a_table_agree_to_the_last_bit(
    amount: float | None, purpose: str | None, income: float | None
) -> None:
    table = pl.DataFrame(
        {"amount": [amount], "purpose": [purpose], "income": [income]}, schema=dict(make_table(1).schema)
    )
    margin, contributions = ROW([amount, purpose, income])
    assert margin == MODEL.margin(table)[0]
    assert list(contributions) == MODEL.contributions(table)[0].tolist()


MODEL = make_model(3)
ROW = MODEL.row()


@pytest.mark.parametrize("depth", [1, 6, MAX_DEPTH])
def test_trees_of_any_depth_and_a_category_without_splits(depth: int) -> None:
    random = np.random.default_rng(depth)
    shape = (7, 1 << depth)
    slot, threshold = random.choice([0, 2], size=(7, depth)), random.normal(size=(7, depth))
    forest = Forest(slot, threshold, random.normal(size=shape), random.uniform(0.5, 9.0, size=shape), -0.5)
    model, table = ObliviousModel(INPUTS, forest, ()), make_table(40)
    margins, contributions = model.explain(table)
    for number, row in enumerate(table.iter_rows()):
        assert model.row()(row) == (margins[number], contributions[number].tolist())


@pytest.mark.parametrize("rows", [1, 2, 15, 16, 100, MOST_ROWS, MOST_ROWS + 1, 2 * MOST_ROWS + 37])
@pytest.mark.parametrize("trees", [BLOCK_TREES, 3 * BLOCK_TREES - 1])
def test_a_row_in_any_piece_is_the_row_alone(rows: int, trees: int) -> None:
    random = np.random.default_rng(trees)
    slot, threshold = random.choice([0, 2], size=(trees, 6)), random.normal(size=(trees, 6))
    threshold[random.random(threshold.shape) < 0.1] = np.inf
    values, weights = random.normal(size=(trees, 64)), random.uniform(0.5, 9.0, size=(trees, 64))
    model, table = ObliviousModel(INPUTS, Forest(slot, threshold, values, weights, -0.5), ()), make_table(rows)
    score, buffer = model.row(), np.getbufsize()
    margins, contributions = model.explain(table)
    assert (margins == model.margin(table)).all()
    for number, row in enumerate(table.iter_rows()):
        assert score(row) == (margins[number], contributions[number].tolist())
    assert np.getbufsize() == buffer


def test_margins_need_no_shap_values() -> None:
    """They take seconds for large trees, and training asks for margins alone."""
    model = make_model(4)
    model.margin(make_table(3))
    assert "_shap" not in vars(model)


def test_trees_without_a_single_comparison_answer_their_value() -> None:
    shape = (3, 2)
    nothing = Forest(np.zeros(shape, np.int64), np.full(shape, np.inf), np.ones((3, 4)), np.ones((3, 4)), 0.5)
    margins, contributions = ObliviousModel(INPUTS, nothing, ()).explain(make_table(5))
    assert margins.tolist() == [3.5] * 5
    assert contributions.tolist() == [[0.0] * 3] * 5


def test_no_rows_give_no_answers() -> None:
    assert MODEL.margin(make_table(0)).shape == (0,)
    assert MODEL.contributions(make_table(0)).shape == (0, 3)


@settings(max_examples=300)
@given(
    border=hnp.from_dtype(np.dtype(np.float32), allow_nan=False, allow_infinity=False),
    value=st.floats(allow_nan=False, allow_infinity=False),
    steps=st.integers(-3, 3),
)
def test_a_float64_threshold_compares_as_float32_does(border: np.float32, value: float, steps: int) -> None:
    threshold = as_float64_threshold(float(border))
    near = threshold
    for _ in range(abs(steps)):
        near = float(np.nextafter(near, math.copysign(math.inf, steps)))
    for number in (value, near, float(border), -float(border)):
        with np.errstate(over="ignore"):
            assert (number > threshold) == bool(np.float32(number) > border)


def test_saved_and_loaded_it_answers_the_same(tmp_path: Path) -> None:
    MODEL.save(tmp_path)
    loaded, table = load_model(tmp_path), make_table(50)
    assert isinstance(loaded, ObliviousModel)
    assert loaded.inputs == MODEL.inputs
    assert loaded.baseline == MODEL.baseline
    assert (loaded.margin(table) == MODEL.margin(table)).all()
    assert (loaded.contributions(table) == MODEL.contributions(table)).all()


def test_saved_twice_the_files_are_the_same(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        MODEL.save(tmp_path / name)
    for name in ("model.json", "trees.npz"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@pytest.mark.parametrize("damage", ["flip", "cut", "remove", "objects", "slot", "nan", "statistics", "format"])
def test_changed_files_are_refused(tmp_path: Path, damage: str) -> None:
    MODEL.save(tmp_path)
    trees, described = tmp_path / "trees.npz", tmp_path / "model.json"
    content = trees.read_bytes()
    described_content = json.loads(described.read_text(encoding="utf-8"))
    if damage == "flip":
        half = len(content) // 2
        trees.write_bytes(content[:half] + bytes([content[half] ^ 1]) + content[half + 1 :])
    elif damage == "cut":
        trees.write_bytes(content[: len(content) // 2])
    elif damage == "remove":
        trees.unlink()
    elif damage == "objects":
        write_arrays(trees, slot=np.array([{}], dtype=object))
    elif damage == "slot":
        write_arrays(trees, slot=MODEL.forest.slot + 99)
    elif damage == "nan":
        write_arrays(trees, values=MODEL.forest.values * np.nan)
    elif damage == "statistics":
        described_content["categories"][0]["numbers"].pop()
    else:
        described_content["format"] = 99
    described.write_text(json.dumps(described_content), encoding="utf-8")
    with pytest.raises(ModelError, match=r"model\.json|trees\.npz"):
        load_model(tmp_path)


def test_a_table_of_other_columns_is_refused() -> None:
    with pytest.raises(ModelError, match="expected the model's inputs"):
        MODEL.margin(make_table(3).select("purpose", "amount", "income"))
