"""How well one column alone tells the outcome: what tells it too well was most likely written down after it."""

from __future__ import annotations

import math

import numpy as np
import polars as pl

SUSPECT_AUC = 0.9
"""From this AUC of a single column on, it is taken for leakage: no honest characteristic comes near it."""
MIN_CLASS = 10
"""Sampled rows of each class below which nothing can be said."""
_BINS = 20
_PURE = 0.98


def auc(score: pl.Series, bad: pl.Series) -> float:
    """Area under the ROC curve; ties count half. Shapes (n,); ``bad`` is 1.0 or 0.0; both classes must be there."""
    positives = _total(bad)
    negatives = bad.len() - positives
    ranks = score.rank("average")
    return (_total(ranks * bad) - positives * (positives + 1) / 2) / (positives * negatives)


def _total(values: pl.Series) -> float:
    return float(values.cast(pl.Float64).sum())


def single_auc(values: pl.Series, bad: pl.Series) -> float | None:
    """AUC of one column, or null where there are too few rows of a class.

    Numbers are cut into twenty bins, missing ones are a bin of their own; each half of the rows is judged by the bad
    rates of the other half, so that a column of many values gains nothing by knowing the rows.
    """
    if min(_total(bad), bad.len() - _total(bad)) < MIN_CLASS:
        return None
    table = pl.DataFrame({"group": _groups(values), "bad": bad}).with_row_index("row")
    # Halves that alternate within each class hold as many of both.
    table = table.with_columns((pl.int_range(pl.len()).over("bad") % 2).alias("half"))
    prior = float(table["bad"].mean() or 0.0)  # type: ignore[arg-type]
    rates = table.group_by("half", "group").agg(((pl.col("bad").sum() + prior) / (pl.len() + 1)).alias("rate"))
    other = rates.with_columns((1 - pl.col("half")).alias("half"))
    judged = table.join(other, on=["half", "group"], how="left", nulls_equal=True).with_columns(
        pl.col("rate").fill_null(prior)
    )
    found = [
        auc(part["rate"], part["bad"]) for _, part in judged.group_by("half") if 0 < part["bad"].sum() < part.height
    ]
    if not found:
        return None
    return sum(found) / len(found)


def is_suspect(value: float | None, bads: float, goods: float) -> bool:
    """Whether an AUC is too good by more than chance (Hanley and McNeil 1982, its simplest bound)."""
    if value is None or value < SUSPECT_AUC:
        return False
    error = math.sqrt(max(value * (1 - value), 0.0) / min(bads, goods))
    return value - 2 * error > SUSPECT_AUC - 0.1


def gives_away(values: pl.Series, bad: pl.Series) -> str | None:
    """A value (or its absence) that nearly only bad rows have, and many of them: a payment after default, say."""
    bads = _total(bad)
    if min(bads, bad.len() - bads) < MIN_CLASS or bads / bad.len() > 0.5:
        return None
    table = pl.DataFrame({"group": _groups(values), "bad": bad})
    groups = table.group_by("group").agg(pl.len().alias("rows"), pl.col("bad").sum().alias("bads"))
    pure = groups.filter((pl.col("bads") >= _PURE * pl.col("rows")) & (pl.col("rows") >= 20))
    caught = float(pure["bads"].sum())
    if caught < 0.2 * bads:
        return None
    return f"{caught / bads:.0%} of the sampled bad rows have values of it that almost no good row has"


def _groups(values: pl.Series) -> pl.Series:
    """A group for each row, as text; null where missing."""
    if not values.dtype.is_numeric():
        return values.cast(pl.String).rename("group")
    number = values.cast(pl.Float64)
    if number.n_unique() <= _BINS * 2:
        return number.cast(pl.String).rename("group")
    edges = [edge for share in range(1, _BINS) if (edge := number.quantile(share / _BINS)) is not None]
    place = np.searchsorted(np.unique(edges), number.fill_null(0.0).to_numpy(), side="left")
    # Nothing at all is often a group of its own: no recovery, no arrears.
    group = pl.Series(place) * 2 + (number == 0).fill_null(False).cast(pl.Int64)
    return pl.select(pl.when(number.is_not_null()).then(group.cast(pl.String))).to_series().rename("group")
