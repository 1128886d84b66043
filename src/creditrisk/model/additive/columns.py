"""Terms of encoded columns as terms of the inputs: all columns of one input are functions of its value."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from creditrisk.model.additive.terms import Bins, Floats, Indexes, Pair, Terms
from creditrisk.model.encoding import Encoding


@dataclass(frozen=True)
class ColumnTerm:
    """What one column adds, or two together: ``table[place of the first's number, place of the second's]``."""

    columns: tuple[int, ...]
    places: tuple[Callable[[Floats], Indexes], ...]
    """From numbers of a column to places in the table, for each of the columns."""
    table: Floats


def terms_of_inputs(encoding: Encoding, cuts: Sequence[Floats], parts: Iterable[ColumnTerm]) -> Terms:
    """Add up terms of columns in the inputs' own bins; at most one pair is left for any two inputs.

    Args:
        encoding: from inputs to columns.
        cuts: where the bins of each input begin, rising, such that no term differs within a bin; not read for a
            category, whose bins are its values.
        parts: what the columns add.
    """
    shapes = [_bins(encoding, index, inner) for index, inner in enumerate(cuts)]
    effects = [np.zeros(bins.count) for bins, _ in shapes]
    found: dict[tuple[int, int], list[Pair]] = {}
    owners = [column.input_index for column in encoding.columns]
    for part in parts:
        own = [owners[column] for column in part.columns]
        places = [
            place(shapes[owner][1][:, column - owners.index(owner)])
            for place, owner, column in zip(part.places, own, part.columns, strict=True)
        ]
        if len(set(own)) == 1:
            effects[own[0]] += part.table[tuple(places)]
            continue
        first, second = np.argsort(own)
        table = part.table if first == 0 else part.table.T
        pair = Pair(own[first], own[second], places[first], places[second], np.ascontiguousarray(table))
        found.setdefault((pair.first, pair.second), []).append(pair)
    return Terms(tuple(bins for bins, _ in shapes), tuple(effects), tuple(map(_joined, found.values())))


def _bins(encoding: Encoding, index: int, cuts: Floats) -> tuple[Bins, Floats]:
    """Bins of an input, and for each the numbers that its columns have there, shape (bins, columns of the input)."""
    table = encoding.tables[index]
    if table is not None:
        return Bins("category", np.empty(0), table.values), table.numbers
    return Bins("number", cuts), np.concatenate([[-np.inf], cuts, [np.nan]])[:, None]  # the lowest number of each bin


def _joined(pairs: list[Pair]) -> Pair:
    """The sum of pairs of the same two inputs."""
    if len(pairs) == 1:
        return pairs[0]
    firsts, first = np.unique([pair.first_index for pair in pairs], axis=1, return_inverse=True)
    seconds, second = np.unique([pair.second_index for pair in pairs], axis=1, return_inverse=True)
    table = np.zeros((firsts.shape[1], seconds.shape[1]))
    for pair, rows, columns in zip(pairs, firsts, seconds, strict=True):
        table += pair.table[np.ix_(rows, columns)]
    return replace(pairs[0], first_index=first.ravel(), second_index=second.ravel(), table=table)
