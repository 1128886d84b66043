"""What depends on one text column alone, worked out once for each different text instead of once for each row.

Texts of a table of loans repeat: occupations, terms, months, even purposes in the applicant's own words. The engine
has no such plan of its own, so a batch's texts are numbered here, the expression is given each of them once, and the
results are handed back to the rows.
"""

from __future__ import annotations

import polars as pl

_LOOK, _MOST = 10_000, 5_000
"""Texts that are looked at first, and how many of them may differ: a column of identifiers is done row by row."""


def by_distinct(column: str, result: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """The same as ``result``, which streams.

    Args:
        column: a text column.
        result: an elementwise expression over that column and no other.
        dtype: what it gives.
    """

    def compute(texts: pl.Series) -> pl.Series:
        if texts.head(_LOOK).n_unique() > _MOST:
            return _apply(texts)
        categories = pl.Categories.random()
        numbered = texts.cast(pl.Categorical(categories))  # keeps the categories alive
        different = categories.to_series().append(pl.Series([None], dtype=pl.String)).rechunk()
        places = numbered.to_physical().fill_null(different.len() - 1)
        return _apply(different).gather(places)

    def _apply(texts: pl.Series) -> pl.Series:
        return texts.to_frame(column).with_columns(result.alias(column)).to_series()  # spreads what came out constant

    return pl.col(column).map_batches(compute, return_dtype=dtype, is_elementwise=True)
