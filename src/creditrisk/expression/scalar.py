"""What each operation means on one value: used to fold constants, and by generated Python for the rarer operations.

Arguments are never null (nor NaN or infinite) here, unless a function says so; null in gives null out elsewhere.
Polars does the same in :mod:`creditrisk.expression.polars`, step by step, so that the bits are equal.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Callable
from functools import lru_cache

EXP_LIMIT = 709.782712893384
"""The largest number whose exponential is finite."""
LN10 = math.log(10.0)
MAX_PRODUCT = 9
WHOLE = 4503599627370496.0
"""2**52: from here on every double is whole, so there is nothing to round."""
SPACE = " \t\n\r\v\f"
"""What is trimmed: ASCII whitespace and nothing else, since engines differ on the rest of Unicode."""

_UPPER, _LOWER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz"
_TO_LOWER, _TO_UPPER = str.maketrans(_UPPER, _LOWER), str.maketrans(_LOWER, _UPPER)


def finite(value: float) -> float | None:
    """The number itself, or null for NaN and infinity."""
    return value if value - value == 0.0 else None


def power(base: float, exponent: float) -> float | None:
    """``base ** exponent``; null where that is not a finite number.

    Whole exponents from 2 to ``MAX_PRODUCT`` are products, 0.5 is the square root, and the rest is C's pow: just what
    Polars does with a constant exponent (and with a table of one row), so it is done everywhere.
    """
    if exponent == 0.5:
        return math.sqrt(base) if base >= 0.0 else None
    if 2.0 <= exponent <= MAX_PRODUCT and exponent.is_integer():
        result = base
        for _ in range(int(exponent) - 1):
            result *= base
        return finite(result)
    try:
        return finite(math.pow(base, exponent))
    except (ValueError, OverflowError):
        return None


def log10(value: float) -> float | None:
    """``ln(value) / ln(10)``, but exact for whole powers of ten."""
    if value <= 0.0:
        return None
    quotient = math.log(value) / LN10
    whole = nearest_whole(quotient)
    return whole if power(10.0, whole) == value else quotient


def nearest_whole(value: float) -> float:
    """The nearest whole number, halves away from zero."""
    size = abs(value)
    down = float(math.floor(size))
    up = down + (1.0 if size - down >= 0.5 else 0.0)
    return -up if value < 0.0 else up


def round_to(value: float, digits: int) -> float | None:
    """Round half away from zero; digits below zero round to tens, hundreds, ...

    The number is scaled by ten to the digits, rounded to a whole one and scaled back, in doubles: 2.675 is the
    double 2.67499999..., but times 100 it is 267.5, so it rounds to 2.68. From 2**52 on every double is whole.
    """
    scale = 10.0 ** abs(digits)
    size = abs(value)
    scaled = size * scale if digits >= 0 else size / scale
    if digits >= 0 and not scaled < WHOLE:
        return value
    down = float(math.floor(scaled))
    whole = down + (1.0 if scaled - down >= 0.5 else 0.0)
    result = whole / scale if digits >= 0 else whole * scale
    return finite(-result if value < 0.0 else result)


def modulo(value: float, by: float) -> float | None:
    """The remainder ``a - trunc(a / b) * b``, with the sign of the first; null where ``by`` is 0."""
    if by == 0.0:
        return None
    quotient = value / by
    if quotient - quotient != 0.0:
        return None
    whole = floor(quotient) if quotient >= 0.0 else ceil(quotient)
    return finite(value - whole * by)


def floor(value: float) -> float:
    """The whole number at or below; a zero keeps the sign, as in IEEE 754."""
    return math.copysign(math.floor(value), value)


def ceil(value: float) -> float:
    """The whole number at or above; a zero keeps the sign, as in IEEE 754."""
    return math.copysign(math.ceil(value), value)


def lower(text: str) -> str:
    """Small letters for A to Z; every other character stays."""
    return text.translate(_TO_LOWER)


def upper(text: str) -> str:
    """Capital letters for a to z; every other character stays."""
    return text.translate(_TO_UPPER)


def trim(text: str) -> str:
    """The text without ASCII whitespace at either end."""
    return text.strip(SPACE)


def extract(part: str, day: dt.date) -> float:
    """A date's year, month or day as a number."""
    return float(getattr(day, part))


def days_between(start: dt.date, end: dt.date) -> float:
    """Days from ``start`` to ``end``, negative where ``end`` is earlier."""
    return float(end.toordinal() - start.toordinal())


def months_between(start: dt.date, end: dt.date) -> float:
    """Whole months from ``start`` to ``end``, rounded down: a month is complete on the same day of the next one."""
    months = (end.year - start.year) * 12 + end.month - start.month
    return float(months - (end.day < start.day))


@lru_cache(maxsize=4096)
def like(pattern: str) -> Callable[[str], bool]:
    """Compile a LIKE pattern to a test of linear time in the text.

    Between two ``%`` stands a piece of fixed length, so the first place where it fits is always the right one and
    nothing is ever tried twice.
    """
    pieces = [re.compile(_piece(part), re.DOTALL) for part in pattern.split("%")]
    lengths = [len(part) for part in pattern.split("%")]
    first, last = pieces[0], pieces[-1]
    if len(pieces) == 1:
        return lambda text: len(text) == lengths[0] and first.match(text) is not None

    def test(text: str) -> bool:
        if first.match(text) is None:
            return False
        place = lengths[0]
        for piece in pieces[1:-1]:
            found = piece.search(text, place)
            if found is None:
                return False
            place = found.end()
        end = len(text) - lengths[-1]
        return end >= place and last.match(text, end) is not None

    return test


def like_regex(pattern: str) -> str:
    """The same pattern for Polars, whose regular expressions take linear time by construction."""
    return "(?s)^" + ".*".join(_piece(part) for part in pattern.split("%")) + "$"


def _piece(part: str) -> str:
    return "".join("." if character == "_" else _escape(character) for character in part)


def _escape(character: str) -> str:
    return "\\" + character if character in r"\.+*?()|[]{}^$#&-~/" else character
