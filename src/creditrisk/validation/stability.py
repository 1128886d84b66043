"""Whether a population is still the one a model was made on: the population stability index on frozen bins.

Bins are fixed on the training rows and kept in the bundle: bins that move with the data hide the drift they are
to show. An entry has the form that the bundle's ``reference.json`` has, and new values are counted by the same
function (``creditrisk.model.reference.shares``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from creditrisk.errors import DataError
from creditrisk.model.reference import shares

FLOOR = 1e-4
"""A share below this counts as this much, since the index has no value for an empty bin."""
WATCH, ACT = 0.1, 0.25
"""The usual reading: below 0.1 stable, to 0.25 to be watched, above it changed."""


def psi(expected: Sequence[float] | NDArray[np.float64], actual: Sequence[float] | NDArray[np.float64]) -> float:
    """Population stability index: sum of (actual - expected) ln(actual / expected) over the bins.

    Raises:
        DataError: the two have different numbers of bins.
    """
    old, new = np.asarray(expected, dtype=np.float64), np.asarray(actual, dtype=np.float64)
    if old.shape != new.shape:
        raise DataError(f"PSI: {old.size} expected shares and {new.size} actual ones; they must be of the same bins.")
    old, new = np.maximum(old, FLOOR), np.maximum(new, FLOOR)
    return float(((new - old) * np.log(new / old)).sum())


def psi_of(entry: Mapping[str, Any], values: pl.Series) -> float:
    """PSI of new values against a frozen entry."""
    return psi(entry["shares"], shares(values, entry))


def reading(value: float) -> Literal["stable", "watch", "changed"]:
    """What a PSI is usually taken to mean."""
    if value < WATCH:
        return "stable"
    return "watch" if value < ACT else "changed"
