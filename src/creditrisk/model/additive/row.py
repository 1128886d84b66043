"""One row through an additive model: one search finds the bins of all inputs, then tables are looked up.

It adds what ``AdditiveModel.explain`` adds, in the same order: to each input its bin's effect, then the halves of its
pairs in their order; to the margin the inputs in their order, then the baseline.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from creditrisk.model.additive.terms import Bins, Floats, Indexes, Pair, Terms
from creditrisk.model.family import RowFunction, Value
from creditrisk.model.packing import compile_packing


def compile_row(baseline: float, terms: Terms) -> RowFunction:
    """Compile the path for one row."""
    keys, starts = search_keys(terms.bins)
    find, last, accumulate = _compile_find(terms.bins, keys), len(terms.bins) - 1, np.add.accumulate
    # A place no bin has, then the bins of all inputs, then the cells of all pairs; no negative zero.
    table = np.concatenate([[0.0], *terms.effects, *(pair.halves for pair in terms.pairs)]) + 0.0
    add_pairs = _compile_pairs(terms.pairs, starts, keys.size + 1, table) if terms.pairs else None

    def score(row: Sequence[Value]) -> tuple[float, list[float]]:
        found = find(row)
        parts = table.take(found) if add_pairs is None else add_pairs(found)
        return accumulate(parts).item(last) + baseline, parts.tolist()

    return score


def search_keys(bins: Sequence[Bins]) -> tuple[NDArray[np.complex128], Indexes]:
    """The cuts of all inputs as one sorted array, so that one search finds all bins of a row.

    NumPy orders complex numbers by their real part, then by the imaginary one: here the input's number and the cut.
    A key of minus infinity opens each input, so a value's place is where its input starts (second result) plus its bin.
    """
    cuts = [[-math.inf, *item.row_cuts()] for item in bins]
    sizes = [len(item) for item in cuts]
    keys = np.empty(sum(sizes), dtype=np.complex128)
    keys.real, keys.imag = np.repeat(np.arange(len(cuts)), sizes), np.concatenate(cuts)
    return keys, np.cumsum([1, *sizes[:-1]])


def _compile_find(bins: Sequence[Bins], keys: NDArray[np.complex128]) -> Callable[[Sequence[Value]], Indexes]:
    """From a row's inputs to their places among all bins, shape (inputs,)."""
    categories = [(at, item.row_places()) for at, item in enumerate(bins) if item.kind == "category"]
    queries, infinite = np.arange(len(bins), dtype=np.complex128), np.full(len(bins), math.inf)
    packed, search = compile_packing(len(bins), math.inf), keys.searchsorted
    frombuffer, fmin = np.frombuffer, np.fmin

    def find(row: Sequence[Value]) -> Indexes:
        given: list[Any] = list(row)
        for at, places in categories:
            given[at] = places[given[at]]
        query = queries.copy()
        fmin(frombuffer(packed(given)), infinite, query.imag)  # NaN becomes infinity: missing
        found: Indexes = search(query, "right")
        return found

    return find


def _compile_pairs(pairs: Sequence[Pair], starts: Indexes, cells: int, table: Floats) -> Callable[[Indexes], Floats]:
    """From places of bins to contributions, halves of pairs included; ``cells`` is where the pairs' cells start.

    All pairs' indexes lie in one array, the first sides' of all pairs, then the second ones'. The two numbers of a pair
    add up to its cell's place in ``table``.
    """
    sides = np.array([*(pair.first for pair in pairs), *(pair.second for pair in pairs)], dtype=np.intp)
    begins = np.cumsum([cells, *(pair.table.size for pair in pairs)])
    blocks = [pair.row_starts + begin for pair, begin in zip(pairs, begins, strict=False)]
    blocks += [pair.second_index for pair in pairs]
    ends, shifts = np.concatenate(blocks), np.cumsum([0, *(block.size for block in blocks)])[:-1] - starts[sides]
    places = np.concatenate([np.arange(starts.size), np.ravel([(pair.first, pair.second) for pair in pairs])])
    count, concatenate, bincount = len(pairs), np.concatenate, np.bincount

    def contributions(found: Indexes) -> Floats:
        halves = ends.take(found.take(sides) + shifts)
        cell = halves[:count] + halves[count:]
        values = table.take(concatenate((found, cell.repeat(2))))
        return bincount(places, values)  # type: ignore[return-value]  # the stubs overlook the weights

    return contributions
