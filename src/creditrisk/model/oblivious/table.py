"""A table of rows through oblivious trees: few NumPy calls, each over many trees and many rows.

Python takes turns between threads at each call, so a call that takes long lets another thread work. Every comparison is
made once, however many trees ask for it; then what one input gets from all its trees is looked up and added up
together, tree by tree, so that the sums are those of a row alone to the last bit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from creditrisk.model.oblivious.forest import Forest

Floats = NDArray[np.float64]
Bytes = NDArray[np.uint8]

BLOCK_TREES = 64
"""Trees whose values are looked up in one call."""
MOST_ROWS, FEWEST_ROWS = 2_048, 256
"""Rows of one call: so many that its price counts for little, so few that one step finds in the processor's second
cache what the step before left there."""
ROOM_BYTES = 8 << 20
"""Working room of a thread; large trees get fewer rows at a time."""


class _Comparisons(NamedTuple):
    """Of one slot with its thresholds, shape (k, 1); ``places`` are the rows of ``_Room.outcomes`` that hold them."""

    slot: int
    places: slice
    thresholds: Floats


class Block(NamedTuple):
    """Some of the trees that add to one sum."""

    place: int
    """Whose sum: an input's; -1 for the margin's, which stands last."""
    trees: NDArray[np.intp]
    table: Floats
    """Their values, leaf by leaf, tree behind tree."""
    starts: NDArray[np.intp]
    """Where each tree's values begin, shape (trees, 1)."""


def parts_of_inputs(inputs: int, players: NDArray[np.int64], shap: Floats) -> list[Block]:
    """What trees add to each input, made ready for ``TreesOfTable.explain``.

    Args:
        inputs: how many the model has.
        players: inputs of each tree, shape (trees, players), -1 where there are fewer.
        shap: their SHAP values, shape (trees, leaves, players).
    """
    found: list[Block] = []
    for place in range(inputs):
        trees, player = np.nonzero(players == place)
        found += _blocks(place, trees, shap[trees, :, player])
    return found


