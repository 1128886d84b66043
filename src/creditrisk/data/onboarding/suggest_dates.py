"""Whether a column holds dates, and how they are written."""

from __future__ import annotations

import datetime as dt

import polars as pl

from creditrisk.data.cleaning.dates import date_format
from creditrisk.data.onboarding.draft import MIN_SHARE, Draft, list_missing
from creditrisk.data.onboarding.profile import Profile, Table, text_of_column

FORMATS = (
    None, "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d",
    "%d-%b-%Y", "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%b-%Y", "%b %Y", "%B %Y", "%b-%y", "%d-%b-%y",
    "%Y-%m", "%m/%Y", "%Y/%m", "%d/%m/%y", "%m/%d/%y", "%d.%m.%y",
)  # fmt: skip
TIMES = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")


_NO_DATE = "^[-./: T]*(0[-./: T]*)+$|^[-./ ]*(9[-./ ]*){6,}$"
"""Zeros or nines alone: 0000-00-00, 0, 99999999."""
_NO_DAYS = [
    dt.date(*day) for day in ((1, 1, 1), (1753, 1, 1), (1899, 12, 30), (1900, 1, 1), (2999, 12, 31), (9999, 12, 31))
]
"""Days that are written where there is none."""
_FAR = 20 * 365
"""Days that lie between such a day and all others."""
MOSTLY = 0.9


def _as_date(table: Table, one: Profile, draft: Draft) -> bool:
    """Describe a column of dates; say whether it is one."""
    if one.typed and not one.dtype.is_integer():
        return False
    values = _dated(one)
    if values.is_empty() or not _looks_dated(one, values):
        return False
    shares = {fmt: _share(values, fmt) for fmt in _formats(values)}
    fitting = [fmt for fmt, share in shares.items() if share >= MIN_SHARE and _misfit(table, one, fmt) is None]
    if not fitting:
        best = max(shares, key=lambda fmt: shares[fmt])
        if shares[best] >= MOSTLY and (odd := _misfit(table, one, best)):
            draft.notes.append(f"mostly dates, but {odd}; correct such values, or list them under missing of a date")
        return False
    draft.type = "date"
    if fitting[0] is not None:
        draft.keys["format"] = fitting[0]
    if len(fitting) > 1 and {fitting[0], fitting[1]} & {"%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%d/%m/%y"}:
        draft.notes.append(f"dates fit {fitting[0]} as well as {fitting[1]}; check which is day and which is month")
    text = text_of_column(one.name, one.dtype)
    none = table.frame.select(text.alias("text")).filter(pl.col("text").str.contains(_NO_DATE)).unique().sort("text")
    written = none.head(20).collect(engine="streaming")["text"].to_list()
    written += no_days(table, text, _day(one, fitting[0]))
    list_missing(table, one, draft, written)
    _note_none(draft, written)
    return True


def describe_dates(table: Table, one: Profile, draft: Draft) -> bool:
    """Describe a column of dates, typed or not; say whether it is one."""
    if one.dtype in (pl.Date, pl.Datetime):
        _describe_typed(table, one, draft)
        return True
    return _as_date(table, one, draft)


def _describe_typed(table: Table, one: Profile, draft: Draft) -> None:
    """Describe a column whose values the table itself says are dates."""
    draft.type = "date"
    day = pl.col(one.name).cast(pl.Date)
    if none := no_days(table, day.dt.to_string("%Y-%m-%d"), day):
        draft.keys["missing"] = none
        _note_none(draft, none)


def _note_none(draft: Draft, written: list[str]) -> None:
    if written:
        draft.notes.append(f"{', '.join(written[:5])} among the dates count as missing")


def no_days(table: Table, text: pl.Expr, day: pl.Expr) -> list[str]:
    """How days that stand for none are written, where they repeat and lie far from all others."""
    both = table.frame.select(text.alias("text"), day.alias("day"))
    suspect = pl.col("day").is_in(_NO_DAYS)
    found = both.filter(suspect).group_by("day").agg(pl.len(), pl.col("text").unique()).sort("day")
    rest = both.filter(~suspect).select(pl.col("day").min().alias("low"), pl.col("day").max().alias("high"))
    (low, high), rows = rest.collect(engine="streaming").row(0), found.collect(engine="streaming").iter_rows()
    if low is None:
        return []
    far = [texts for at, count, texts in rows if count > 1 and max((low - at).days, (at - high).days) > _FAR]
    return [text for texts in far for text in sorted(texts)[:20]]


def first_misfit(table: Table, one: Profile) -> str | None:
    """The first value that is no date as most others are, in words; None where most are none."""
    values = _dated(one)
    shares = {} if values.is_empty() else {fmt: _share(values, fmt) for fmt in _formats(values)}
    best = max(shares, key=lambda fmt: shares[fmt], default=None)
    return _misfit(table, one, best, allowed=0) if shares.get(best, 0.0) > 0.5 else None


def _dated(one: Profile) -> pl.Series:
    """Different values of the sample that may be dates."""
    values = one.sample.drop_nulls().unique()
    return values.filter(~values.str.contains(_NO_DATE))


def _day(one: Profile, fmt: str | None) -> pl.Expr:
    return date_format(fmt, "column").expression(text_of_column(one.name, one.dtype))


def _looks_dated(one: Profile, values: pl.Series) -> bool:
    """Plain digits are dates only as YYYYMMDD of a plausible year."""
    if one.numbers < one.present and not values.str.contains("^[0-9]+$").all():
        return True
    return bool(values.str.contains(r"^(19|20)[0-9]{2}(0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01])$").all())


def _formats(values: pl.Series) -> list[str | None]:
    timed = bool(values.str.contains(":", literal=True).any())
    return [None if fmt is None else fmt + time for fmt in FORMATS for time in (TIMES[1:] if timed and fmt else ("",))]


def _share(values: pl.Series, fmt: str | None) -> float:
    read = pl.select(date_format(fmt, "column").expression(pl.lit(values))).to_series()
    return 1 - read.null_count() / values.len()


def _misfit(table: Table, one: Profile, fmt: str | None, allowed: float = 1 - MIN_SHARE) -> str | None:
    """The first of the values that are no such dates, in words, where more than this share are none."""
    text, day = pl.col("text"), pl.col("day")
    odd = text.is_not_null() & day.is_null() & ~text.str.contains(_NO_DATE)
    both = table.frame.select(text_of_column(one.name, one.dtype).alias("text"), _day(one, fmt).alias("day"))
    found = both.filter(odd).select(pl.len(), text.first()).collect(engine="streaming")
    count, example = found.row(0)
    return f"{example[:40]!r} is none" if count > allowed * one.present else None
