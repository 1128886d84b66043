"""The reference: frozen bins of every input and of the PD on the training rows, for drift and for reasons.

Bins that move with the data hide the drift they are to show, so they are fixed here and travel in the bundle.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from creditrisk.model.evidence import category_codes, frequent_values, value_counts
from creditrisk.model.family import TrainingData

BINS = 10
MAX_VALUES = 50
PD_BINS = 20


def make_reference(data: TrainingData, pd: NDArray[np.float64], min_rows: int) -> dict[str, Any]:
    """Describe the training rows.

    Args:
        data: the training rows.
        pd: their calibrated probability of default, shape (n,).
        min_rows: a category's value seen in fewer rows, or of fewer customers where one may have several, is counted
            with the rest, too rare to be anonymous.
    """
    return {
        "rows": data.table.height,
        "bad_rate": float(np.average(data.y, weights=data.weight)),
        "pd": _describe(pl.Series(pd), PD_BINS, min_rows),
        "inputs": {item.name: _describe(data.table[item.name], BINS, min_rows, data.group) for item in data.inputs},
    }


def frozen_bins(
    values: pl.Series,
    bins: int = BINS,
    max_values: int = MAX_VALUES,
    min_rows: int = 1,
    group: NDArray[np.int64] | None = None,
) -> dict[str, Any]:
    """Fix bins on training values.

    Args:
        values: numbers (edges at their quantiles; ties may leave fewer bins) or texts (one bin each).
        bins: of numbers.
        max_values: of texts, the most frequent; the rest is one more bin.
        min_rows: a text seen less often is counted with the rest.
        group: the customer of each row, shape (n,), where one may have several: then a text must be of so many.

    Returns:
        JSON-able: ``kind``, ``edges`` or ``values``, and ``shares`` with the missing ones last.
    """
    given = values.drop_nulls()
    if values.dtype.is_numeric():
        wanted = np.linspace(0, 1, bins + 1)[1:-1]
        found = given.to_numpy()
        edges = np.unique(np.quantile(found, wanted, method="inverted_cdf")) if found.size else np.array([])
        entry: dict[str, Any] = {"kind": "number", "edges": edges.tolist()}
    else:
        rows, frequent = value_counts(values), frequent_values(values, min_rows, group)
        most = sorted(frequent, key=lambda value: (-rows[value], value))[:max_values]
        entry = {"kind": "category", "values": sorted(most)}
    return entry | {"shares": shares(values, entry).tolist()}


def shares(values: pl.Series, entry: Mapping[str, Any]) -> NDArray[np.float64]:
    """Share of each frozen bin in new values, the missing one last: what PSI compares with ``entry['shares']``."""
    if entry["kind"] == "category":
        known = entry["values"]
        return np.bincount(category_codes(values, known), minlength=len(known) + 2) / max(values.len(), 1)
    given = values.drop_nulls().to_numpy()
    counts = np.bincount(np.searchsorted(entry["edges"], given, side="left"), minlength=len(entry["edges"]) + 1)
    return np.append(counts, values.null_count()) / max(values.len(), 1)


def _describe(values: pl.Series, bins: int, min_rows: int, group: NDArray[np.int64] | None = None) -> dict[str, Any]:
    entry = frozen_bins(values, bins, MAX_VALUES, min_rows, group)
    if entry["kind"] == "number":
        median = values.median()
        entry["median"] = float(median) if isinstance(median, float) else None
    return entry | {"missing": values.null_count() / max(values.len(), 1)}
