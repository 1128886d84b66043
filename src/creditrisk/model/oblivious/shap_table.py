"""Exact path-dependent SHAP values of oblivious trees, as a table by leaf number.

In an oblivious tree the leaf number fixes the outcome of every comparison, so a row's SHAP values are a function of
its leaf alone: trees x leaves x inputs numbers, worked out once. The game is that of Lundberg et al., "From local
explanations to global understanding with explainable AI for trees" (2020), algorithm 1, and equals what CatBoost calls
ShapValues: a comparison whose input is unknown is averaged by the training weight on either side.
"""

from __future__ import annotations

from math import factorial

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

BLOCK_NUMBERS = 4_000_000
"""Numbers worked on at a time, so that a large model does not fill memory while it loads."""


def players_of(level_inputs: Ints) -> tuple[Ints, Ints]:
    """Distinct inputs of each tree.

    Args:
        level_inputs: input of each level's comparison, shape (trees, depth); -1 for a level that is not there.

    Returns:
        The distinct inputs of each tree in order of first use, shape (trees, players), -1 where there are fewer;
        and for each level which of them it belongs to, shape (trees, depth), -1 for a level that is not there.
    """
    trees, depth = level_inputs.shape
    inputs = np.full((trees, depth), -1, dtype=np.int64)
    owner = np.full((trees, depth), -1, dtype=np.int64)
    count = np.zeros(trees, dtype=np.int64)
    every = np.arange(trees)
    for level in range(depth):
        found = level_inputs[:, level]
        same = inputs == found[:, None]
        known = same.any(axis=1)
        fresh = (found >= 0) & ~known
        inputs[every[fresh], count[fresh]] = found[fresh]
        owner[:, level] = np.where(fresh, count, np.where((found >= 0) & known, same.argmax(axis=1), -1))
        count += fresh
    return inputs[:, : max(1, int(count.max(initial=0)))], owner


def shap_table(values: Floats, weights: Floats, owner: Ints, players: int) -> Floats:
    """SHAP values of every leaf of every tree.

    Args:
        values: leaf values, shape (trees, 2**depth); bit k of a leaf's number is the outcome of level k, the highest
            level stands at the root.
        weights: training weight in each leaf, same shape.
        owner: which player each level belongs to, shape (trees, depth), -1 for a level that is not there.
        players: the largest number of players of a tree.

    Returns:
        Shape (trees, 2**depth, players). With the tree's mean value, a leaf's SHAP values add up to its value, also
        in a leaf that no training row reached.
    """
    trees, leaves = values.shape
    table = np.zeros((trees, leaves, players))
    step = max(1, BLOCK_NUMBERS // (leaves * leaves))
    for start in range(0, trees, step):
        block = slice(start, start + step)
        games = _games(values[block], weights[block])
        factors = _factors(owner[block], players)
        for mask, game in enumerate(games):
            table[block] += game[:, _compressed(leaves, mask), None] * factors[:, mask, None, :]
    return table


def _games(values: Floats, weights: Floats) -> list[Floats]:
    """Expected value where only the levels in a mask are known: for each mask, shape (trees, 2**known levels)."""
    trees, leaves = values.shape
    depth = leaves.bit_length() - 1
    known: dict[int, Floats] = {0: values.reshape(trees, leaves, 1)}
    below = weights
    for level in range(depth):  # from the leaves' pairs up to the root
        pairs = below.reshape(trees, -1, 2)
        below = pairs[:, :, 0] + pairs[:, :, 1]
        # Where no training row came, either side is as likely as the other.
        share = np.divide(pairs[:, :, 1], below, out=np.full_like(below, 0.5), where=below > 0)[:, :, None]
        step: dict[int, Floats] = {}
        for mask, game in known.items():
            nodes = game.reshape(trees, below.shape[1], 2, -1)
            step[mask] = nodes[:, :, 0] * (1.0 - share) + nodes[:, :, 1] * share
            step[mask | 1 << level] = nodes.reshape(trees, below.shape[1], -1)
        known = step
    return [known[mask].reshape(trees, -1) for mask in range(leaves)]


def _compressed(leaves: int, mask: int) -> Ints:
    """The bits of each leaf number that stand in the mask, moved together."""
    numbers = np.arange(leaves)
    out, place = np.zeros(leaves, dtype=np.int64), 0
    for level in range(leaves.bit_length() - 1):
        if mask >> level & 1:
            out |= (numbers >> level & 1) << place
            place += 1
    return out


def _factors(owner: Ints, players: int) -> Floats:
    """Shapley's weight of each mask's game in each player's value, shape (trees, masks, players).

    Levels of one player are known together, and a level that is not there counts as known, so of all masks only
    those that are unions of players' levels take part.
    """
    trees, depth = owner.shape
    masks = np.arange(1 << depth)
    given = (masks[:, None] >> np.arange(depth) & 1).astype(bool)[None]
    absent = np.less(owner, 0)[:, None, :]
    valid: NDArray[np.bool_] = np.all(given | ~absent, axis=2)
    inside = np.zeros((trees, masks.size, players), dtype=bool)
    there = np.zeros((trees, players), dtype=bool)
    for player in range(players):
        mine = (owner == player)[:, None, :]
        there[:, player] = mine.any(axis=(1, 2))
        whole = (given | ~mine).all(axis=2)
        valid &= whole | (~given | ~mine).all(axis=2)
        inside[:, :, player] = whole & there[:, player, None]
    weights = _shapley_weights(players)
    total = there.sum(axis=1)[:, None, None]
    size = inside.sum(axis=2)[:, :, None]
    gain = np.where(inside, weights[total, np.maximum(size - 1, 0)], -weights[total, size])
    return np.where(valid[:, :, None] & there[:, None, :], gain, 0.0)


def _shapley_weights(players: int) -> Floats:
    """Weight of a coalition of ``size`` others among ``total`` players: size! (total - size - 1)! / total!."""
    weights = np.zeros((players + 1, players + 1))
    for total in range(1, players + 1):
        for size in range(total):
            weights[total, size] = factorial(size) * factorial(total - size - 1) / factorial(total)
    return weights
