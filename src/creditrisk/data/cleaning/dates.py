"""How a date is written, as one regular expression for both engines instead of two libraries' ideas of strptime."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from creditrisk.errors import ContractError
from creditrisk.expression.scalar import lower

if TYPE_CHECKING:
    import polars as pl

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
LONG_MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
ISO = r"(?P<Y>[0-9]{4})-(?P<m>[0-9]{2})-(?P<d>[0-9]{2})" + (
    r"(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?(?:Z|[+-][0-9]{2}:?[0-9]{2})?)?"
)
_LETTERS = {
    "Y": "(?P<Y>[0-9]{4})",
    "y": "(?P<y>[0-9]{2})",
    "m": "(?P<m>[0-9]{1,2})",
    "d": "(?P<d>[0-9]{1,2})",
    "b": "(?P<b>[A-Za-z]{3})",
    "B": "(?P<B>[A-Za-z]{3,9})",
    "H": "[0-9]{1,2}",
    "I": "[0-9]{1,2}",
    "M": "[0-9]{1,2}",
    "S": "[0-9]{1,2}",
    "f": "[0-9]{1,6}",
    "p": "[AaPp][Mm]",
    "%": "%",
}


@dataclass(frozen=True)
class DateFormat:
    """A pattern with groups Y or y, m or b or B, d; a day that is absent is the first."""

    pattern: str
    parts: frozenset[str]
    read: Callable[[str], dt.date | None]
    """A text's date, or null where it is none. The time of day is read over."""

    def expression(self, text: pl.Expr) -> pl.Expr:
        """The same for Polars."""
        import polars as pl

        from creditrisk.expression.polars import let

        groups = text.str.extract_groups(f"^(?:{self.pattern})$").struct
        steps = {part: groups.field(part) for part in sorted(self.parts)}
        number = {part: pl.field(part).cast(pl.Int32, strict=False) for part in ("Y", "y", "m", "d")}
        if "Y" in self.parts:
            year: pl.Expr = pl.when(number["Y"] > 0).then(number["Y"])
        else:
            year = number["y"] + pl.when(number["y"] < 69).then(2000).otherwise(1900)
        month = number["m"] if "m" in self.parts else _month(pl.field("b" if "b" in self.parts else "B"), self.parts)
        day = number["d"] if "d" in self.parts else pl.lit(1, dtype=pl.Int32)
        written = [part.cast(pl.String).str.zfill(width) for part, width in ((year, 4), (month, 2), (day, 2))]
        iso = pl.concat_str(written, separator="-", ignore_nulls=False)
        return let(steps, result=iso.str.to_date("%Y-%m-%d", strict=False, exact=True))


def _month(text: pl.Expr, parts: frozenset[str]) -> pl.Expr:
    import polars as pl

    from creditrisk.expression.polars import ascii_lower

    names = MONTHS if "b" in parts else LONG_MONTHS
    return ascii_lower(text).cast(pl.Enum(names), strict=False).to_physical().cast(pl.Int32) + 1


@lru_cache(maxsize=256)
def date_format(written: str | None, where: str) -> DateFormat:
    """Compile strptime's letters, or ISO (a date, or a date with a time, which is cut off) where there are none.

    Raises:
        ContractError: a letter is not among those known, stands twice, or year or month is missing.
    """
    pattern = ISO if written is None else _pattern(written, where)
    parts = frozenset(re.compile(pattern).groupindex)
    if not parts & {"Y", "y"} or not parts & {"m", "b", "B"}:
        raise ContractError(f"{where}: the format {written!r} needs a year (%Y, %y) and a month (%m, %b, %B).")
    return DateFormat(pattern, parts, _reader(pattern))


def _pattern(written: str, where: str) -> str:
    pieces: list[str] = []
    letters = iter(written)
    for letter in letters:
        if letter != "%":
            pieces.append(re.escape(letter))
            continue
        code = next(letters, "")
        piece = _LETTERS.get(code)
        if piece is None or (piece.startswith("(") and piece in pieces):
            problem = "stands twice" if piece else "is not known"
            known = " ".join(f"%{key}" for key in _LETTERS)
            raise ContractError(f"{where}: in the format {written!r} %{code} {problem}. Known: {known}.")
        pieces.append(piece)
    return "".join(pieces)


def _reader(pattern: str) -> Callable[[str], dt.date | None]:
    compiled = re.compile(pattern)
    match = compiled.fullmatch

    def read(text: str) -> dt.date | None:
        found = match(text)
        if found is None:
            return None
        part = found.groupdict()
        try:
            return dt.date(_year(part), _month_number(part), int(part.get("d") or 1))
        except ValueError:
            return None

    return read


def _year(part: dict[str, str]) -> int:
    if "Y" in part:
        return int(part["Y"])
    short = int(part["y"])
    return short + (2000 if short < 69 else 1900)


def _month_number(part: dict[str, str]) -> int:
    if "m" in part:
        return int(part["m"])
    return MONTHS.index(lower(part["b"])) + 1 if "b" in part else LONG_MONTHS.index(lower(part["B"])) + 1
