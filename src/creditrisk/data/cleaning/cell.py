"""Clean one Python value: what CSV, JSON, pandas or NumPy give, to a clean value and a code of ``cleaning.rules``."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np

from creditrisk.data.cleaning.rules import (
    CLIPPED,
    FAULT,
    MISSING,
    NOT_WHOLE,
    OK,
    OUT_OF_RANGE,
    REJECTED,
    REQUIRED,
    SHOWN,
    UNKNOWN,
    UNPARSEABLE,
    WHOLE_LIMIT,
    Rule,
)
from creditrisk.expression.scalar import SPACE, lower, upper

Clean = float | bool | str | dt.date | None
Cell = Callable[[Any], tuple[Clean, int]]
"""A raw value to its clean value (null where there is none) and the code that says what became of it."""

_MISSING: tuple[None, int] = (None, MISSING)
_WRITABLE = 14_000
"""Bits of a whole number up to which Python writes it out in decimal digits."""
_PLAIN = (str, float, int, bool, type(None), dt.date, dt.datetime)


class Unusable:
    """Stands for a value that no table holds: a list, an object, bytes, a text of no Unicode, an endless number."""

    def __init__(self, value: Any) -> None:
        self.text = hex(value) if type(value) is int else ascii(value)


def plain(value: Any) -> Any:
    """Turn NumPy's and pandas' scalars into Python's; what means missing there into None."""
    if type(value) in _PLAIN:
        return Unusable(value) if type(value) is int and value.bit_length() > _WRITABLE else value
    if type(value).__name__ in ("NAType", "NaTType"):
        return None
    if isinstance(value, np.datetime64):
        return None if np.isnat(value) else value.astype("datetime64[us]").item()
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, dt.datetime):
        return dt.datetime(*value.timetuple()[:6])
    if isinstance(value, Decimal):
        return None if value.is_nan() else float(value)  # a signalling NaN is no float
    for kind in (bool, int, float, str):
        if isinstance(value, kind):
            return kind(value)
    return value if type(value) in _PLAIN else Unusable(value)


def text_of(value: Any) -> str | None:
    """A plain value as the text that a CSV would hold; whole floats without a fraction, as in ``contract.as_text``."""
    if isinstance(value, str):
        return value
    if value is None or value != value:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        if abs(value) < WHOLE_LIMIT and value == int(value):
            return str(int(value))
        return _written(value)
    if isinstance(value, dt.datetime):
        return value.replace(tzinfo=None).isoformat(timespec="seconds")
    return value.text if isinstance(value, Unusable) else str(value)


def _written(value: float) -> str:
    """A number as Polars casts it to text: Python's way, but for small ones."""
    text = repr(value)
    mantissa, small, exponent = text.partition("e-")
    if not small:
        return text
    if int(exponent) == 5:
        sign, digits = ("-", mantissa[1:]) if mantissa.startswith("-") else ("", mantissa)
        return f"{sign}0.0000{digits.replace('.', '')}"
    return f"{mantissa}e-{int(exponent)}"


def shown(value: Any) -> str | None:
    """A raw value as messages quote it."""
    text = text_of(plain(value))
    return None if text is None else text[:SHOWN].encode("utf-8", "backslashreplace").decode()


def compile_cell(rule: Rule) -> Cell:
    """Compile a column's rules for one value at a time."""
    found = _COMPILE[rule.type](rule)
    if not rule.required:
        return found

    def required(value: Any) -> tuple[Clean, int]:
        clean, code = found(value)
        return (None, REQUIRED) if clean is None and code < FAULT else (clean, code)

    return required


def _reader(rule: Rule) -> Callable[[str], str | None]:
    """Trim and strip a text; null where it means missing."""
    remove = {ord(character): None for character in rule.column.strip}
    missing = rule.missing_texts

    def read(text: str) -> str | None:
        text = text.translate(remove).strip(SPACE) if remove else text.strip(SPACE)
        return text if text and text not in missing else None

    return read


def _number(text: str) -> float | None:
    """As ``rules.number_of``, without a regular expression: quick, since most fields of a CSV are numbers."""
    try:
        value = float(text)
    except ValueError:
        return None
    usable = text.isascii() and text.isprintable() and "_" not in text and value - value == 0.0
    return value if usable else None


