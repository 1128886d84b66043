"""How a file is to be read: its kind and, for a CSV, separator and encoding."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Literal

from creditrisk.contract import Format
from creditrisk.data.local import LocalFile, inspect

SEPARATORS = (",", ";", "\t", "|", " ")
"""Those that are usual."""


def sniff(table: Path) -> Format:
    """How a file is to be read: its kind and, for a CSV, separator and encoding.

    Raises:
        SourceError: the file cannot be read.
    """
    local = inspect(table, Format())
    if local.kind != "csv":
        return Format(kind=local.kind)
    start = _start(local)
    encoding: Literal["utf-8", "cp1252"] = "utf-8"
    try:
        start.decode()
    except UnicodeDecodeError as error:
        if error.start < len(start) - 4:  # else the piece ends in the middle of a character
            encoding = "cp1252"
    lines = [line for line in start.decode(encoding, "replace").splitlines() if line.strip()][:50]
    return Format(kind="csv", separator=_separator(lines), encoding=encoding)


def _start(local: LocalFile, size: int = 1 << 18) -> bytes:
    with local.stream() as (stream, _):
        return stream.read(size).removeprefix(b"\xef\xbb\xbf")


def _separator(lines: Sequence[str]) -> str:
    """The mark that parts every line into the same number of fields, the most where several do."""
    best, most = ",", (0.0, 0)
    for mark in SEPARATORS:
        widths = [len(row) for row in islice(csv.reader(lines[:-1] if len(lines) > 2 else lines, delimiter=mark), 50)]
        if widths and widths[0] > 1:
            same = sum(width == widths[0] for width in widths) / len(widths)
            # A space parts sentences as well: it counts only where it parts every line alike.
            if (same, widths[0]) > most and (mark != " " or same == 1.0) and same > 0.5:
                best, most = mark, (same, widths[0])
    return best
