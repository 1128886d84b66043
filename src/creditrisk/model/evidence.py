"""What values of a category are and what they say of risk: positions, frequencies, weights of evidence."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import polars as pl

Floats = NDArray[np.float64]

PRIOR_ROWS = 10.0
"""Rows of average risk added to each value's own, so that rare values stay near the mean."""


def category_codes(column: pl.Series, values: Sequence[str]) -> NDArray[np.int64]:
    """Position of each text in ``values``; ``len(values)`` where it is not among them, one more where null."""
    import polars as pl

    return column.to_frame("value").select(category_code(pl.col("value"), values)).to_series().to_numpy()


def category_code(
    column: pl.Expr, values: Sequence[str], other: int | None = None, missing: int | None = None
) -> pl.Expr:
    """The same of a column of a table, or with other numbers for a text not among the values and for null."""
    import polars as pl

    other = len(values) if other is None else other
    missing = len(values) + 1 if missing is None else missing
    code = column.cast(_listed(tuple(values)), strict=False).to_physical().cast(pl.Int64)
    return pl.when(column.is_null()).then(missing).otherwise(code.fill_null(other))


@lru_cache(maxsize=256)
def _listed(values: tuple[str, ...]) -> pl.Enum:
    import polars as pl

    return pl.Enum(values)


def frequent_values(column: pl.Series, min_rows: int, group: NDArray[np.int64] | None = None) -> tuple[str, ...]:
    """Values seen in at least ``min_rows`` rows, sorted; rarer ones are pooled.

    Where ``group`` gives the customer of each row, shape (n,), of so many customers: five loans of one tell no more of
    others than one does, and hide nobody.
    """
    counts = value_counts(column, group)
    return tuple(sorted(value for value, many in counts.items() if many >= min_rows))


def value_counts(column: pl.Series, group: NDArray[np.int64] | None = None) -> dict[str, int]:
    """How many rows, or customers where ``group`` gives them, each text of a column is of; nulls are not counted."""
    import polars as pl

    of = pl.int_range(column.len(), eager=True) if group is None else pl.Series(group)
    counts = (
        pl.DataFrame({"value": column, "of": of}).drop_nulls("value").group_by("value").agg(pl.col("of").n_unique())
    )
    return dict(counts.iter_rows())


def evidence(codes: NDArray[np.int64], y: Floats, weight: Floats, size: int) -> Floats:
    """Weight of evidence of each code, risk up: smoothed log of (odds of bad with it / odds of bad of all rows).

    Args:
        codes: of the rows, from 0 to ``size - 1``, shape (n,); y and weight likewise.
        size: how many codes there are.

    Returns:
        Shape (size,); 0 for a code without rows.
    """
    total = float(weight.sum())
    share = float(np.clip((weight @ y) / total if total else 0.5, 1e-6, 1 - 1e-6))
    bad = np.bincount(codes, weights=weight * y, minlength=size)
    good = np.bincount(codes, weights=weight * (1 - y), minlength=size)
    odds = (bad + PRIOR_ROWS * share) / (good + PRIOR_ROWS * (1 - share))
    found: Floats = np.where(bad + good > 0, np.log(odds / (share / (1 - share))), 0.0)
    return found
