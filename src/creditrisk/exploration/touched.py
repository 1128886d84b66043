"""What cleaning did to values, shown on the rows: which rule of the contract touched which cell, before and after."""

from __future__ import annotations

from typing import Any

import polars as pl

from creditrisk.contract import ROW
from creditrisk.data.cleaning.clean import Cleaned
from creditrisk.data.cleaning.column import text_form
from creditrisk.data.cleaning.messages import RAW
from creditrisk.data.cleaning.report import CODE, KEPT, QUARANTINED, STATE
from creditrisk.data.cleaning.rules import CLIPPED, FAULT, MISSING, NAMES, OK, OUT_OF_RANGE, SHOWN, UNKNOWN, Rule
from creditrisk.expression.scalar import SPACE

EMPTY, REWRITTEN = "empty", "rewritten"
"""Names of what is no code of its own: nothing stood there; the value was read from another way of writing it."""
SCHEMA = pl.Schema(
    {
        "column": pl.String(),
        "what": pl.String(),
        "rule": pl.String(),
        "rows": pl.Int64(),
        "row": pl.Int64(),
        "raw": pl.String(),
        "clean": pl.String(),
    }
)
"""``column`` is the raw name, ``rule`` the contract's words, ``rows`` how many were touched, the rest one of them."""


def touched(cleaned: Cleaned, examples: int = 2) -> pl.DataFrame:
    """Every way in which a value was touched, with examples.

    Args:
        cleaned: a table as it is cleaned.
        examples: lines for each column and way, of different raw values, the most frequent first.

    Returns:
        ``SCHEMA``, in the order of the contract's columns; rows outside the portfolio do not count.
    """
    rows = cleaned.marked.filter(pl.col(STATE).is_in([KEPT, QUARANTINED])).collect()
    found = [_of_column(rows, rule, cleaned.dtypes[rule.raw], examples) for rule in cleaned.rules]
    return pl.concat([pl.DataFrame(schema=SCHEMA), *found])


def _of_column(rows: pl.DataFrame, rule: Rule, dtype: pl.DataType, examples: int) -> pl.DataFrame:
    code = pl.col(CODE + rule.name)
    raw = text_form(pl.col(RAW + rule.name), dtype, rule.raw).alias("raw")
    clean = text_form(pl.col(rule.name), rows.schema[rule.name], rule.name).alias("clean")
    cells = rows.select(ROW, raw, clean, code.alias("code")).with_columns(_what(rule).alias("what"))
    cells = cells.filter(pl.col("what").is_not_null())
    by_value = cells.group_by("what", "raw").agg(pl.len().alias("rows"), pl.col(ROW).min(), pl.col("clean").first())
    by_value = by_value.sort("what", "rows", ROW, descending=[False, True, False])
    lines = by_value.with_columns(pl.col("rows").sum().over("what")).group_by("what", maintain_order=True)
    return lines.head(examples).select(
        pl.lit(rule.raw).alias("column"),
        "what",
        pl.col("what").replace_strict(_rules(rule), return_dtype=pl.String, default="").alias("rule"),
        pl.col("rows").cast(pl.Int64),
        pl.col(ROW).alias("row"),
        pl.col("raw").str.slice(0, SHOWN),
        pl.col("clean").str.slice(0, SHOWN),
    )


def _what(rule: Rule) -> pl.Expr:
    """A name for what became of a cell; null where it stayed as it was."""
    raw, clean, code = pl.col("raw"), pl.col("clean"), pl.col("code")
    trimmed = raw.str.strip_chars(SPACE)
    same = trimmed == clean
    if rule.type in ("number", "integer"):
        same |= trimmed.cast(pl.Float64, strict=False) == clean.cast(pl.Float64, strict=False)
    found: Any = pl.when((code == OK) & ~same.fill_null(value=False)).then(pl.lit(REWRITTEN))
    found = found.when((code == MISSING) & (trimmed.is_null() | (trimmed == ""))).then(pl.lit(EMPTY))
    for number, name in NAMES.items():
        found = found.when(code == number).then(pl.lit(name))
    name_of: pl.Expr = found.otherwise(pl.lit(None, dtype=pl.String))
    return name_of


def _rules(rule: Rule) -> dict[str, str]:
    """The contract's words behind each name."""
    column = rule.column
    reads = {
        "strip": repr(column.strip) if column.strip else "",
        "decimal": "','" if rule.comma else "",
        "currency": column.currency or "",
        "accounting": "true" if column.accounting else "",
        "format": column.format or "",
        "case": column.case if column.case != "keep" else "",
        "values": ", ".join(f"{k}: {v}" for k, v in column.values.items()) if column.type == "boolean" else "",
    }
    read = "; ".join(f"{key}: {value}" for key, value in reads.items() if value)
    words = {EMPTY: "nothing there", REWRITTEN: read or "another way of writing it"}
    words[NAMES[MISSING]] = f"missing: [{', '.join(map(str, column.missing))}]"
    for number in NAMES:
        if number >= FAULT:
            words[NAMES[number]] = f"{rule.expected[number]}: else quarantine"
    for number, does in ((CLIPPED, "clipped"), (OUT_OF_RANGE, "missing"), (UNKNOWN, "missing")):
        words[NAMES[number]] = f"{rule.expected[number]}: else {does}"
    return words
