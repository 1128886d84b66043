"""Whether a column holds numbers, and in which range; which numbers stand for something else."""

from __future__ import annotations

import math

import polars as pl

from creditrisk.contract import LARGEST
from creditrisk.data.onboarding import naming
from creditrisk.data.onboarding.draft import MIN_SHARE, Draft, list_missing
from creditrisk.data.onboarding.money import (
    DASH,
    Written,
    begins_like_one,
    may_part_thousands,
    several_currencies,
    written,
)
from creditrisk.data.onboarding.profile import (
    APOSTROPHES,
    CURRENCIES,
    FEW,
    SPACES,
    WORDS,
    Profile,
    Table,
    comma_number,
    number_of_column,
    stripped_number,
    text_of_column,
)

_NINES = {float(digit * length) for digit in "98" for length in range(2, 11)}
_CODES = frozenset({-1.0, -9.0, -8.0, 96.0, 97.0, 98.0} | _NINES | {-value for value in _NINES})
"""Numbers that people write where there is no number."""


def as_number(table: Table, one: Profile, draft: Draft) -> bool:
    """Describe a column of numbers, or leave out one of several currencies; say whether it is one of these."""
    if table.commas and _as_comma_number(table, one, draft):
        return True
    found = _reading(table, one, draft)
    if found is None:
        return False
    if draft.role == "ignore":
        return True
    words, keys = found
    if naming.is_code(one.name) and one.whole == one.numbers and not keys and not words and one.distinct > 2:
        return False
    draft.type = "integer" if _is_count(one) and not keys else "number"
    draft.keys |= keys
    _note_doubts(table, one, draft, words)
    sentinels = [] if keys else _sentinels(table, one, draft)
    list_missing(table, one, draft, [*words, *sentinels])
    low, high = _limits(one, *_seen(table, one, bool(keys)))
    if low is not None and high is not None:
        draft.keys |= {"min": low, "max": high, "out_of_range": "clip"}
    return True


def _reading(table: Table, one: Profile, draft: Draft) -> tuple[list[str], Written] | None:
    """Texts among the numbers that mean missing, and how the others are written; None where they are no numbers."""
    if one.numbers == one.present:
        return [], {}
    others = _others(table, one)
    # Those of a typed column are infinite.
    words = [text for text in others if one.typed or text.lower() in WORDS or DASH.fullmatch(text)]
    wanted = one.present - sum(others[text] for text in words)
    rest = wanted - one.numbers
    if rest <= (1 - MIN_SHARE) * one.present:
        if rest:
            draft.notes.append(f"{rest:,} values are no numbers; their rows go to quarantine")
        return words, {}
    if one.stripped >= MIN_SHARE * wanted and one.stripped >= wanted - 50 and not begins_like_one(table, one):
        several = several_currencies(table, one, draft)
        return words, {} if several else written(table, one, draft, f"{CURRENCIES},{APOSTROPHES}{SPACES}%")
    few = len(others) <= 10 and one.numbers >= 0.9 * one.present and one.distinct > 30
    return (list(others), {}) if few else None


def _note_doubts(table: Table, one: Profile, draft: Draft, words: list[str]) -> None:
    if one.fractions and may_part_thousands(table, one):
        draft.notes.append(
            "a point with three digits behind it is read as the decimal mark; where it parts thousands, the decimal "
            "mark is the comma"
        )
    if words:
        what, listed = "values" if one.typed else "texts", ", ".join(repr(word) for word in words[:5])
        zero = "; Excel's accounting format writes zero so" if any(DASH.fullmatch(word) for word in words) else ""
        draft.notes.append(f"the {what} {listed} among the numbers count as missing{zero}")


