"""The reference: frozen bins of every input and of the score on the training rows, for drift and for reasons."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from creditrisk.contract import Input
from creditrisk.model.family import TrainingData

BINS = 10
MAX_VALUES = 50
SCORE_BINS = 20


def make_reference(data: TrainingData, pd: NDArray[np.float64], min_rows: int) -> dict[str, Any]:
    """Describe the training rows.

    Args:
        data: the training rows.
        pd: their calibrated probability of default, shape (n,).
        min_rows: a category's value seen in fewer rows is counted under others, too rare to be anonymous.
    """
    return {
        "rows": data.table.height,
        "bad_rate": float(np.average(data.y, weights=data.weight)),
        "pd": _number(pl.Series(pd), SCORE_BINS),
        "inputs": {item.name: _describe(data.table[item.name], item, min_rows) for item in data.inputs},
    }


def shares(values: pl.Series, entry: dict[str, Any]) -> NDArray[np.float64]:
    """Share of each frozen bin in new values, the missing one last: what PSI compares with ``entry['shares']``."""
    if entry["kind"] == "category":
        known = pl.Series(entry["values"], dtype=pl.String)
        codes = values.cast(pl.Enum(known), strict=False).to_physical().cast(pl.Int64)
        codes = codes.fill_null(known.len()).to_numpy().copy()
        codes[values.is_null().to_numpy()] = known.len() + 1
        return np.bincount(codes, minlength=known.len() + 2) / max(values.len(), 1)
    given = values.drop_nulls().to_numpy()
    counts = np.bincount(np.searchsorted(entry["edges"], given, side="left"), minlength=len(entry["edges"]) + 1)
    return np.append(counts, values.null_count()) / max(values.len(), 1)


def _describe(values: pl.Series, item: Input, min_rows: int) -> dict[str, Any]:
    if item.kind == "number":
        return _number(values, BINS)
    counts = values.drop_nulls().value_counts(sort=True, name="_count")
    frequent = counts.filter(pl.col("_count") >= min_rows).head(MAX_VALUES)
    names = sorted(frequent.get_column(values.name).to_list())
    entry: dict[str, Any] = {"kind": "category", "values": names}
    return entry | {"shares": shares(values, entry).tolist(), "missing": values.null_count() / max(values.len(), 1)}


def _number(values: pl.Series, bins: int) -> dict[str, Any]:
    given = values.drop_nulls().to_numpy()
    quantiles = np.quantile(given, np.linspace(0, 1, bins + 1)[1:-1], method="inverted_cdf") if given.size else []
    entry: dict[str, Any] = {"kind": "number", "edges": np.unique(quantiles).tolist()}
    return entry | {
        "shares": shares(values, entry).tolist(),
        "median": float(np.median(given)) if given.size else None,
        "missing": values.null_count() / max(values.len(), 1),
    }
