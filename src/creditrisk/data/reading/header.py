"""The beginning of a delimited text: whether it is a table of text at all, and the names in its header row."""

from __future__ import annotations

import re

from creditrisk.errors import SourceError

BROKEN, BROKEN_TEXT = "_broken", "_broken_text"
"""Two text columns of each frame, null but for a broken line: what is wrong with it, and how it begins. All other
columns of a broken line are null."""

_DECLARATION = re.compile(rb'(?i)("?)sep=(\\t|[\t !#-/:-@\[-`{-~])\1\r?(?:\n|\Z)')

_JSON = re.compile(rb'\s*(?:\[\s*\{|\{\s*")')


class SeparatorError(SourceError):
    """The header row is parted by another mark than was said."""


def checked_names(fields: list[str], separator: str, where: str) -> list[str]:
    """Column names as pandas gives them, but none twice."""
    if len(fields) == 1:
        other = max((mark for mark in ";\t|," if mark != separator), key=fields[0].count)
        if fields[0].count(other):
            raise SeparatorError(
                f"{where}: the header row is one column, {fields[0][:100]!r}, when parted by {separator!r}; the "
                f"separator seems to be {other!r}: write it under source.format.separator."
            )
    names = [name or f"Unnamed: {place}" for place, name in enumerate(fields)]
    seen: dict[str, int] = {}
    for place, name in enumerate(names, start=1):
        if name in seen:
            raise SourceError(
                f"{where}: the header row has the column {name!r} twice, in places {seen[name]} and {place}; every "
                "column needs a name of its own. Does the file have a header row at all?"
            )
        if name in (BROKEN, BROKEN_TEXT):
            raise SourceError(f"{where}: the column name {name!r} is the project's own; rename it.")
        seen[name] = place
    return names


def declared_separator(start: bytes) -> tuple[int, str | None]:
    """Read Excel's first line ``sep=;``, which says how the lines below it are parted and is no header row.

    Args:
        start: how the text begins, without a byte order mark.

    Returns:
        the bytes that the line takes, and the separator; 0 and None where there is no such line.
    """
    found = _DECLARATION.match(start)
    if found is None:
        return 0, None
    return found.end(), found.group(2).decode().replace("\\t", "\t")


def check_text(start: bytes, where: str) -> None:
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise SourceError(f"{where}: the text is UTF-16; save it as UTF-8 (CSV UTF-8 in Excel).")
    if start.lstrip()[:15].lower().startswith((b"<!doctype html", b"<html")):
        raise SourceError(f"{where}: it is a web page, not a table; take the address of the file itself.")
    if _JSON.match(start):
        raise SourceError(f"{where}: it is JSON, not a table; save it as CSV or Parquet.")
    if b"\x00" in start[:100_000]:
        raise SourceError(
            f"{where}: it is not text (it has zero bytes); expected CSV, Parquet or Excel. What a name does not say, "
            "a contract can say under source.format.kind."
        )
    if b"\n" not in start and start.count(b"\r") > 1:
        raise SourceError(f"{where}: its lines end in a carriage return alone; save it with line ends of today.")