def _as_comma_number(table: Table, one: Profile, draft: Draft) -> bool:
    """Describe a column of numbers with decimal commas, in a table that has such; say whether it is one."""
    if one.typed or not (one.fractions or one.numbers < one.present):
        return False
    text, number = pl.col("text"), pl.col("number")
    table_of = table.frame.select(text_of_column(one.name, one.dtype).alias("text"))
    both = table_of.with_columns(comma_number(text).alias("number"))
    figures = both.select(
        pl.len(), number.count().alias("numbers"), (number == number.floor()).sum().alias("whole"),
        number.min().alias("low"), number.max().alias("high"),
    )  # fmt: skip
    found = figures.collect(engine="streaming").row(0, named=True)
    if found["numbers"] < MIN_SHARE * one.present or begins_like_one(table, one):
        return False
    if several_currencies(table, one, draft):
        return True
    one.numbers, one.whole, one.low, one.high = (found[key] for key in ("numbers", "whole", "low", "high"))
    one.fractions = one.numbers - one.whole
    draft.type = "number"
    draft.keys |= {"decimal": ",", **written(table, one, draft, f"{CURRENCIES}{SPACES}%")}
    draft.notes.append(f"the comma is read as the decimal mark, points as thousands ({one.low:g} to {one.high:g})")
    list_missing(table, one, draft, ())
    low, high = _limits(one, one.low, one.high)
    draft.keys |= {"min": low, "max": high, "out_of_range": "clip"}
    return True


def _others(table: Table, one: Profile) -> dict[str, int]:
    """The values that are no numbers, most frequent first."""
    text, number = text_of_column(one.name, one.dtype), number_of_column(one.name, one.dtype)
    counted = table.frame.select(text.alias("text"), number.alias("number")).filter(
        pl.col("text").is_not_null() & pl.col("number").is_null()
    )
    found = counted.group_by("text").len().sort("len", "text", descending=[True, False]).head(1_000)
    return dict(found.collect(engine="streaming").iter_rows())


def _is_count(one: Profile) -> bool:
    """Whether whole numbers are all that there will ever be: counts and codes, not amounts that happen to be whole."""
    few = one.distinct <= FEW and one.high is not None and abs(one.high) < 10_000
    return one.whole == one.numbers and not one.fractions and few


def _sentinels(table: Table, one: Profile, draft: Draft) -> list[str]:
    """Numbers that stand for something else: -999 among amounts, 98 and 99 among counts."""
    if one.low not in _CODES and one.high not in _CODES:  # a code of that kind lies beyond all other values
        return []
    number = pl.col("value")
    column = table.frame.select(number_of_column(one.name, one.dtype).alias("value"))
    counted = column.filter(number.is_in(sorted(_CODES))).group_by("value").len().collect(engine="streaming")
    counts: dict[float, int] = dict(counted.iter_rows())
    rest = column.filter(~number.is_in(sorted(_CODES)))
    low, high = rest.select(number.min().alias("low"), number.max().alias("high")).collect(engine="streaming").row(0)
    if low is None:
        return []
    found = [value for value, count in sorted(counts.items()) if count > 1 and _is_code(value, low, high)]
    if one.low == -1.0 and counts[-1.0] > 1 and low >= 0:
        draft.notes.append(f"-1 ({counts[-1.0]:,} rows) may be a code; if it is one, list it under missing")
    if found:
        listed = ", ".join(f"{value:g} ({counts[value]:,} rows)" for value in found)
        draft.notes.append(f"missing is taken to be meant by {listed}, far from the other values ({low:g} to {high:g})")
        one.low, one.high = low, high
    return [f"{value:.0f}" for value in found]


def _is_code(value: float, low: float, high: float) -> bool:
    """Whether a number lies too far from the others (low to high) to be one of them."""
    return value < 0 <= low and value != -1.0 if value < low else value > max(2 * high, 45)


def _seen(table: Table, one: Profile, stripped: bool) -> tuple[float | None, float | None]:
    """The smallest and the largest number."""
    if not stripped:
        return one.low, one.high
    number = stripped_number(text_of_column(one.name, one.dtype))
    seen = table.frame.select(number.min().alias("low"), number.max().alias("high"))
    low, high = seen.collect(engine="streaming").row(0)
    return low, high


def _limits(one: Profile, low: float | None, high: float | None) -> tuple[float | None, float | None]:
    """A generous range: ten times what was seen, and no negative value where none was."""
    if low is None or high is None:
        return None, None
    if naming.is_age(one.name) and low >= 0 and high <= 120:
        return 0, 120
    reach = _round_up(min(10 * max(abs(low), abs(high), 1.0), LARGEST))
    return (0 if low >= 0 else -reach), reach


def _round_up(value: float) -> float:
    """The next of 1, 2, 5, 10, 20, ... as a whole number where it is one."""
    power = 10.0 ** math.floor(math.log10(value))
    found = next(step * power for step in (1, 2, 5, 10, 20) if step * power >= value)
    return int(found) if found < 2**53 else found
