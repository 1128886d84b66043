"""Many numbers among sorted cuts: a table of equal cells says where to begin, one or two comparisons settle the rest.

The cell of a number rises with the number, rounding included. So a cut in an earlier cell lies below it and a cut in a
later one above it, and only those in its own cell need comparing: exactly what a binary search finds, in a sixth of
its time. Long tails, as ratios have them, would leave most cuts in a few cells; they are drawn in first.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indexes = NDArray[np.int64]

FEWEST_CUTS = 8
CELLS_PER_CUT, MOST_CELLS = 8, 4_096
BLOCK = 16_384
"""Numbers looked up together: what is worked out on the way stays in the processor's second cache."""
MOST_STEPS, FEW_STEPS = 3, 2
"""Cuts that may share a cell; where more do, a binary search is as good. Up to so few, tails are let be."""


class Grid:
    """Places among cuts.

    Args:
        cuts: rising, shape (k,), finite.
    """

    def __init__(self, cuts: Floats) -> None:
        self._count = cuts.size
        self._cuts = np.concatenate([cuts, [np.nan]])  # behind the last, where no number comes to lie
        self._cells = _best_cells(cuts) if cuts.size >= FEWEST_CUTS else None

    def find(self, values: Floats) -> Indexes:
        """How many cuts are at most each value, shape (n,); one more for infinity and what is no number."""
        places = np.empty(values.size, dtype=np.int64)
        for start in range(0, values.size, BLOCK):
            block = slice(start, start + BLOCK)
            places[block] = self._find(values[block])
        return places

    def _find(self, values: Floats) -> Indexes:
        places: Indexes
        if self._cells is not None:
            places = self._cells.starts.take(self._cells.of(values))
            for _ in range(self._cells.steps):
                places += values >= self._cuts.take(places)
        elif self._count < FEWEST_CUTS:
            places = np.zeros(values.size, dtype=np.int64)
            for cut in self._cuts[:-1].tolist():
                places += values >= cut
        else:
            places = np.searchsorted(self._cuts[:-1], values, side="right")
        places[np.logical_not(values < np.inf)] = self._count + 1
        return places


def _best_cells(cuts: Floats) -> _Cells | None:
    """The cells in which the fewest cuts meet; None where too many do in any."""
    plain = _Cells(cuts)
    found = [plain] if plain.steps <= FEW_STEPS else [plain, _DrawnIn(cuts)]
    best = min(found, key=lambda cells: cells.steps)
    return best if best.steps <= MOST_STEPS else None


class _Cells:
    """Equal cells from the first cut to the last, and one on either side.

    ``starts`` holds the number of cuts in the cells before each, ``steps`` the largest number of cuts in one.
    """

    def __init__(self, cuts: Floats) -> None:
        self._number = min(CELLS_PER_CUT * cuts.size, MOST_CELLS)
        with np.errstate(all="ignore"):
            first, last = self._scale(cuts[[0, -1]]).tolist()
            self._low, self._factor = first, float(self._number / np.float64(last - first))
        self.steps = cuts.size
        if 0.0 < self._factor < np.inf:
            shared = np.bincount(self.of(cuts), minlength=self._number + 2)
            self.starts: Indexes = np.concatenate([[0], np.cumsum(shared)[:-1]]).astype(np.int64)
            self.steps = int(shared.max())

    def of(self, values: Floats) -> NDArray[np.int32]:
        """Each value's cell, shape (n,)."""
        with np.errstate(all="ignore"):
            cells: Floats = self._scale(values) - self._low
            cells *= self._factor
        np.fmax(cells, 0.0, out=cells)  # what is no number goes to the first cell, to be settled later
        np.minimum(cells, self._number + 1.0, out=cells)
        return cells.astype(np.int32)

    def _scale(self, values: Floats) -> Floats:
        return values


class _DrawnIn(_Cells):
    """Cells that are equal where a number stands as 1 - s / (s + its distance from the middle), with its side's sign.

    Each step rises with the number or falls with it, as it does before rounding, so the whole rises.
    """

    def __init__(self, cuts: Floats) -> None:
        self._middle = float(cuts[cuts.size // 2])
        with np.errstate(all="ignore"):
            self._spread = float(np.median(np.abs(cuts - self._middle)))
        super().__init__(cuts)

    def _scale(self, values: Floats) -> Floats:
        away = values - self._middle
        found = np.abs(away)
        found += self._spread
        np.divide(self._spread, found, out=found)
        np.subtract(1.0, found, out=found)
        return np.copysign(found, away, out=found)
