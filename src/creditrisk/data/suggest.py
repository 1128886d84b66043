"""What a contract could say of a column, from what stands in it and from its name."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from creditrisk.contract import ColumnType, Role
from creditrisk.data import naming
from creditrisk.data.dates import date_format
from creditrisk.data.profile import (
    FEW,
    WORDS,
    Profile,
    Table,
    markers_of,
    number_of_column,
    stripped_number,
    text_of_column,
)

FORMATS = (
    None, "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d",
    "%d-%b-%Y", "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%b-%Y", "%b %Y", "%B %Y", "%b-%y", "%d-%b-%y",
    "%Y-%m", "%m/%Y", "%Y/%m", "%d/%m/%y", "%m/%d/%y", "%d.%m.%y",
)  # fmt: skip
TIMES = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")
CLOSED_UP_TO = 40
"""Text values up to which a column gets a closed list."""
FREE_TEXT = 40
"""Mean characters from which a column of mostly different values is free text."""
_NUMBER_SHARE = 0.999
"""Share of values that must be numbers: the others would put their rows into quarantine."""
_NINES = {float(digit * length) for digit in "98" for length in range(2, 11)}
_CODES = frozenset({-1.0, -9.0, -8.0, 96.0, 97.0, 98.0} | _NINES | {-value for value in _NINES})
"""Numbers that people write where there is no number."""
_TRUTH = ({"true", "false"}, {"yes", "no"}, {"y", "n"}, {"t", "f"})


@dataclass
class Draft:
    """A column of the contract in the making."""

    raw: str
    name: str
    type: ColumnType = "text"
    role: Role = "feature"
    keys: dict[str, Any] = field(default_factory=dict)
    """Further keys of the contract's column."""
    notes: list[str] = field(default_factory=list)
    """What a person should check or know."""

    @property
    def is_number(self) -> bool:
        """Whether a characteristic can calculate with it."""
        return self.role == "feature" and self.type in ("number", "integer")

    def ignore(self, note: str) -> Draft:
        """Leave the column out."""
        self.role = "ignore"
        self.type = "text" if self.type in ("category", "open_category") else self.type
        self.keys = {}
        self.notes = [note]
        return self


def suggest(table: Table, one: Profile, name: str) -> Draft:
    """Type, range, values and missing markers of one column; names count as well."""
    draft = Draft(one.name, name)
    if not one.usable:
        return draft.ignore(f"holds {one.dtype} values, which no rule reads")
    if not one.present:
        return draft.ignore("empty: no row has a value")
    if one.distinct <= 1:
        only = next(iter(one.counts), "")
        there = "in every row" if one.present == one.rows else f"wherever there is one ({one.present:,} rows)"
        if one.present == one.rows:
            return draft.ignore(f"constant: {only[:40]!r} {there}")
    _type(table, one, draft)
    _by_name(one, draft)
    return draft


def _type(table: Table, one: Profile, draft: Draft) -> None:
    if one.dtype == pl.Boolean:
        draft.type = "boolean"
    elif one.dtype in (pl.Date, pl.Datetime):
        draft.type = "date"
    elif _is_boolean(one):
        draft.type = "boolean"
        _missing(table, one, draft, ())
    elif not (_date(table, one, draft) or _number(table, one, draft)):
        _text(table, one, draft)


def _is_boolean(one: Profile) -> bool:
    words = set(one.counts)
    usual = {word for word in words if word in (word.lower(), word.upper(), word.capitalize())}
    return not one.typed and words == usual and {word.lower() for word in words} in _TRUTH


def _missing(table: Table, one: Profile, draft: Draft, more: Sequence[str]) -> None:
    found = list(dict.fromkeys([*markers_of(table.frame, one), *more]))
    if found:
        draft.keys["missing"] = found


def _number(table: Table, one: Profile, draft: Draft) -> bool:
    words: list[str] = []
    strip = ""
    if one.numbers < one.present:
        others = _others(table, one)
        words = [text for text in others if text.lower() in WORDS]
        rest = one.present - one.numbers - sum(others[text] for text in words)
        if rest > (1 - _NUMBER_SHARE) * one.present:
            if one.stripped < _NUMBER_SHARE * one.present or one.stripped < one.present - 50:
                few = len(others) <= 10 and one.numbers >= 0.9 * one.present and one.distinct > 30
                if not few:
                    return False
                words = list(others)
            else:
                strip = "".join(mark for mark in "$€£,%" if _holds(table, one, mark))
        elif rest:
            draft.notes.append(f"{rest:,} values are no numbers; their rows go to quarantine")
    if naming.is_code(one.name) and one.whole == one.numbers and not strip and not words and one.distinct > 2:
        return False
    draft.type = "integer" if _is_count(one) and not strip else "number"
    if strip:
        draft.keys["strip"] = strip
    if words:
        draft.notes.append(f"the texts {', '.join(repr(w) for w in words[:5])} among the numbers count as missing")
    sentinels = [] if strip else _sentinels(table, one, draft)
    _missing(table, one, draft, [*words, *sentinels])
    low, high = _limits(table, one, bool(strip))
    if low is not None and high is not None:
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


def _holds(table: Table, one: Profile, mark: str) -> bool:
    text = text_of_column(one.name, one.dtype)
    return bool(table.frame.select(text.str.contains(mark, literal=True).any()).collect(engine="streaming").item())


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


