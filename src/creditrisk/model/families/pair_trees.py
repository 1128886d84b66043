"""Boosted trees (LightGBM) of which no branch asks about more than two columns, as tables.

interpret leaves inputs with a direction out of every pair; LightGBM keeps a direction in pairs too. A leaf is a box in
the columns that its branch asks about, so the sum of all leaves is additive in columns and pairs of columns: the
export is exact, and the trees are of the same kind as the explainable boosting machine that they are averaged with.
Main effects are taken out of the pairs (purification: Lengerich et al. 2020), so that a reason names the input it
comes from.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from creditrisk.errors import ModelError
from creditrisk.model.additive.columns import ColumnTerm
from creditrisk.model.additive.terms import Floats, Indexes
from creditrisk.model.encoding import Encoding
from creditrisk.model.families.lightgbm import PATIENCE, common_options, import_lightgbm
from creditrisk.model.family import TrainingData
from creditrisk.params import EbmParams

BINS = 32
"""Bins of a column: with more, pairs fit noise."""
LEAVES = 4
RATE = 2.0
"""Learning rate as a multiple of the machine's, whose steps change one input alone."""
TREES = 2
"""At most so many trees for each of the machine's rounds, each of which passes through every input."""
COLUMN_SHARE = 0.5
"""Of the columns, drawn anew for each tree."""
HELD_OUT = 0.15
"""Of a bag's rows, to stop early on; interpret's share."""
MOST_IN_LEAF = 100
"""Rows that a leaf needs, or one in a hundred of the table's where that is fewer."""
SPREAD = 1e-6
"""Share of the training weight that is spread evenly over a pair before its main effects are taken out."""

Node = dict[str, Any]
Mask = NDArray[np.bool_]
Box = dict[int, Mask]
"""For each column that a branch asks about, which of its levels get through."""


@dataclass(frozen=True)
class PairTrees:
    """Fitted trees: ``intercept`` and the terms make their mean margin."""

    intercept: float
    terms: list[ColumnTerm]
    cuts: list[Floats]
    """By input: where its bins begin, rising; of no meaning for a category."""
    trees: list[int]
    """How many each bag took."""


def fit_pair_trees(data: TrainingData, encoding: Encoding, settings: EbmParams, seed: int) -> PairTrees:
    """Fit bags of trees on the ``settings.tree_pairs`` strongest pairs of columns.

    Args:
        data: the training rows.
        encoding: fitted on them, its training matrix in place.
        settings: bags, rounds, learning rate, penalty and the number of pairs.
        seed: makes the fit repeatable.

    Raises:
        ModelError: LightGBM is not installed or refuses the rows.
    """
    library = import_lightgbm()
    options = _options(encoding, settings, data.y.size)
    codes = [at for at, column in enumerate(encoding.columns) if column.nominal]
    try:
        rows = library.Dataset(
            encoding.training_matrix, data.y, weight=data.weight, categorical_feature=codes, params=options
        ).construct()

        def boosted(bag: int, more: dict[str, Any]) -> list[Node]:
            held = _held_out(data.y, np.random.default_rng([seed, bag]))
            booster = library.train(
                options | {"seed": seed + bag} | more,
                rows.subset(np.flatnonzero(~held)),
                num_boost_round=TREES * (settings.rounds or 0),
                valid_sets=[rows.subset(np.flatnonzero(held))],
                callbacks=[library.early_stopping(PATIENCE, verbose=False)],
            )
            found: list[Node] = booster.dump_model(num_iteration=booster.best_iteration)["tree_info"]
            return [tree["tree_structure"] for tree in found]

        # Two splits ask about two columns at most, so these trees are free to show which pairs there are.
        pairs = _strongest(boosted(0, {"num_leaves": 3}), settings.tree_pairs or 0)
        allowed = [list(pair) for pair in pairs] + [[at] for at in range(len(encoding.columns))]
        bags = [boosted(bag, {"interaction_constraints": allowed}) for bag in range(settings.bags)]
    except library.basic.LightGBMError as error:
        raise ModelError(f"trees of pairs cannot be fitted to {data.table.height:,} rows: {error}") from None
    return _as_tables(bags, encoding, data.weight)


