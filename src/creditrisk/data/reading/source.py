"""Open any source: ``scan`` gives a local table row by row, ``materialise`` makes a contract's raw table."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl
from polars.io.plugins import register_io_source

from creditrisk.contract import ROW, Contract, Format, Simulation
from creditrisk.data.parquet import sink_table, unwritable
from creditrisk.data.reading.delimited import Delimited
from creditrisk.data.reading.fetch import fetch, sha256_of, shown
from creditrisk.data.reading.header import BROKEN, BROKEN_TEXT
from creditrisk.data.reading.local import LocalFile, inspect
from creditrisk.errors import SourceError, nearest
from creditrisk.paths import whole
from creditrisk.progress import Bar, bar

__all__ = ["BROKEN", "BROKEN_TEXT", "RawReport", "fetch", "materialise", "number_rows", "scan", "sha256_of"]

_AUTO = Format()
UNREADABLE = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError)
"""What reading a table raises; a Parquet file whose inside is damaged makes the engine panic, which no Exception is."""
FAULTS = {"row": pl.Int64, "column": pl.String, "value": pl.String, "rule": pl.String, "expected": pl.String}
"""Columns of the table of broken lines; the quarantine's."""


@dataclass(frozen=True)
class RawReport:
    """What was read."""

    rows: int
    columns: int
    broken: int
    """Lines that could not be read as rows; they stand in a table of their own."""
    origin: str
    sha256: str | None
    """Of the source's file; None for a simulation."""
    simulation: dict[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """As the stage writes it."""
        return asdict(self)


def scan(path: Path, layout: Format = _AUTO, broken: Literal["refuse", "mark"] = "refuse") -> pl.LazyFrame:
    """Open a local table lazily; a CSV is read piece by piece, in order.

    CSV columns are all text; Parquet and Excel keep their types (Excel, and Parquet inside an archive, are read whole).

    Args:
        path: a CSV, Parquet or Excel file, plain, in gzip or in a zip archive.
        layout: how to read it.
        broken: what a broken CSV line does: ``refuse`` stops there; ``mark`` keeps its place as a row of nulls
            with two more text columns, ``_broken`` (what is wrong, null elsewhere) and ``_broken_text``.

    Raises:
        SourceError: at once where the file or its header cannot be read; on collecting, where a line or the packing is
            damaged.
    """
    local = inspect(path, layout)
    if local.kind == "csv":
        return _csv(local, layout, mark=broken == "mark")
    table = _typed(local, layout)
    none = pl.lit(None, dtype=pl.String)
    return table.with_columns(none.alias(BROKEN), none.alias(BROKEN_TEXT)) if broken == "mark" else table


def materialise(contract: Contract, out: Path, broken: Path, root: Path, cache: Path) -> RawReport:
    """Make a contract's raw table: one Parquet file, in the source's order, and one of its broken lines.

    Both files appear when they are complete. For a simulation, ``truth.parquet`` and ``rejected.parquet`` are written
    beside ``out`` (see ``creditrisk.data.simulation.simulate``).

    Args:
        contract: whose source is read.
        out: the raw table.
        broken: broken lines in the quarantine's columns; ``row`` counts all rows of the source, broken ones too.
        root: folder that relative paths in the contract start from.
        cache: folder for downloads.

    Raises:
        SourceError: the source cannot be fetched, is not the file the contract names, or cannot be read.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    if contract.source.simulated is not None:
        return _simulated(contract.source.simulated, out, broken)
    path = fetch(contract.source, cache, root)
    local = inspect(path, contract.source.format)
    faults: list[pl.DataFrame] = []
    with whole(out) as draft, whole(broken) as draft_broken:
        with bar(f"reading {path.name}", path.stat().st_size) as progress:
            table = (
                _csv(local, contract.source.format, progress, faults.append)
                if local.kind == "csv"
                else _typed(local, contract.source.format)
            )
            names = table.collect_schema().names()
            _sink(table, draft, out, local)
        lines = pl.concat([pl.DataFrame(schema=FAULTS), *faults])
        _write(lines, draft_broken, broken)
        rows = pl.scan_parquet(draft).select(pl.len()).collect().item()
        if not rows:
            raise SourceError(f"{local.where}: it has a header row and no row that can be read below it.")
    digest = contract.source.sha256 or sha256_of(path)
    return RawReport(rows, len(names), lines.height, shown(contract.source.url or ""), digest)


def number_rows(raw: pl.LazyFrame, broken: pl.DataFrame) -> pl.LazyFrame:
    """Number the rows of a raw table from 1, counting the broken lines that stood between them in the source.

    Args:
        raw: a raw table without ``_row``.
        broken: its table of broken lines.
    """
    numbered = raw.with_row_index(ROW, offset=1).with_columns(pl.col(ROW).cast(pl.Int64))
    if broken.is_empty():
        return numbered
    # As many good rows stand before each broken line as its number leaves after those of the broken ones up to it.
    before = np.sort(broken["row"].to_numpy()) - np.arange(1, broken.height + 1)

    def shifted(rows: pl.Series) -> pl.Series:
        return pl.Series(rows.to_numpy() + np.searchsorted(before, rows.to_numpy(), side="left"))

    return numbered.with_columns(pl.col(ROW).map_batches(shifted, return_dtype=pl.Int64, is_elementwise=True))


def _csv(
    local: LocalFile,
    layout: Format,
    progress: Bar | None = None,
    set_aside: Callable[[pl.DataFrame], None] | None = None,
    mark: bool = False,
) -> pl.LazyFrame:
    """A lazy table over the blocks of a CSV; broken lines are marked, set aside, or stop it."""
    with local.stream() as (stream, _):
        schema = Delimited(stream, local.where, layout.separator, layout.encoding).schema
    if not mark:
        schema = {name: dtype for name, dtype in schema.items() if name not in (BROKEN, BROKEN_TEXT)}

    def source(
        columns: list[str] | None, predicate: pl.Expr | None, limit: int | None, batch: int | None
    ) -> Iterator[pl.DataFrame]:
        row = 0
        for frame in blocks(local, layout, progress):
            kept = frame if mark else _good(frame, row, local.where, set_aside)
            row += frame.height
            if limit is not None:
                kept = kept.head(limit)
                limit -= kept.height
            if predicate is not None:
                kept = kept.filter(predicate)
            yield _projected(kept, columns if columns is not None else list(schema))
            if limit == 0:
                return

    return register_io_source(source, schema=schema, is_pure=set_aside is None)


def blocks(local: LocalFile, layout: Format, progress: Bar | None = None) -> Iterator[pl.DataFrame]:
    """The blocks of a CSV, its broken lines marked."""
    done = 0
    try:
        with local.stream() as (stream, position):
            for frame in Delimited(stream, local.where, layout.separator, layout.encoding).frames():
                yield frame
                if progress:
                    progress.advance(position() - done, "bytes")
                    done = position()
    except OSError as error:
        raise SourceError(f"{local.where}: cannot be read: {error.strerror or error}.") from None


def _projected(frame: pl.DataFrame, columns: list[str]) -> pl.DataFrame:
    return frame[columns] if columns else pl.DataFrame(height=frame.height)  # select([]) would lose the height


def _good(
    frame: pl.DataFrame, before: int, where: str, set_aside: Callable[[pl.DataFrame], None] | None
) -> pl.DataFrame:
    """The rows of a block that are whole."""
    if frame[BROKEN].null_count() == frame.height:
        return frame
    lines = frame.select(
        (pl.int_range(pl.len(), dtype=pl.Int64) + before + 1).alias("row"),
        pl.lit(None, dtype=pl.String).alias("column"),
        pl.col(BROKEN_TEXT).alias("value"),
        pl.lit("broken line").alias("rule"),
        pl.col(BROKEN).alias("expected"),
    ).filter(pl.col("expected").is_not_null())
    if set_aside is None:
        first = lines.row(0, named=True)
        raise SourceError(
            f"{where}, row {first['row']:,}: a broken line: expected {first['expected']}: {first['value'][:100]!r}. "
            "Correct the line, or take it out."
        )
    set_aside(lines)
    return frame.filter(pl.col(BROKEN).is_null())


def _typed(local: LocalFile, layout: Format) -> pl.LazyFrame:
    try:
        if local.kind == "excel":
            return _excel(local, layout).lazy()
        if local.packing == "none":
            table = pl.scan_parquet(local.path, glob=False)
        else:
            with local.stream() as (stream, _):
                table = pl.read_parquet(BytesIO(stream.read())).lazy()
        table.collect_schema()
    except ImportError as error:
        raise SourceError(f"{local.where}: {error}. Add it with: uv sync --extra excel.") from None
    except UNREADABLE as error:
        raise SourceError(f"{local.where}: cannot be read as {local.kind}: {first_line(error)}.") from None
    return table


def _excel(local: LocalFile, layout: Format) -> pl.DataFrame:
    import fastexcel

    with local.stream() as (stream, _):
        content = stream.read()
    try:
        book = fastexcel.read_excel(content)
    except fastexcel.FastExcelError as error:
        raise SourceError(f"{local.where}: cannot be read as excel: {first_line(error)}.") from None
    sheet = layout.sheet or book.sheet_names[0]
    if sheet not in book.sheet_names:
        raise SourceError(
            f"{local.where}: no sheet {sheet!r}.{nearest(sheet, book.sheet_names)} It has: "
            f"{', '.join(book.sheet_names)}."
        )
    logging.getLogger("fastexcel").setLevel(logging.ERROR)  # it says of an empty column that it has no type
    # By all rows: what does not fit a type that the first ones suggest would become null without a word.
    table = pl.read_excel(content, sheet_name=sheet, raise_if_empty=False, infer_schema_length=None)
    if not table.width:
        raise SourceError(f"{local.where}, sheet {sheet!r}: it is empty; expected a header row and rows below it.")
    return table


def _sink(table: pl.LazyFrame, draft: Path, out: Path, local: LocalFile) -> None:
    try:
        table.sink_parquet(draft, compression="zstd", compression_level=1)
    except UNREADABLE as error:
        said = first_line(error)
        # A damaged Parquet source may speak of thrift too.
        if isinstance(error, OSError) or (unwritable(error) if local.kind == "csv" else "os error" in said):
            raise SourceError(f"{out}: cannot be written: {said}. Is the disk full?") from None
        raise SourceError(f"{local.where}: cannot be read as {local.kind}: {said}.") from None


def _write(lines: pl.DataFrame, draft: Path, out: Path) -> None:
    try:
        sink_table(lines.lazy(), draft)
    except OSError as error:
        raise SourceError(f"{out}: cannot be written: {error.strerror or error}. Is the disk full?") from None


def first_line(error: BaseException) -> str:
    """What a library says, without its details."""
    return str(error).strip().split("\n", 1)[0].rstrip(".")


def _simulated(simulation: Simulation, out: Path, broken: Path) -> RawReport:
    from creditrisk.data.simulation.simulate import simulate

    with whole(broken) as draft_broken:
        report = simulate(simulation, out.parent, raw=out.name)
        _write(pl.DataFrame(schema=FAULTS), draft_broken, broken)
    origin = f"simulation, seed {simulation.seed}"
    return RawReport(report.rows, report.columns, 0, origin, None, report.to_json())
