"""Which values of a target mean bad and which good."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from creditrisk.contract import as_text
from creditrisk.data.cleaning.column import text_form
from creditrisk.data.cleaning.rules import number_of
from creditrisk.data.onboarding import naming
from creditrisk.data.onboarding.profile import Table, text_of_column
from creditrisk.errors import DataError, nearest
from creditrisk.expression.scalar import SPACE

_BAD = naming.word_set(
    "1 true yes y b bad default defaulted charged_off chargedoff charge_off late delinquent npl loss failed"
)
_VAGUE = frozenset({"1", "true", "yes", "y", "b"})
_GOOD = naming.word_set("0 false no n g good paid fully_paid repaid current performing ok non_default no_default")
_GOOD_NAMES = naming.word_set("good paid repaid performing approved creditworthy kredit")
MAX_GOOD = 50
"""Values beside the bad one that may all be taken for good."""


@dataclass
class Outcome:
    """The target: its column, the values that mean bad and good, and what a person should check."""

    column: str
    bad: list[str]
    good: list[str]
    notes: list[str] = field(default_factory=list)


def settle_outcome(path: Path, table: Table, column: str, bad: str | None) -> Outcome:
    counts = _target_counts(table, column)
    shown = ", ".join(f"{value!r} ({count:,})" for value, count in list(counts.items())[:20])
    alike = _by_word(counts)
    if len(alike) < 2:
        there = f"the only value is {shown}" if counts else "it is empty in every row"
        raise DataError(f"{path}: the target {column!r} needs two outcomes, but {there}, so there is nothing to learn.")
    if bad is not None:
        wanted = [bad] if _match(bad, counts) else [part.strip() for part in bad.split(",")]
        matched = [_match(part, counts) for part in wanted]
        if None in matched:
            lacking = wanted[matched.index(None)]
            raise DataError(
                f"{path}: --bad {lacking!r} does not occur in {column!r}.{nearest(lacking, counts)} It has: {shown}."
            )
        bads = [value for values in alike if set(values) & set(matched) for value in values]
    elif len(alike) == 2:
        return _spelled_out(_guessed(column, {values[0]: _sum(values, counts) for values in alike}), alike)
    else:
        more = ", ..." if len(counts) > 20 else ""
        raise DataError(
            f"{path}: the target {column!r} has {len(counts):,} values: {shown}{more}. Say which one "
            "means bad with --bad."
        )
    goods = [value for value in counts if value not in bads]
    if not goods or len(goods) > MAX_GOOD:
        raise DataError(
            f"{path}: beside --bad {bad!r} the target {column!r} has {len(goods):,} values; expected 1 to {MAX_GOOD} "
            "that mean good. Is it the right column?"
        )
    notes = []
    if len(goods) > 1:
        notes.append(
            f"every value apart from {bad!r} is taken for good: {', '.join(goods[:10])}; take out what is neither "
            "(such as loans still running)"
        )
    return Outcome(column, bads, goods, notes)


def _by_word(counts: Mapping[str, int]) -> list[list[str]]:
    """The values in groups that differ in small and capital letters alone, most frequent first."""
    groups: dict[str, list[str]] = {}
    for value in counts:
        groups.setdefault(value.lower(), []).append(value)
    return sorted(groups.values(), key=lambda values: -_sum(values, counts))


def _sum(values: Sequence[str], counts: Mapping[str, int]) -> int:
    return sum(counts[value] for value in values)


def _spelled_out(outcome: Outcome, alike: Sequence[list[str]]) -> Outcome:
    """The outcome with every way of writing its two words."""
    spellings = {values[0]: values for values in alike}
    outcome.bad = [value for bad in outcome.bad for value in spellings[bad]]
    outcome.good = [value for good in outcome.good for value in spellings[good]]
    return outcome


def _target_counts(table: Table, column: str) -> dict[str, int]:
    """Rows by the target's value, most frequent first; 1 and 1.0 are one value."""
    one = table.profiles[column]
    if not one.usable:
        raise DataError(f"The target {column!r} holds {one.dtype} values; expected texts, numbers or true/false.")
    text = text_of_column(column, one.dtype)
    if not one.typed:  # in a target, texts such as NA may be an outcome, but an empty one never is
        text = text_form(pl.col(column), one.dtype, column).str.strip_chars(SPACE)
        text = pl.when((text != "") & ~text.str.to_lowercase().is_in(["nan", "null", "na", "n/a", "<na>"])).then(text)
    counted = table.frame.select(text.alias("value")).drop_nulls().group_by("value").len()
    rows = counted.sort("len", "value", descending=[True, False]).collect(engine="streaming").iter_rows()
    found: dict[str, int] = {}
    for value, count in rows:
        number = number_of(value)
        key = value if number is None else as_text(number)
        found[key] = found.get(key, 0) + count
    return found


def _match(wanted: str, counts: dict[str, int]) -> str | None:
    if wanted in counts:
        return wanted
    number = number_of(wanted)
    key = wanted if number is None else as_text(number)
    folded = {value.lower(): value for value in counts}
    return key if key in counts else folded.get(wanted.lower())


def _guessed(column: str, counts: dict[str, int]) -> Outcome:
    """The bad one of two values: the word for it, else the rarer one."""
    often, rare = counts
    share = counts[rare] / (counts[often] + counts[rare])
    word = {value: re.sub(r"[^a-z0-9]+", "_", value.lower()).strip("_") for value in counts}
    good_name = bool(_GOOD_NAMES & set(naming.tokens(column)))
    if word[rare] in _BAD and not good_name:
        return Outcome(column, [rare], [often])
    if word[often] in _GOOD:
        why = f"{often!r} reads as good, so {rare!r} ({share:.1%} of the rows) is taken for bad"
    elif word[often] in _BAD - _VAGUE and not good_name:
        return Outcome(column, [often], [rare], [f"{often!r} is taken for bad, though most rows have it; check"])
    else:
        why = f"{rare!r}, the rarer of two values ({share:.1%} of the rows), is taken for bad; check, or give --bad"
    return Outcome(column, [rare], [often], [why])


def bad_rows(table: Table, outcome: Outcome) -> pl.Series:
    """The outcome of the sampled rows: 1.0, 0.0 or null."""
    one = table.profiles[outcome.column]
    text = text_form(pl.col(outcome.column), one.dtype, outcome.column).str.strip_chars(SPACE)
    number = text.cast(pl.Float64, strict=False)

    def among(values: Sequence[str]) -> pl.Expr:
        numbers = [found for value in values if (found := number_of(value)) is not None]
        return text.is_in(list(values)) | number.is_in(pl.Series(numbers, dtype=pl.Float64).implode()).fill_null(False)

    found = pl.when(among(outcome.bad)).then(1.0).when(among(outcome.good)).then(0.0)
    return table.sampled.select(found.alias("bad"))["bad"]
