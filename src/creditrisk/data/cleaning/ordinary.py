"""Most cells of a table need no rule: a number in its range, a value of the closed list, an empty field.

They are told apart by one cast and a comparison or two of the whole column; only what is left is given to the rules of
``cleaning.column``, which are written for the worst cell and cost ten times as much. The outcome is the same to the
last bit: a cell counts as ordinary only where the rules would give it back as it stands.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
from numpy.typing import NDArray

from creditrisk.data.cleaning.cell import compile_cell
from creditrisk.data.cleaning.rules import MISSING, OK, REQUIRED, Rule

Cleaned = tuple[pl.Series, pl.Series]
"""Clean values, null where there is none, and codes (UInt8, see ``cleaning.rules``) that say what became of each."""
Cleaner = Callable[[pl.Series], Cleaned]
Ordinary = Callable[[pl.Series], tuple[pl.Series, NDArray[np.bool_]]]
"""A raw column to values, and for each cell whether its value is the clean one."""


def ordinary_first(rule: Rule, dtype: pl.DataType, by_rules: Cleaner) -> Cleaner | None:
    """The same as ``by_rules``, in a fraction of its time; None where no quick way is known to agree with the rules."""
    ordinary = _ordinary(rule, dtype)
    if ordinary is None:
        return None
    empty = REQUIRED if rule.required else MISSING

    def clean(cells: pl.Series) -> Cleaned:
        values, good = ordinary(cells)
        codes = np.full(good.size, OK, dtype=np.uint8)
        left = good.size - int(np.count_nonzero(good))
        if not left:
            return values, pl.Series(codes)
        if cells.null_count():
            codes[cells.is_null().to_numpy()] = empty
        if left == cells.null_count():
            return values, pl.Series(codes)
        if left * 2 > good.size:
            return by_rules(cells)
        unsettled = ~good & (codes == OK)
        found, found_codes = by_rules(cells.filter(pl.Series(unsettled)))
        codes[unsettled] = found_codes.to_numpy()
        places = np.maximum(np.cumsum(unsettled) - 1, 0)
        return values.zip_with(pl.Series(~unsettled), found.gather(pl.Series(places))), pl.Series(codes)

    return clean


def _ordinary(rule: Rule, dtype: pl.DataType) -> Ordinary | None:
    if rule.type in ("number", "integer") and (dtype.is_numeric() or _is_plain_text(rule, dtype)):
        return _numbers(rule)
    if rule.type == "category" and (dtype == pl.String or dtype.is_integer()):
        return _listed(rule)
    return None


def _is_plain_text(rule: Rule, dtype: pl.DataType) -> bool:
    """Whether a text that reads as a number is that number: ``1.500`` with a decimal comma is another one."""
    return dtype == pl.String and not rule.comma and not rule.column.strip


def _numbers(rule: Rule) -> Ordinary:
    low, high = rule.low, rule.high
    whole, missing = rule.type == "integer", sorted(rule.missing_numbers)

    def ordinary(cells: pl.Series) -> tuple[pl.Series, NDArray[np.bool_]]:
        values = cells.cast(pl.Float64, strict=False)
        numbers = values.to_numpy()  # null is NaN, which no comparison lets pass
        good = np.isfinite(numbers)
        if low is not None:
            good &= numbers >= low
        if high is not None:
            good &= numbers <= high
        if whole:
            good &= numbers == np.floor(numbers)
        for number in missing:
            good &= numbers != number
        return values, good

    return ordinary


def _listed(rule: Rule) -> Ordinary:
    cell = compile_cell(rule)
    listed = pl.Enum([key for key in rule.keys if cell(key) == (key, OK)])

    def ordinary(cells: pl.Series) -> tuple[pl.Series, NDArray[np.bool_]]:
        texts = cells.cast(pl.String)
        known = texts.cast(listed, strict=False)
        return texts, known.is_not_null().to_numpy() if known.null_count() else np.ones(known.len(), dtype=bool)

    return ordinary
