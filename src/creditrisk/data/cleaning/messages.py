"""Faults in words: lines of the quarantine, sentences of a verdict, and columns that are not as the contract says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import polars as pl

from creditrisk.contract import ROW, Contract, is_pattern
from creditrisk.data.cleaning.column import text_form
from creditrisk.data.cleaning.report import CODE
from creditrisk.data.cleaning.rules import CLIPPED, CODES, FAULT, NAMES, SHOWN, Rule
from creditrisk.data.reading.header import BROKEN, BROKEN_TEXT
from creditrisk.errors import DataError, nearest

RAW = "_raw:"
"""Before a column's clean name: its raw values."""
QUARANTINE = {"row": pl.Int64, "column": pl.String, "value": pl.String, "rule": pl.String, "expected": pl.String}
"""Columns of the quarantine: one line for each fault."""


def fault_lines(rows: pl.LazyFrame, rule: Rule, dtypes: dict[str, pl.DataType]) -> pl.LazyFrame:
    """One column's lines of the quarantine."""
    code = pl.col(CODE + rule.name)
    return rows.filter(code >= FAULT).select(
        pl.col(ROW).alias("row"),
        pl.lit(rule.raw).alias("column"),
        _shown(rule, dtypes).alias("value"),
        _named(code, NAMES).alias("rule"),
        _named(code, rule.expected).alias("expected"),
    )


def _named(code: pl.Expr, texts: dict[int, str]) -> pl.Expr:
    found = pl.lit(None, dtype=pl.String)
    for number, text in texts.items():
        found = pl.when(code == number).then(pl.lit(text)).otherwise(found)
    return found


def sentences(found: list[Rule], raw: pl.DataFrame, codes: list[pl.Series], faults: bool) -> pl.Series:
    """All faults (or warnings) of each row in words, separated by semicolons; null where there is none.

    Most rows have none, so the texts are put together for the others alone.

    Args:
        found: the rules, in order.
        raw: the columns as they came.
        codes: what became of the values, by rule.
        faults: which of the two is wanted.
    """
    low, high = (FAULT, CODES) if faults else (CLIPPED, FAULT)
    concerned = np.zeros(raw.height, dtype=bool)
    said_of = []
    for rule, column in zip(found, codes, strict=True):
        numbers = column.to_numpy()
        if numbers.size and numbers.max() >= low:
            said_of.append((rule, column))
            concerned |= (numbers >= low) & (numbers < high)
    rows = pl.Series(np.flatnonzero(concerned))
    if rows.is_empty():
        return pl.repeat(None, raw.height, dtype=pl.String, eager=True)
    table = raw.select(
        *(pl.col(rule.raw).gather(rows).alias(RAW + rule.name) for rule, _ in said_of),
        *(pl.lit(column.gather(rows)).alias(CODE + rule.name) for rule, column in said_of),
    )
    parts = []
    for rule, _ in said_of:
        code, shown = pl.col(CODE + rule.name), _shown(rule, raw.schema)
        quoted = pl.concat_str(pl.lit("'"), shown, pl.lit("'")).fill_null("nothing")
        said = pl.concat_str(pl.lit(f"{rule.raw}: expected "), _named(code, rule.expected), pl.lit(", found "), quoted)
        parts.append(pl.when((code >= low) & (code < high)).then(said))
    texts = table.select(pl.concat_str(parts, separator="; ", ignore_nulls=True)).to_series()
    places = pl.select(pl.when(pl.Series(concerned)).then(pl.Series(np.cumsum(concerned) - 1))).to_series()
    return texts.gather(places)


def check_columns(dtypes: dict[str, pl.DataType], contract: Contract) -> None:
    """Refuse a table that lacks a column, or has one that the contract does not name or that nothing can name.

    Raises:
        DataError: naming the columns and the nearest known one.
    """
    check_names(dtypes)
    needed = [contract.target.column, *contract.raw_names.values()]
    missing = [name for name in needed if name not in dtypes]
    if missing:
        raise missing_columns(missing, list(dtypes), contract, "Correct the table, or the contract's columns.")
    extra = [name for name in dtypes if name not in contract.columns and name != contract.target.column]
    if extra and contract.extra_columns == "refuse":
        hint = nearest(extra[0], contract.columns)
        shown = ", ".join(repr(name) for name in extra[:10]) + (", ..." if len(extra) > 10 else "")
        raise DataError(
            f"The table has {len(extra)} column(s) that the contract {contract.name!r} does not name: {shown}.{hint} "
            "Add them under columns (role: ignore leaves one out), or set extra_columns: ignore."
        )


def check_names(names: Iterable[str]) -> None:
    """Refuse a column that nothing could name.

    Raises:
        DataError: there is one.
    """
    if odd := [name for name in names if name == ROW or is_pattern(name)]:
        raise DataError(
            f"The table has a column {odd[0]!r}: {ROW} is the project's own name, under which it numbers rows, and * "
            "and ^...$ are patterns. Rename it in the table."
        )


def missing_columns(missing: list[str], there: list[str], contract: Contract, advice: str) -> DataError:
    """The error for columns that are not there; ``advice`` says what can be done about it."""
    hint = nearest(missing[0], there)
    shown = ", ".join(repr(name) for name in missing[:10]) + (", ..." if len(missing) > 10 else "")
    there = [name for name in there if name not in (BROKEN, BROKEN_TEXT)]
    listed = ", ".join(there[:40]) + (", ..." if len(there) > 40 else "")
    return DataError(
        f"The table lacks {len(missing)} column(s) that the contract {contract.name!r} names: {shown}.{hint} "
        f"The table has: {listed}. {advice}"
    )


def _shown(rule: Rule, dtypes: Mapping[str, pl.DataType]) -> pl.Expr:
    return text_form(pl.col(RAW + rule.name), dtypes[rule.raw], rule.raw).str.slice(0, SHOWN)
