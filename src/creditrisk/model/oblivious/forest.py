"""Oblivious trees as arrays: comparisons and leaf values."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from creditrisk.errors import ModelError

MAX_DEPTH = 8
"""A leaf number fits one byte: eight comparisons packed into bits."""


@dataclass(frozen=True)
class Forest:
    """Trees padded to one depth; a level that a shallower tree has not asks for more than infinity.

    Bit k of a row's leaf number is ``x[slot[tree, k]] > threshold[tree, k]``. A slot is a number's place in the row,
    or one of the statistics that a category becomes. A missing number is NaN, which is above nothing.
    """

    slot: NDArray[np.int64]
    """Shape (trees, depth)."""
    threshold: NDArray[np.float64]
    """Shape (trees, depth)."""
    values: NDArray[np.float64]
    """Log-odds of each leaf, shape (trees, 2**depth)."""
    weights: NDArray[np.float64]
    """Training weight in each leaf, shape (trees, 2**depth)."""
    bias: float

    @property
    def trees(self) -> int:
        """How many trees."""
        return int(self.slot.shape[0])

    @property
    def depth(self) -> int:
        """Levels of the deepest tree."""
        return int(self.slot.shape[1])

    def mean_margin(self) -> float:
        """Mean margin of the training rows, each tree's values averaged by the weight in its leaves."""
        means = (self.values * self.weights).sum(axis=1) / self.weights.sum(axis=1)
        return float(np.add.accumulate(means)[-1]) + self.bias

    def level_slots(self) -> NDArray[np.int64]:
        """Slot of each level, -1 for a level that is not there, shape (trees, depth)."""
        return np.where(np.isposinf(self.threshold), -1, self.slot)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What is stored, by name."""
        return {item.name: np.asarray(getattr(self, item.name)) for item in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]], slots: int, where: str) -> Forest:
        """Check stored arrays and put them together.

        Args:
            arrays: what ``arrays`` gave.
            slots: how many slots a row has.
            where: the file, for messages.

        Raises:
            ModelError: an array is absent or has another shape, type or range than trees have.
        """
        found = {item.name: _stored(arrays, item.name, where) for item in fields(cls)}
        slot, threshold, values, weights, bias = found.values()
        _expect(slot.ndim == 2 and slot.dtype == np.int64 and slot.shape[0] >= 1, where, "slot")
        _expect(1 <= slot.shape[1] <= MAX_DEPTH and slot.min() >= 0 and slot.max() < slots, where, "slot")
        _expect(threshold.shape == slot.shape and threshold.dtype == np.float64, where, "threshold")
        _expect(not bool(np.isnan(threshold).any()), where, "threshold")
        for name, leaf in (("values", values), ("weights", weights)):
            _expect(leaf.shape == (slot.shape[0], 1 << slot.shape[1]) and leaf.dtype == np.float64, where, name)
            _expect(bool(np.isfinite(leaf).all()), where, name)
        _expect(bool((weights >= 0).all()) and bool((weights.sum(axis=1) > 0).all()), where, "weights")
        _expect(bias.shape == () and bias.dtype == np.float64 and bool(np.isfinite(bias)), where, "bias")
        return cls(slot, threshold, values, weights, float(bias))


def _stored(arrays: dict[str, NDArray[Any]], name: str, where: str) -> NDArray[Any]:
    if name not in arrays:
        raise ModelError(f"{where}: the array {name!r} is missing; the file is not a model of trees. Train again.")
    return arrays[name]


def _expect(holds: bool, where: str, name: str) -> None:
    if not holds:
        raise ModelError(f"{where}: the array {name!r} is not what trees have; the file was changed. Train again.")


def as_float64_threshold(border: float) -> float:
    """The float64 t for which ``x > t`` says what ``float32(x) > float32(border)`` says, for every float64 x.

    CatBoost compares in float32. Rounding is monotone, so one comparison in float64 does the same without a cast:
    with the midpoint between the border and the next float32 above, which itself rounds to the even one of the two.
    """
    low = np.float32(border)
    if not np.isfinite(low):
        raise ModelError(f"a border of {border!r} cannot be served; expected a finite number.")
    upper = 2.0**128 if low == np.finfo(np.float32).max else float(np.nextafter(low, np.float32(np.inf)))
    middle = (float(low) + upper) / 2
    goes_up = low == np.finfo(np.float32).max or np.float32(middle) > low
    return float(np.nextafter(middle, -np.inf)) if goes_up else middle
