"""Amounts as people write them: currencies, marks of thousands, negatives; what the contract says of them."""

from __future__ import annotations

import re

import polars as pl

from creditrisk.data.cleaning.rules import beside
from creditrisk.data.onboarding import naming
from creditrisk.data.onboarding.draft import Draft
from creditrisk.data.onboarding.profile import CURRENCIES, CURRENCY_WORDS, Profile, Table, text_of_column

Written = dict[str, str | bool]
"""Keys of a contract's column that say how its numbers are written."""
_WORD = "|".join(map(re.escape, CURRENCY_WORDS))
DASH = re.compile(rf"(?:[{CURRENCIES} ]|{_WORD})+[-\u2013]|[-\u2013] ?[{CURRENCIES}]")
"""A dash beside a currency."""


def may_part_thousands(table: Table, one: Profile) -> bool:
    """Whether every point has three digits behind it, and none but a figure from 1 to 999 before it."""
    text = text_of_column(one.name, one.dtype)
    pointed = text.filter(text.str.contains(".", literal=True))
    all_three = pointed.str.contains(r"^[+-]?[1-9][0-9]{0,2}\.[0-9]{3}$").all()
    return bool(table.frame.select(all_three).collect(engine="streaming").item())


def begins_like_one(table: Table, one: Profile) -> bool:
    """Whether what looks like a currency's word before digits is rather the beginning of identifiers: CAD00123."""
    text = text_of_column(one.name, one.dtype)
    lettered = text.str.contains("^[A-Za-z]" if naming.is_id(one.name) else "^[A-Za-z]+ ?0[0-9]").any()
    return bool(table.frame.select(lettered).collect(engine="streaming").item())


def several_currencies(table: Table, one: Profile, draft: Draft) -> bool:
    """Leave out amounts of several currencies, which no model may compare; say whether it is such a column."""
    text = text_of_column(one.name, one.dtype)
    unit = pl.when(text.str.contains("[0-9]")).then(text.str.replace_all(r"[0-9\s.,%()+'\u2019-]", ""))
    found = table.frame.select(unit.alias("unit")).filter(pl.col("unit") != "").unique().sort("unit").head(5)
    units = found.collect(engine="streaming")["unit"].to_list()
    if len(units) > 1:
        draft.ignore(
            f"amounts in several currencies ({', '.join(units)}), which cannot be compared; bring them into one"
        )
    return len(units) > 1


def written(table: Table, one: Profile, draft: Draft, marks: str) -> Written:
    """The contract's keys for what stands in the texts besides digits, a sign and a decimal mark."""
    text = text_of_column(one.name, one.dtype)
    word = pl.coalesce(text.str.extract_groups(pattern).struct["word"] for pattern in beside(*CURRENCY_WORDS))
    negative = text.str.contains(r"\(|[0-9][^0-9]*-[^0-9]*$").any()
    percents = text.str.contains("%", literal=True).sum()
    held = table.frame.select(
        word.drop_nulls().first().alias("word"), negative.alias("negative"), percents.alias("percents")
    )
    currency, accounting, percents = held.collect(engine="streaming").row(0)
    if 0 < percents < one.present:
        draft.notes.append(
            f"{percents:,} of {one.present:,} values have a percent sign, which is passed over: 5% is read as 5; check"
        )
    found: Written = {}
    if strip := _signs(table, one, "".join(mark for mark in marks if mark not in (currency or ""))):
        found["strip"] = strip
    if currency:
        found["currency"] = currency
    if accounting:
        found["accounting"] = True
    return found


def _signs(table: Table, one: Profile, marks: str) -> str:
    """Those of the marks that the column holds; a plain space where it is not trimmed: between digits, after a sign."""
    text, spaced = text_of_column(one.name, one.dtype), r"\d \d|[(+-] "
    found = (text.str.contains(spaced if mark == " " else re.escape(mark)).any().alias(mark) for mark in marks)
    held = table.frame.select(found).collect(engine="streaming").row(0, named=True)
    return "".join(mark for mark in marks if held[mark])
