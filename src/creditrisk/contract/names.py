"""Words that contracts and tables share: types and kinds of values, names, columns that are the project's own."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator

Scalar = str | int | float | bool
ColumnType = Literal["number", "integer", "boolean", "category", "open_category", "date", "text"]
Role = Literal["feature", "target", "id", "time", "protected", "ignore"]
Monotone = Literal["increasing", "decreasing"]
Kind = Literal["number", "boolean", "text", "date"]
"""What an expression works with; categories and open categories are text, integers are numbers."""

KINDS: dict[ColumnType, Kind] = {
    "number": "number",
    "integer": "number",
    "boolean": "boolean",
    "category": "text",
    "open_category": "text",
    "date": "date",
    "text": "text",
}

ROW, ID, TARGET, WEIGHT, GROUP = "_row", "_id", "_target", "_weight", "_group"
"""System columns of every table the pipeline makes; names that begin with an underscore are the project's own."""
APPLICATION_DATE = "application_date"
MAX_COLUMNS = 2_000
"""Columns of a table, and characteristics, that a contract may name."""
LARGEST = 1e38
"""Numbers beyond are taken for it by training that computes in 32 bits, which must hold a cut beyond it (3.4e38)."""

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,62}")


def is_pattern(raw: str) -> bool:
    """Whether the table engine would read a raw column's name as a pattern for several columns."""
    return raw == "*" or (raw.startswith("^") and raw.endswith("$"))


def _name(value: str) -> str:
    if not NAME.fullmatch(value):
        raise ValueError("a name starts with a letter and has only letters, digits and underscores (63 at most)")
    return value


def _as_titles(value: Any) -> Any:
    """Accept a list of values, or values with their titles; keys become text."""
    if isinstance(value, list):
        value = {item: str(item) for item in value}
    if (
        isinstance(value, dict)
        and any(isinstance(k, str) for k in value)
        and not all(isinstance(k, str) for k in value)
    ):
        raise ValueError("its keys mix text and numbers; put the numbers in quotes")  # DVC sorts the keys
    if isinstance(value, dict):
        return {as_text(key): str(title) for key, title in value.items()}
    return value


def as_text(value: Scalar | None) -> str:
    """Write a raw scalar as a category key: 1, 1.0 and True give '1', '1' and 'true'."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return str(value)


Name = Annotated[str, AfterValidator(_name)]
Values = Annotated[dict[str, str], BeforeValidator(_as_titles)]