class TreesOfTable:
    """Trees made ready for tables.

    Args:
        forest: the trees.
    """

    def __init__(self, forest: Forest) -> None:
        self._comparisons, self._levels, self._outcomes = _distinct(forest)
        self._margin = list(_blocks(-1, np.arange(forest.trees), forest.values))
        self._row_bytes = _Room.row_bytes(self._outcomes, forest.trees)
        self._rows = min(MOST_ROWS, max(FEWEST_ROWS, ROOM_BYTES // self._row_bytes))

    def margin(self, x: Floats) -> Floats:
        """Sum of the trees' values of each row of ``x``, shape (slots, n), without the bias; shape (n,)."""
        total: Floats = self._added(x, self._margin, 1)[0]
        return total

    def explain(self, x: Floats, parts: Sequence[Block], inputs: int) -> tuple[Floats, Floats]:
        """The same, and what each input adds, shape (inputs, n), by ``parts_of_inputs``."""
        sums = self._added(x, [*self._margin, *parts], inputs + 1)
        return sums[-1], sums[:-1]

    def _added(self, x: Floats, blocks: Sequence[Block], count: int) -> Floats:
        n = x.shape[1]
        if n == 1:  # along one column NumPy would add in another order
            return self._added(np.repeat(x, 2, axis=1), blocks, count)[:, :1]
        sums = np.zeros((count, n))
        with np.errstate():  # puts the size of NumPy's buffer back
            for rows, room in self._pieces(n):
                self._fill_leaves(x[:, rows], room)
                for block in blocks:
                    _add(block, room, sums[block.place, rows])
        return sums

    def _pieces(self, n: int) -> Iterator[tuple[slice, _Room]]:
        """Slices of n rows, as good as equal and none a row alone, with the room for each."""
        count = -(-n // self._rows)
        memory = np.empty(self._row_bytes * -(-n // max(count, 1)) + _Room.GAPS, dtype=np.uint8)
        for piece in range(count):
            start, end = piece * n // count, (piece + 1) * n // count
            # Were two rows to fit in the buffer, NumPy would copy each operand that it stretches, such as a threshold,
            # in full, at several times the price.
            np.setbufsize(max(16, (end - start) // 16 * 16))
            yield slice(start, end), _Room(memory, self._outcomes, self._levels.shape[1], end - start)

    def _fill_leaves(self, x: Floats, room: _Room) -> None:
        """Leaf number of each row in each tree."""
        for slot, places, thresholds in self._comparisons:
            np.greater(x[slot], thresholds, out=room.outcomes[places])
        room.outcomes[-1] = False
        outcomes, leaves, bits = room.outcomes.view(np.uint8), room.leaves, room.bits
        outcomes.take(self._levels[-1], axis=0, out=leaves, mode="clip")
        for level in self._levels[-2::-1]:
            np.add(leaves, leaves, out=leaves)  # a shift, at a quarter of what NumPy takes for its own
            outcomes.take(level, axis=0, out=bits, mode="clip")
            np.bitwise_or(leaves, bits, out=leaves)


class _Room:
    """Working room for some rows, one array behind the other in the same memory."""

    GAPS: ClassVar[int] = 6 * 64

    def __init__(self, memory: Bytes, outcomes: int, trees: int, rows: int) -> None:
        self._memory, self._rows, self._used = memory, rows, 0
        self.outcomes: NDArray[np.bool_] = self._array(outcomes, np.bool_)
        self.leaves: Bytes = self._array(trees, np.uint8)
        self.bits: Bytes = self._array(trees, np.uint8)
        self.short: Bytes = self._array(BLOCK_TREES, np.uint8)
        self.index: NDArray[np.intp] = self._array(BLOCK_TREES, np.intp)
        self.found: Floats = self._array(BLOCK_TREES + 1, np.float64)

    @staticmethod
    def row_bytes(outcomes: int, trees: int) -> int:
        """Bytes that one row takes."""
        return outcomes + 2 * trees + BLOCK_TREES + np.intp(0).nbytes * BLOCK_TREES + 8 * (BLOCK_TREES + 1)

    def _array(self, count: int, kind: type[np.generic]) -> NDArray[Any]:
        size = count * self._rows * np.dtype(kind).itemsize
        part = self._memory[self._used : self._used + size].view(kind).reshape(count, self._rows)
        self._used += -(-size // 64) * 64  # the processor's cache lines
        return part


def _add(block: Block, room: _Room, total: Floats) -> None:
    """Add the block's values of each row to the total, shape (n,), in the order of the trees."""
    count = block.trees.size
    short, index, found = room.short[:count], room.index[:count], room.found[: count + 1]
    room.leaves.take(block.trees, axis=0, out=short, mode="clip")
    index[:] = short
    index += block.starts
    found[0] = total
    block.table.take(index, out=found[1:], mode="clip")
    np.add.reduce(found, axis=0, out=total)  # down the columns, where NumPy adds in order


def _blocks(place: int, trees: NDArray[np.intp], values: Floats) -> Iterator[Block]:
    """The trees that add to one sum, with their values, shape (trees, leaves)."""
    for start in range(0, trees.size, BLOCK_TREES):
        table = values[start : start + BLOCK_TREES]
        starts = np.arange(len(table), dtype=np.intp)[:, None] * table.shape[1]
        yield Block(place, trees[start : start + BLOCK_TREES], np.ascontiguousarray(table).ravel(), starts)


def _distinct(forest: Forest) -> tuple[list[_Comparisons], NDArray[np.intp], int]:
    """Each comparison that trees ask for, once; which one each level of each tree asks for; and how many there are.

    The last outcome is of no comparison and never true, for the levels that a tree has not.
    """
    there = forest.threshold != np.inf
    asked = np.full(forest.slot.shape, -1, dtype=np.intp)
    comparisons: list[_Comparisons] = []
    count = 0
    for slot in np.unique(forest.slot[there]).tolist():
        mine = there & (forest.slot == slot)
        thresholds, which = np.unique(forest.threshold[mine], return_inverse=True)
        asked[mine] = count + which
        comparisons.append(_Comparisons(slot, slice(count, count + thresholds.size), thresholds[:, None]))
        count += thresholds.size
    asked[~there] = count
    return comparisons, np.ascontiguousarray(asked.T), count + 1
