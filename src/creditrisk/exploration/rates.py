"""Bad rates by group with their uncertainty: by characteristic, by vintage."""

from __future__ import annotations

import numpy as np
import polars as pl

from creditrisk.contract import APPLICATION_DATE, TARGET
from creditrisk.model.additive.terms import Bins
from creditrisk.model.evidence import Floats
from creditrisk.validation.intervals import wilson

MISSING, OTHERS = "missing", "any other"
SCHEMA = pl.Schema(
    {
        "group": pl.String(),
        "rows": pl.Int64(),
        "bads": pl.Int64(),
        "bad_rate": pl.Float64(),
        "low": pl.Float64(),
        "high": pl.Float64(),
    }
)
"""Columns of a table of bad rates; ``low`` and ``high`` are Wilson's 95 % interval."""


def bad_rates(groups: pl.Series, y: Floats, order: list[str] | None = None) -> pl.DataFrame:
    """Bad rate of each group.

    Args:
        groups: a text for each row, null where missing, shape (n,).
        y: 1.0 bad, 0.0 good, shape (n,).
        order: of the groups; where absent by their name. Groups without rows are left out, missing comes last.

    Returns:
        ``SCHEMA``, one line for each group.
    """
    counted = pl.DataFrame({"group": groups.cast(pl.String).fill_null(MISSING), "y": y}).group_by("group")
    found = {name: (rows, int(bads)) for name, rows, bads in counted.agg(pl.len(), pl.col("y").sum()).iter_rows()}
    names = [*(order if order is not None else sorted(found.keys() - {MISSING})), MISSING]
    names = [name for name in dict.fromkeys(names) if name in found]
    return rates_of(names, [found[name][0] for name in names], [found[name][1] for name in names])


def rates_of(names: list[str], rows: list[int], bads: list[int]) -> pl.DataFrame:
    """Intervals for counted groups; each needs a row."""
    limits = [wilson(bad / count, count) for bad, count in zip(bads, rows, strict=True)]
    return pl.DataFrame(
        {
            "group": names,
            "rows": rows,
            "bads": bads,
            "bad_rate": [bad / count for bad, count in zip(bads, rows, strict=True)],
            "low": [low for low, _ in limits],
            "high": [high for _, high in limits],
        },
        schema=SCHEMA,
    )


def banded(values: pl.Series, bands: int = 8) -> tuple[pl.Series, list[str]]:
    """Texts to group rows by, and their order.

    Args:
        values: numbers or Booleans (bands of about as many rows each, few different values as they are) or texts (the
            most frequent ones, the rest together).
        bands: how many at most, missing left out.
    """
    if values.dtype == pl.String:
        return _frequent(values, bands)
    number = values.cast(pl.Float64)
    given = number.drop_nulls()
    if given.n_unique() <= bands:
        order = list(dict.fromkeys(_said(value) for value in given.unique().sort()))
        return pl.Series([None if value is None else _said(value) for value in number], dtype=pl.String), order
    inner = np.linspace(0, 1, bands + 1)[1:-1]
    cuts = np.unique(np.quantile(given.to_numpy(), inner, method="inverted_cdf"))
    cuts = cuts[cuts > float(given.min())]  # type: ignore[arg-type]
    bins = Bins("number", cuts)
    labels = [bins.label(np.array([place])) for place in range(bins.count)]
    return pl.Series([labels[place] for place in bins.find(number)], dtype=pl.String), labels[:-1]


def _said(value: float) -> str:
    return f"{value + 0.0:,.6g}"  # a negative zero is a zero


def _frequent(values: pl.Series, bands: int) -> tuple[pl.Series, list[str]]:
    counts = pl.DataFrame({"value": values.drop_nulls()}).group_by("value").len()
    order = counts.sort("len", "value", descending=[True, False])["value"].to_list()
    if len(order) <= bands:
        return values, order
    kept = order[: bands - 1]
    table = pl.DataFrame({"value": values})
    text = pl.when(pl.col("value").is_in(kept)).then("value").when(pl.col("value").is_not_null()).then(pl.lit(OTHERS))
    return table.select(text.alias("value"))["value"], [*kept, OTHERS]


def vintages(table: pl.DataFrame, every: str = "1mo") -> pl.DataFrame:
    """Bad rate of the loans of each period of application, in order.

    Args:
        table: with ``application_date`` and ``_target``; leave rows out whose outcome is not final.
        every: the period, in Polars' letters: ``1mo``, ``1q``, ``1y``.

    Returns:
        ``SCHEMA`` with ``period``, the first day, in place of ``group``.
    """
    rows = table.select(period=pl.col(APPLICATION_DATE).dt.truncate(every), y=pl.col(TARGET))
    found = rows.group_by("period").agg(pl.len(), pl.col("y").sum().cast(pl.Int64)).sort("period")
    rates = rates_of([str(day) for day in found["period"]], found["len"].to_list(), found["y"].to_list())
    return rates.with_columns(found["period"]).select("period", *SCHEMA.names()[1:])
