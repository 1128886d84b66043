"""How a file is to be read: its kind and, for a CSV, separator and encoding."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Literal

from creditrisk.contract import Format
from creditrisk.data.reading.delimited import BLOCK
from creditrisk.data.reading.header import declared_separator
from creditrisk.data.reading.local import LocalFile, inspect

SEPARATORS = (",", ";", "\t", "|", " ")
"""Those that are usual."""
_BEYOND = re.compile(rb"[\x80-\xff]")


def sniff(table: Path) -> Format:
    """How a file is to be read: its kind and, for a CSV, separator and encoding.

    Raises:
        SourceError: the file cannot be read.
    """
    local = inspect(table, Format())
    if local.kind != "csv":
        return Format(kind=local.kind)
    encoding = _encoding(local)
    start = _start(local)
    _, declared = declared_separator(start)
    lines = [line for line in start.decode(encoding, "replace").splitlines() if line.strip()][:50]
    return Format(kind="csv", separator=declared or _separator(lines), encoding=encoding)


def _start(local: LocalFile, size: int = 1 << 18) -> bytes:
    with local.stream() as (stream, _):
        return stream.read(size).removeprefix(b"\xef\xbb\xbf")


def _encoding(local: LocalFile) -> Literal["utf-8", "cp1252"]:
    """By the first character beyond ASCII, however late it stands: one of another encoding hardly ever fits UTF-8.

    A text that begins as UTF-8 stays UTF-8, so that a byte damaged further on is reported, not read as something else.
    """
    with local.stream() as (stream, _):
        while piece := stream.read(BLOCK):
            if found := _BEYOND.search(piece):
                character = (piece[found.start() :] + stream.read(4))[:4]
                fits = any(_is_utf8(character[:size]) for size in (2, 3, 4))
                return "utf-8" if fits else "cp1252"
    return "utf-8"


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


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
