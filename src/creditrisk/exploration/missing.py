"""What is missing: where, when, and whether its being missing says something of risk."""

from __future__ import annotations

import polars as pl

from creditrisk.contract import APPLICATION_DATE, TARGET
from creditrisk.exploration.rates import bad_rates


def missing_by_period(table: pl.DataFrame, columns: list[str], every: str = "1q") -> pl.DataFrame:
    """Share missing of each column in each period of application.

    Args:
        table: with ``application_date`` and the columns.
        columns: clean names.
        every: the period, in Polars' letters.

    Returns:
        ``period``, the first day, in order, its ``rows``, then one column of shares (0 to 1) for each of ``columns``.
    """
    period = pl.col(APPLICATION_DATE).dt.truncate(every).alias("period")
    shares = [pl.col(name).is_null().mean().alias(name) for name in columns]
    return table.group_by(period).agg(pl.len().alias("rows"), *shares).sort("period")


def missing_and_risk(table: pl.DataFrame, columns: list[str]) -> pl.DataFrame:
    """Bad rates with and without a value, for columns that have both.

    Returns:
        ``column, missing`` (share), ``rate_missing, low, high`` (Wilson, 95 %), ``rate_given, given_low, given_high``,
        the most often missing column first.
    """
    y = table[TARGET].to_numpy()
    lines = []
    for name in columns:
        gap = table[name].is_null()
        if not gap.any() or gap.all():
            continue
        rates = bad_rates(gap.cast(pl.String), y, ["true", "false"])
        without, given = rates.row(0, named=True), rates.row(1, named=True)
        lines.append(
            {
                "column": name,
                "missing": without["rows"] / table.height,
                "rate_missing": without["bad_rate"],
                "low": without["low"],
                "high": without["high"],
                "rate_given": given["bad_rate"],
                "given_low": given["low"],
                "given_high": given["high"],
            }
        )
    names = ("missing", "rate_missing", "low", "high", "rate_given", "given_low", "given_high")
    schema = {"column": pl.String(), **dict.fromkeys(names, pl.Float64())}
    return pl.DataFrame(lines, schema=schema).sort("missing", "column", descending=[True, False])
