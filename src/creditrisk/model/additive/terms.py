"""Parts of an additive model: how an input falls into bins, what each bin adds, and what two inputs add together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from creditrisk.model.evidence import category_code, category_codes
from creditrisk.model.grid import Grid

if TYPE_CHECKING:
    import polars as pl

SHOWN = 8
"""Values of a category that a label names."""

Floats = NDArray[np.float64]
Indexes = NDArray[np.int64]


@dataclass(frozen=True)
class Bins:
    """Bins of one input; the last one is for missing.

    A number x falls into bin ``bisect_right([*cuts, inf], x)``, so that NaN and infinity count as missing; a category
    into the place of its value, or into the one after these where the value is rare or was never seen.
    """

    kind: str
    cuts: Floats
    values: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        """How many bins there are."""
        return 2 + (self.cuts.size if self.kind == "number" else len(self.values))

    def find(self, column: pl.Series) -> Indexes:
        """Bin of each value of a column, shape (n,)."""
        if self.kind == "category":
            return category_codes(column, self.values)
        return self._grid.find(column.to_numpy())

    @cached_property
    def _grid(self) -> Grid:
        return Grid(self.cuts)

    def label(self, places: Indexes) -> str:
        """What a run of bins is called in a report."""
        if not places.size:
            return ""
        if self.kind == "number":
            return self._span(int(places[0]), int(places[-1]))
        names = [*self.values, "any other", "missing"]
        shown = ", ".join(names[place] for place in places[:SHOWN])
        return shown if places.size <= SHOWN else f"{shown} and {places.size - SHOWN:,} more"

    def _span(self, first: int, last: int) -> str:
        cuts = self.cuts.tolist()
        if first > len(cuts):
            return "missing"
        if first == 0:
            return f"under {cuts[last]:,.6g}" if last < len(cuts) else "any"
        return (
            f"{cuts[first - 1]:,.6g} to under {cuts[last]:,.6g}"
            if last < len(cuts)
            else f"{cuts[first - 1]:,.6g} or more"
        )

    def row_cuts(self) -> list[float]:
        """Cuts for one number, or for the place of one category; infinity stands for missing."""
        return [*(self.cuts.tolist() if self.kind == "number" else map(float, range(1, self.count - 1))), math.inf]

    def row_places(self) -> Places:
        """Place of one category; infinity where missing."""
        return Places(self.values)


class Places(dict[str | None, float]):
    """Place of each value; one that is not there gets the place after the last."""

    def __init__(self, values: Sequence[str]) -> None:
        super().__init__({value: float(place) for place, value in enumerate(values)})
        self[None] = math.inf
        self.unseen = float(len(values))

    def __missing__(self, key: str | None) -> float:
        return self.unseen


@dataclass(frozen=True)
class Pair:
    """What two inputs add together: ``table[first_index[bin of first], second_index[bin of second]]``."""

    first: int
    second: int
    first_index: Indexes
    second_index: Indexes
    table: Floats

    def index(self, bins: Sequence[Indexes]) -> Indexes:
        """Place in the flat table for each row, given the bins of all inputs."""
        place: Indexes = self.row_starts[bins[self.first]] + self.second_index[bins[self.second]]
        return place

    @cached_property
    def row_starts(self) -> Indexes:
        """Where in the flat table the row for each bin of the first input starts."""
        starts: Indexes = self.first_index * self.table.shape[1]
        return starts

    @cached_property
    def halves(self) -> Floats:
        """The flat table halved: the part of each of the two inputs."""
        return self.table.ravel() * 0.5


@dataclass(frozen=True)
class Terms:
    """All parts of an additive model: for each input its bins and what each adds, and the pairs."""

    bins: tuple[Bins, ...]
    effects: tuple[Floats, ...]
    pairs: tuple[Pair, ...] = ()

    def find(self, table: pl.DataFrame, names: Sequence[str]) -> list[Indexes]:
        """Bin of each value of each input, shapes (n,); categories are looked up together, at a quarter of the cost."""
        import polars as pl

        both = list(zip(names, self.bins, strict=True))
        codes = table.select(
            category_code(pl.col(n), bins.values).alias(n) for n, bins in both if bins.kind == "category"
        )
        return [(codes[n].to_numpy() if bins.kind == "category" else bins.find(table[n])) for n, bins in both]

    def centred(self, table: pl.DataFrame, weight: Floats) -> tuple[Terms, float]:
        """Take each part's weighted mean over the rows of ``table`` out; the sum of what was taken out comes second."""
        found = self.find(table, table.columns)
        total, moved = float(weight.sum()), 0.0
        effects, pairs = [], []
        for rows, effect in zip(found, self.effects, strict=True):
            mean = float(np.bincount(rows, weights=weight, minlength=effect.size) @ effect) / total
            effects.append(effect - mean)
            moved += mean
        for pair in self.pairs:
            mass = np.bincount(pair.index(found), weights=weight, minlength=pair.table.size)
            mean = float(mass @ pair.table.ravel()) / total
            pairs.append(replace(pair, table=pair.table - mean))
            moved += mean
        return Terms(self.bins, tuple(effects), tuple(pairs)), moved

    def pruned(self) -> Terms:
        """The same function with fewer bins: neighbours that nothing tells apart become one."""
        bins, effects, keeps = [], [], []
        for index, (old, effect) in enumerate(zip(self.bins, self.effects, strict=True)):
            keep = np.ones(effect.size, dtype=bool)
            if old.kind == "number":
                rows = [effect, *(p.first_index for p in self.pairs if p.first == index)]
                rows += [p.second_index for p in self.pairs if p.second == index]
                inner = old.cuts.size + 1
                keep[1:inner] = np.logical_or.reduce([row[1:inner] != row[: inner - 1] for row in rows])
                old = replace(old, cuts=old.cuts[keep[1:inner]])
            bins.append(old)
            effects.append(effect[keep])
            keeps.append(keep)
        pairs = tuple(
            replace(p, first_index=p.first_index[keeps[p.first]], second_index=p.second_index[keeps[p.second]])
            for p in map(_compact, self.pairs)
        )
        return Terms(tuple(bins), tuple(effects), pairs)


def _compact(pair: Pair) -> Pair:
    """Leave out rows and columns of a pair's table that no bin leads to."""
    rows, first = np.unique(pair.first_index, return_inverse=True)
    columns, second = np.unique(pair.second_index, return_inverse=True)
    return replace(pair, first_index=first, second_index=second, table=pair.table[np.ix_(rows, columns)])
