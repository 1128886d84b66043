"""Whether a column holds dates, and how they are written."""

from __future__ import annotations

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


def as_date(table: Table, one: Profile, draft: Draft) -> bool:
    """Describe a column of dates; say whether it is one."""
    if one.typed and not one.dtype.is_integer():
        return False
    values = one.sample.drop_nulls().unique()
    if values.is_empty() or not _looks_dated(one, values):
        return False
    fitting = [fmt for fmt in _formats(values) if _share(values, fmt) >= MIN_SHARE]
    fitting = [fmt for fmt in fitting if _all_rows(table, one, fmt)]
    if not fitting:
        return False
    draft.type = "date"
    if fitting[0] is not None:
        draft.keys["format"] = fitting[0]
    if len(fitting) > 1 and {fitting[0], fitting[1]} & {"%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%d/%m/%y"}:
        draft.notes.append(f"dates fit {fitting[0]} as well as {fitting[1]}; check which is day and which is month")
    list_missing(table, one, draft, ())
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
    return bool(read >= MIN_SHARE * one.present)