def _cell_number(rule: Rule) -> Cell:
    read, missing, in_range = _reader(rule), rule.missing_numbers, _range(rule)
    endless = rule.missing_texts & {"inf", "-inf"}  # a typed column may hold such, and a text that is one is none
    whole, written = rule.type == "integer", rule.number_text if rule.rewrites else str

    def clean(value: Any) -> tuple[Clean, int]:
        kind = type(value)
        number: float | None
        if kind is str:
            text = read(value)
            if text is None:
                return _MISSING
            number = _number(written(text))
            if number is None:
                return None, UNPARSEABLE
        elif kind is float:
            number = value
        elif kind is int:
            try:
                number = float(value)
            except OverflowError:
                return None, UNPARSEABLE
        elif value is None:
            return _MISSING
        elif kind in _PLAIN or kind is Unusable:
            return None, UNPARSEABLE
        else:
            return clean(plain(value))
        if number - number != 0.0:
            return _MISSING if number != number or repr(number) in endless else (None, UNPARSEABLE)
        if number in missing:
            return _MISSING
        if whole and not number.is_integer():
            return None, NOT_WHOLE
        return in_range(number)

    return clean


def _range(rule: Rule) -> Callable[[Any], tuple[Clean, int]]:
    low, high, beyond = rule.low, rule.high, rule.beyond

    def check(value: Any) -> tuple[Clean, int]:
        if low is not None and value < low:
            return (low if beyond == CLIPPED else None), beyond
        if high is not None and value > high:
            return (high if beyond == CLIPPED else None), beyond
        return value, OK

    assert beyond in (CLIPPED, OUT_OF_RANGE) or beyond >= FAULT
    return check


def _text_reader(rule: Rule) -> Callable[[Any], str | Unusable | None]:
    """Any value's text, trimmed; null where it means missing; unusable as it came."""
    read, numbers = _reader(rule), rule.missing_numbers

    def text(value: Any) -> str | Unusable | None:
        if type(value) is not str:
            value = plain(value)
            if isinstance(value, Unusable):
                return value
            value = text_of(value)
            if value is None:
                return None
        found = read(value)
        if found is not None and numbers and _number(found) in numbers:
            return None
        if found is not None and not found.isascii() and not _is_unicode(found):
            return Unusable(found)
        return found

    return text


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON may hold and no table can
        return False
    return True


def _case(rule: Rule) -> Callable[[str], str]:
    return {"keep": lambda text: text, "lower": lower, "upper": upper}[rule.column.case]


def _cell_text(rule: Rule) -> Cell:
    read, case = _text_reader(rule), _case(rule)

    def clean(value: Any) -> tuple[Clean, int]:
        text = read(value)
        if text is None:
            return _MISSING
        return (None, UNPARSEABLE) if isinstance(text, Unusable) else (case(text), OK)

    return clean


def _cell_key(rule: Rule) -> Cell:
    read, case, keys, numbers = _text_reader(rule), _case(rule), rule.keys, rule.number_keys
    unknown = UNPARSEABLE if rule.type == "boolean" else {"missing": UNKNOWN, "reject": REJECTED}[rule.column.unknown]

    def clean(value: Any) -> tuple[Clean, int]:
        text = read(value)
        if text is None:
            return _MISSING
        if isinstance(text, Unusable):
            return None, UNPARSEABLE
        text = case(text)
        found = keys.get(text)
        if found is None and numbers:
            number = _number(text)
            found = None if number is None else numbers.get(number)
        return (None, unknown) if found is None else (found, OK)

    return clean


def _cell_date(rule: Rule) -> Cell:
    read, parse, in_range, missing = _text_reader(rule), rule.date.read, _range(rule), rule.missing_texts

    def clean(value: Any) -> tuple[Clean, int]:
        if type(value) is not str:
            value = plain(value)
        if isinstance(value, dt.date):
            day = value.date() if isinstance(value, dt.datetime) else value
            return _MISSING if day.isoformat() in missing else in_range(day)
        text = read(value)
        if text is None:
            return _MISSING
        found = None if isinstance(text, Unusable) else parse(text)
        return (None, UNPARSEABLE) if found is None else in_range(found)

    return clean


_COMPILE: dict[str, Callable[[Rule], Cell]] = {
    "number": _cell_number,
    "integer": _cell_number,
    "category": _cell_key,
    "boolean": _cell_key,
    "text": _cell_text,
    "date": _cell_date,
}
