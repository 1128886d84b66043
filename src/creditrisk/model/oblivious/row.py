"""One row through oblivious trees: a handful of NumPy calls, whatever the number of trees.

It adds what ``ObliviousModel.explain`` adds, tree by tree, so both agree to the last bit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from creditrisk.contract import Input
from creditrisk.model.categories import Statistics
from creditrisk.model.family import RowFunction, Value
from creditrisk.model.oblivious.forest import Forest
from creditrisk.model.packing import compile_packing

LEVELS = 8
"""Comparisons of a tree, padded: eight bytes make one whole number."""

Floats = NDArray[np.float64]


def compile_row(
    inputs: Sequence[Input],
    forest: Forest,
    categories: Sequence[Statistics],
    players: NDArray[np.int64],
    shap: Floats,
) -> RowFunction:
    """Compile the path for one row.

    Args:
        inputs: of the model.
        forest: the trees.
        categories: the statistics of the categories that the trees ask for.
        players: inputs of each tree, shape (trees, players), -1 where there are fewer.
        shap: their SHAP values, shape (trees, leaves, players).
    """
    numbers, leaves = _compile_numbers(inputs, categories), _compile_leaves(forest)
    # A leaf's SHAP values and its own value lie side by side, and one sum adds them up: the value behind the last
    # input, and behind that a player that is not there, which adds nothing.
    table = np.concatenate([shap, forest.values[:, :, None]], axis=2).reshape(-1, shap.shape[2] + 1)
    absent, margin = len(inputs) + 1, len(inputs)
    places = np.column_stack([np.where(players < 0, absent, players), np.full(forest.trees, margin)]).ravel()
    bias, bincount = forest.bias, np.bincount

    def score(values: Sequence[Value]) -> tuple[float, Sequence[float]]:
        rows = table.take(leaves(numbers(values)), axis=0, mode="clip")
        added = bincount(places, rows.ravel()).tolist()
        return added[margin] + bias, added[:margin]

    return score


def _compile_numbers(inputs: Sequence[Input], categories: Sequence[Statistics]) -> Callable[[Sequence[Value]], Floats]:
    """One row as numbers: the inputs in order (nothing in a category's place), then the categories' statistics."""
    lookups = [(item.input, *item.row_bytes()) for item in categories]
    used = {item.input for item in categories}
    # Categories that no tree asks for have no statistics.
    idle = [place for place, item in enumerate(inputs) if item.kind == "category" and place not in used]
    packed, join, frombuffer = compile_packing(len(inputs), math.nan), b"".join, np.frombuffer

    def numbers(values: Sequence[Value]) -> Floats:
        given: list[Any] = list(values)
        parts = [b""]
        for place, known, other in lookups:
            parts.append(known.get(given[place], other))
            given[place] = 0.0
        for place in idle:
            given[place] = 0.0
        parts[0] = packed(given)
        return frombuffer(join(parts))

    return numbers


def _compile_leaves(forest: Forest) -> Callable[[Floats], NDArray[np.int64]]:
    """From one row's numbers to its leaves, as places in a table of all leaves of all trees.

    The outcomes of a tree are eight bytes, read as one whole number; a multiplication brings the bit of byte k to bit k
    of the highest byte, and no two of its terms meet, so nothing is carried.
    """
    slot = np.zeros((forest.trees, LEVELS), dtype=np.intp)
    threshold = np.full((forest.trees, LEVELS), np.inf)
    slot[:, : forest.depth], threshold[:, : forest.depth] = forest.slot, forest.threshold
    slots, thresholds, whole, signed = slot.ravel(), threshold.ravel(), np.dtype("<u8"), np.dtype("<i8")
    first = np.arange(forest.trees, dtype=whole) << forest.depth
    gather, down = np.full(forest.trees, 0x0102040810204080, whole), np.full(forest.trees, 56, whole)

    def leaves(numbers: Floats) -> NDArray[np.int64]:
        bits = (numbers.take(slots) > thresholds).view(whole)
        bits *= gather
        bits >>= down
        bits += first
        return bits.view(signed)

    return leaves
