"""The leakage hunt: how well each column of the raw table alone tells the outcome, unused columns included."""

from __future__ import annotations

import math
from collections.abc import Iterator

import polars as pl

from creditrisk.contract import Contract
from creditrisk.data.onboarding.leakage import gives_away, is_suspect, single_auc
from creditrisk.data.onboarding.naming import known_later
from creditrisk.data.onboarding.profile import stripped_number, text_of_column
from creditrisk.errors import DataError

NOT_DESCRIBED = "not described"
"""The role of a column that the contract does not name."""
SCHEMA = pl.Schema(
    {
        "column": pl.String(),
        "title": pl.String(),
        "role": pl.String(),
        "auc": pl.Float64(),
        "verdict": pl.String(),
        "note": pl.String(),
    }
)


def hunt(raw: pl.DataFrame, bad: pl.Series, contract: Contract) -> pl.DataFrame:
    """Judge every column of a raw table but the target.

    Args:
        raw: rows with a known outcome, under raw names, shape (n, columns).
        bad: 1.0 bad, 0.0 good, shape (n,).
        contract: for titles, roles and notes; columns that it does not name are judged too.

    Returns:
        ``SCHEMA``, the highest AUC first: ``auc`` of the column alone, cross-fitted, and ``verdict``, which is empty
        unless the column tells too much, or more than all features, or its name speaks of the time after the loan.

    Raises:
        DataError: ``bad`` has another number of rows.
    """
    if raw.height != bad.len():
        raise DataError(f"leakage hunt: {raw.height:,} rows and {bad.len():,} outcomes; give one for each row.")
    names = [name for name in raw.columns if name != contract.target.column and not name.startswith("_")]
    columns = {name: contract.columns.get(name) for name in names}
    roles = {name: column.role if column else NOT_DESCRIBED for name, column in columns.items()}
    values = {name: _values(raw, name) for name in names}
    aucs = {name: single_auc(values[name], bad) for name in names}
    best = max((aucs[name] or 0.0 for name in names if roles[name] == "feature"), default=1.0)
    lines = [
        {
            "column": name,
            "title": column.title if column else "",
            "role": roles[name],
            "auc": aucs[name],
            "verdict": "; ".join(_suspicions(name, values[name], bad, aucs[name], best, roles[name] == "feature")),
            "note": column.note if column else "",
        }
        for name, column in columns.items()
    ]
    return pl.DataFrame(lines, schema=SCHEMA).sort("auc", "column", descending=[True, False], nulls_last=True)


def _suspicions(
    name: str, values: pl.Series, bad: pl.Series, auc: float | None, best: float, feature: bool
) -> Iterator[str]:
    bads = float(bad.sum())
    goods = bad.len() - bads
    if is_suspect(auc, bads, goods):
        yield "tells the outcome alone"
    elif said := gives_away(values, bad):
        yield said.replace("sampled ", "")
    elif not feature and auc is not None and auc - 2 * math.sqrt(auc * (1 - auc) / min(bads, goods)) > best:
        yield f"stronger than every feature ({best:.3f} at most)"
    if later := known_later(name):
        yield f"by its name: {later}"


def _values(raw: pl.DataFrame, name: str) -> pl.Series:
    """Numbers where nearly all values are such, else texts; null where missing."""
    dtype = raw.schema[name]
    if dtype.is_numeric():
        return raw[name].cast(pl.Float64).fill_nan(None)
    text = raw.select(text_of_column(name, dtype).alias(name))
    number = text.select(stripped_number(pl.col(name)).alias(name))[name]
    return number if number.count() >= 0.99 * text[name].count() > 0 else text[name]
