"""A local table piece by piece, for what is done with each at once: nothing is read ahead."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import polars as pl

from creditrisk.contract import Format
from creditrisk.data.reading.local import inspect
from creditrisk.data.reading.source import UNREADABLE, blocks, first_line, scan
from creditrisk.errors import SourceError


def pieces(path: Path, rows: int, layout: Format, skip: int = 0) -> Iterator[pl.DataFrame]:
    """Read a table piece by piece, its broken lines marked (see ``source.scan``).

    Args:
        path: the table.
        rows: of a piece, at most; it has about half of them or more, but for the last.
        layout: how to read it.
        skip: rows that are left out at the beginning.

    Raises:
        SourceError: the table cannot be read, or not to its end.
    """
    local = inspect(path, layout)
    if local.kind == "csv":
        frames = _without_first(blocks(local, layout), skip)
    else:
        frames = _windows(path, layout, 4 * rows, local.where, skip)
    held: list[pl.DataFrame] = []
    for frame in frames:
        held.append(frame)
        if sum(part.height for part in held) >= rows / 2:
            yield from _parted(pl.concat(held), rows)
            held = []
    if held:
        yield from _parted(pl.concat(held), rows)


def _windows(path: Path, layout: Format, rows: int, where: str, start: int) -> Iterator[pl.DataFrame]:
    """Some pieces of a typed table together: where a row group is cut in two, its pages are gone through twice."""
    table = scan(path, layout, broken="mark")
    while True:
        try:
            part = table.slice(start, rows).collect()
        except UNREADABLE as error:
            raise SourceError(f"{where}, after row {start:,}: cannot be read: {first_line(error)}.") from None
        if not part.height:
            return
        yield part
        start += part.height


def _without_first(frames: Iterable[pl.DataFrame], skip: int) -> Iterator[pl.DataFrame]:
    for frame in frames:
        yield frame[skip:]
        skip = max(0, skip - frame.height)


def _parted(frame: pl.DataFrame, rows: int) -> Iterator[pl.DataFrame]:
    """As many parts as it takes, of even size."""
    if frame.height:
        yield from frame.iter_slices(-(-frame.height // -(-frame.height // rows)))