def _options(encoding: Encoding, settings: EbmParams, rows: int) -> dict[str, Any]:
    return common_options(encoding) | {
        "learning_rate": RATE * settings.learning_rate,
        "num_leaves": LEAVES,
        "min_data_in_leaf": max(1, min(MOST_IN_LEAF, rows // 100)),
        "lambda_l2": settings.l2,
        "feature_fraction": COLUMN_SHARE,
        "max_bin": BINS,
        "force_col_wise": True,
    }


def _held_out(y: Floats, random: np.random.Generator) -> Mask:
    """Rows to stop early on, the same share of both outcomes and at least one of each."""
    held = np.zeros(y.size, dtype=bool)
    for outcome in (0.0, 1.0):
        rows = random.permutation(np.flatnonzero(y == outcome))
        held[rows[: max(1, round(HELD_OUT * rows.size))]] = True
    return held


def _strongest(trees: list[Node], count: int) -> list[tuple[int, int]]:
    """Pairs of columns by how much the second split of a branch gains."""
    gains: Counter[tuple[int, int]] = Counter()
    for root in trees:
        for child in _children(root):
            if _splits(child) and child["split_feature"] != root["split_feature"]:
                low, high = sorted((root["split_feature"], child["split_feature"]))
                gains[low, high] += child["split_gain"]
    return [pair for pair, _ in gains.most_common(count)]


@dataclass(frozen=True)
class _Levels:
    """What a column can be told apart into: between cuts, or by code; the last level is for missing."""

    cuts: Floats
    codes: int

    @property
    def count(self) -> int:
        return self.codes or self.cuts.size + 2

    def place(self, numbers: Floats) -> Indexes:
        if self.codes:
            return numbers.astype(np.int64)
        places = np.searchsorted(self.cuts, numbers, side="right")
        places[np.isnan(numbers)] = self.count - 1
        return places

    def left(self, node: Node) -> Mask:
        """Levels that a split sends left."""
        mask = np.zeros(self.count, dtype=bool)
        if self.codes:
            mask[[int(code) for code in node["threshold"].split("||")]] = True
        else:
            mask[: np.searchsorted(self.cuts, _cut(node)) + 1] = True
            mask[-1] = node["default_left"]
        return mask

    def fill_unseen(self, table: Floats, mass: Floats) -> None:
        """Give missing, and codes, that no training row has the mean of the others: the trees send them anywhere."""
        unseen = mass == 0
        if not self.codes:
            unseen[:-1] = False  # between cuts the trees say what holds
        if unseen.any():
            table[unseen] = mass @ table / mass.sum()


def _as_tables(bags: list[list[Node]], encoding: Encoding, weight: Floats) -> PairTrees:
    levels = _levels(bags, encoding)
    singles = {at: np.zeros(level.count) for at, level in enumerate(levels)}
    pairs: dict[tuple[int, int], Floats] = {}
    intercept = 0.0
    for value, box in (leaf for trees in bags for root in trees for leaf in _leaves(root, levels, {})):
        if not box:
            intercept += value
        elif len(box) == 1:
            ((at, mask),) = box.items()
            singles[at] += value * mask
        else:
            first, second = sorted(box)
            table = pairs.setdefault((first, second), np.zeros((levels[first].count, levels[second].count)))
            table += value * np.logical_and.outer(box[first], box[second])
    found = [level.place(encoding.training_matrix[:, at]) for at, level in enumerate(levels)]
    for at, table in singles.items():
        levels[at].fill_unseen(table, _mass(found[at], weight, table.size))
    for (first, second), table in pairs.items():
        mass = _mass(found[first] * table.shape[1] + found[second], weight, table.size).reshape(table.shape)
        levels[first].fill_unseen(table, mass.sum(axis=1))
        levels[second].fill_unseen(table.T, mass.sum(axis=0))
        pairs[first, second], of_first, of_second = _purified(table, mass)
        singles[first] += of_first
        singles[second] += of_second
    share = 1.0 / len(bags)
    terms = [
        ColumnTerm(columns, tuple(levels[at].place for at in columns), share * table)
        for columns, table in [*(((at,), table) for at, table in singles.items()), *pairs.items()]
    ]
    owners = [column.input_index for column in encoding.columns]
    cuts = [levels[owners.index(at)].cuts for at in range(len(encoding.inputs))]
    return PairTrees(share * intercept, terms, cuts, [len(trees) for trees in bags])


def _levels(bags: list[list[Node]], encoding: Encoding) -> list[_Levels]:
    cuts: list[set[float]] = [set() for _ in encoding.columns]
    waiting = [root for trees in bags for root in trees]
    while waiting:
        node = waiting.pop()
        if _splits(node):
            if node["decision_type"] == "<=":
                cuts[node["split_feature"]].add(_cut(node))
            waiting += _children(node)
    sizes = [0 if (table := encoding.tables[c.input_index]) is None else len(table.numbers) for c in encoding.columns]
    return [
        _Levels(np.array(sorted(own)), size if column.nominal else 0)
        for own, size, column in zip(cuts, sizes, encoding.columns, strict=True)
    ]


def _leaves(node: Node, levels: list[_Levels], box: Box) -> Iterator[tuple[float, Box]]:
    """Value and box of each leaf under a node that ``box`` leads to."""
    if not _splits(node):
        yield float(node["leaf_value"]), box
        return
    at = node["split_feature"]
    left = levels[at].left(node)
    before = box.get(at, np.True_)
    for child, mask in zip(_children(node), (left, ~left), strict=True):
        yield from _leaves(child, levels, box | {at: before & mask})


def _mass(places: Indexes, weight: Floats, size: int) -> Floats:
    """Training weight in each place."""
    return np.asarray(np.bincount(places, weights=weight, minlength=size), dtype=np.float64)


def _purified(table: Floats, mass: Floats) -> tuple[Floats, Floats, Floats]:
    """A pair of which no row and no column has a weighted mean, what its rows and what its columns add.

    One linear system in place of ``interpret.utils.purify``, whose rounds take half a second for a pair.
    """
    # Combinations that no row has would leave a level without any weight.
    weights = mass + mass.sum() * SPREAD / mass.size
    of_rows, of_columns = weights.sum(axis=1), weights.sum(axis=0)
    system = np.block([[np.diag(of_rows), weights], [weights.T, np.diag(of_columns)]])
    weighed = weights * table
    sums = np.concatenate([weighed.sum(axis=1), weighed.sum(axis=0)])
    effects = np.linalg.lstsq(system, sums)[0]  # short of one equation: a constant may stand in either
    rows, columns = effects[: of_rows.size], effects[of_rows.size :]
    return table - rows[:, None] - columns, rows, columns


def _splits(node: Node) -> bool:
    return "split_feature" in node


def _children(node: Node) -> tuple[Node, ...]:
    return (node["left_child"], node["right_child"]) if _splits(node) else ()


def _cut(node: Node) -> float:
    """LightGBM sends numbers up to the threshold left, and bins here begin with their cut."""
    return float(np.nextafter(node["threshold"], np.inf))