def _limits(table: Table, one: Profile, stripped: bool) -> tuple[float | None, float | None]:
    """A generous range: ten times what was seen, and no negative value where none was."""
    low, high = one.low, one.high
    if stripped:
        number = stripped_number(text_of_column(one.name, one.dtype))
        seen = table.frame.select(number.min().alias("low"), number.max().alias("high"))
        low, high = seen.collect(engine="streaming").row(0)
    if low is None or high is None:
        return None, None
    if naming.is_age(one.name) and low >= 0 and high <= 120:
        return 0, 120
    reach = _round_up(10 * max(abs(low), abs(high), 1.0))
    return (0 if low >= 0 else -reach), reach


def _round_up(value: float) -> float:
    """The next of 1, 2, 5, 10, 20, ... as a whole number where it is one."""
    if value > 1e300:
        return value
    power = 10.0 ** math.floor(math.log10(value))
    found = next(step * power for step in (1, 2, 5, 10, 20) if step * power >= value)
    return int(found) if found < 2**53 else found


def _date(table: Table, one: Profile, draft: Draft) -> bool:
    if one.typed and not one.dtype.is_integer():
        return False
    values = one.sample.drop_nulls().unique()
    if values.is_empty() or not _looks_dated(one, values):
        return False
    fitting = [fmt for fmt in _formats(values) if _share(values, fmt) >= _NUMBER_SHARE]
    fitting = [fmt for fmt in fitting if _all_rows(table, one, fmt)]
    if not fitting:
        return False
    draft.type = "date"
    if fitting[0] is not None:
        draft.keys["format"] = fitting[0]
    if len(fitting) > 1 and {fitting[0], fitting[1]} & {"%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%d/%m/%y"}:
        draft.notes.append(f"dates fit {fitting[0]} as well as {fitting[1]}; check which is day and which is month")
    _missing(table, one, draft, ())
    return True


def _looks_dated(one: Profile, values: pl.Series) -> bool:
    """Plain digits are dates only as YYYYMMDD of a plausible year."""
    if one.numbers < one.present:
        return True
    if one.low is None or one.high is None:
        return False
    return bool(values.str.contains(r"^(19|20)[0-9]{2}(0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01])$").all())


def _formats(values: pl.Series) -> list[str | None]:
    timed = bool(values.str.contains(":", literal=True).any())
    return [None if fmt is None else fmt + time for fmt in FORMATS for time in (TIMES[1:] if timed and fmt else ("",))]


def _share(values: pl.Series, fmt: str | None) -> float:
    read = pl.select(date_format(fmt, "column").expression(pl.lit(values))).to_series()
    return 1 - read.null_count() / values.len()


def _all_rows(table: Table, one: Profile, fmt: str | None) -> bool:
    day = date_format(fmt, "column").expression(text_of_column(one.name, one.dtype))
    read = table.frame.select(day.count()).collect(engine="streaming").item()
    return bool(read >= _NUMBER_SHARE * one.present)


def _text(table: Table, one: Profile, draft: Draft) -> None:
    _missing(table, one, draft, ())
    values = list(one.counts)
    if values and 0 < len(values) <= CLOSED_UP_TO and not _mostly_different(one):
        draft.type = "category"
        lowered = {value.lower() if value.isascii() else value for value in values}
        if len(lowered) < len(values) and all(value.isascii() for value in values):
            draft.keys["case"] = "lower"
            draft.notes.append("upper and lower case are mixed; everything is read in lower case")
            values = list(dict.fromkeys(value.lower() for value in values))
        draft.keys["values"] = _same_numbers_once(values)
        return
    if one.length >= FREE_TEXT and one.distinct > 0.3 * one.present:
        draft.type = "text"
        draft.notes.append("free text: a model sees its length alone")
        return
    draft.type = "open_category"
    lowered_count = one.sample.drop_nulls().str.to_lowercase().n_unique()
    if lowered_count < one.sample.drop_nulls().n_unique():
        draft.keys["case"] = "lower"


def _mostly_different(one: Profile) -> bool:
    return one.present > 20 and one.distinct > 0.5 * one.present


def _same_numbers_once(values: list[str]) -> list[str]:
    """01, 1 and 1.0 are one value to a contract where all values are numbers."""
    try:
        numbers = [float(value) for value in values]
    except ValueError:
        return values
    return [value for place, value in enumerate(values) if numbers.index(numbers[place]) == place]


def _by_name(one: Profile, draft: Draft) -> None:
    """Roles that a name suggests: protected attributes, birth dates, personal data."""
    protected = naming.protected_by_name(one.name)
    if protected:
        draft.role = "protected"
        draft.notes.append(f"by its name it says {protected}: left to the audit, never an input; check")
        return
    if draft.type == "date" and naming.is_birth(one.name):
        draft.ignore("a date of birth: age is protected in many places, and a birth date identifies a person")
    elif draft.is_number and naming.is_age(one.name):
        draft.keys["audited"] = True
        draft.notes.append("an input that fairness is judged on; role: protected where the law forbids its use")
    elif naming.is_personal(one.name) and _mostly_different(one):
        draft.ignore("personal data: by its name it identifies a person")
