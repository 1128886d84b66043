"""``main.py score TABLE --out FILE``: score a table of raw applications with the champion, streaming."""

from __future__ import annotations

import datetime as dt
from argparse import Namespace
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from creditrisk.commands.context import Context
from creditrisk.contract import Format
from creditrisk.data.cleaning.clean_scoring import given_dates
from creditrisk.data.layout import scoring_layout
from creditrisk.data.reading.pieces import pieces
from creditrisk.data.reading.source import scan
from creditrisk.errors import DataError
from creditrisk.model.scorer import Scorer
from creditrisk.model.table_scorer import BATCH_ROWS, as_texts, identifiers, mark_broken
from creditrisk.paths import whole
from creditrisk.progress import Bar, bar

WRITERS = (".csv", ".parquet")


@dataclass
class Scored:
    """What became of a table."""

    layout: Format
    """How it was read."""
    today: dt.date
    """The day that is counted from in rows without a day of application."""
    verdicts: Counter[str] = field(default_factory=Counter)
    """How often each verdict was given, without the values in it."""
    undated: int = 0
    """Rows scored without a day of application; 0 where the contract knows no time."""


def command_score(context: Context, arguments: Namespace) -> None:
    """Score every row; one that cannot be scored gets a verdict that says why."""
    table, out = Path(arguments.table), Path(arguments.out)
    check_out(table, out)
    scorer = load_scorer(context, arguments)
    found = score_file(scorer, table, out)
    bad = Counter(found.verdicts)
    scored = bad.pop("scored", 0)
    rows = found.verdicts.total()
    notes = _notes(found, scorer.contract.source.format)
    context.show(
        {
            "rows": rows,
            "scored": scored,
            "not_scored": dict(bad.most_common(10)),
            "read_as": dict(notes).get("read as"),
            "counted_from": str(found.today) if found.undated else None,
            "rows_without_date": found.undated,
            "out": str(out),
        },
        [
            ("rows", f"{rows:,}"),
            ("scored", f"{scored:,}"),
            *[("not scored", f"{count:,}: {why}") for why, count in bad.most_common(5)],
            *notes,
            ("written to", str(out)),
        ],
    )


def _notes(found: Scored, usual: Format) -> list[tuple[str, str]]:
    """What was taken for granted."""
    notes = []
    read = (found.layout.encoding, found.layout.separator)
    if read != (usual.encoding, usual.separator):
        notes.append(("read as", f"{read[0]}, parted by {read[1]!r}"))
    if found.undated:
        notes.append(("counted from", f"{found.today} (today) in {found.undated:,} rows without a day of application"))
    return notes


def check_out(table: Path, out: Path) -> None:
    """See that answers can be written there and take the place of no table that is to be scored.

    Raises:
        DataError: what is wrong with ``--out``.
    """
    if out.suffix not in WRITERS:
        raise DataError(f"--out {out}: it must end in .csv or .parquet.")
    if not out.parent.is_dir():
        raise DataError(f"--out {out}: there is no folder {out.parent}; make it, or name another.")
    if out.is_dir():
        raise DataError(f"--out {out}: it is a folder; name a file.")
    if out.exists() and table.exists() and out.samefile(table):
        raise DataError(f"--out {out}: it is the table to score, {table}; name another file for the answers.")


def load_scorer(context: Context, arguments: Namespace) -> Scorer:
    """The bundle named on the command line, else the portfolio's champion."""
    if arguments.bundle:
        return Scorer.load(Path(arguments.bundle))
    from creditrisk.tracking.registry import champion_bundle

    params = context.params(arguments.portfolio)
    return Scorer.load(*champion_bundle(context.project, params))


def score_file(scorer: Scorer, table: Path, out: Path) -> Scored:
    """Write the answers for every row of ``table`` to ``out``.

    The file appears when it is complete; what stood there before stays where it is not. Columns: ``row`` (1-based), the
    contract's id columns under their raw names (one that an answer has too gets `` (id)`` after it, as in
    ``row (id)``), then the answers.

    Raises:
        SourceError: the table cannot be read.
        DataError: it lacks a column or has no rows, or ``out`` cannot be written.
    """
    found = Scored(scoring_layout(table, scorer.contract), dt.date.today())
    total = scan(table, found.layout).select(pl.len()).collect().item() if table.suffix == ".parquet" else None
    try:
        with whole(out) as draft:
            with bar(f"scoring {table.name}", total) as shown:
                _write(_answers(scorer, pieces(table, BATCH_ROWS, found.layout), found, shown), draft, out.suffix)
            if not found.verdicts:
                raise DataError("no rows to score; nothing was written.")
    except DataError as error:
        raise DataError(f"{table}: {error}") from None
    except OSError as error:
        why = error.strerror or str(error).partition("\n")[0]
        raise DataError(f"scoring {table} to {out}: {why}. Nothing was written.") from None
    return found


def _answers(scorer: Scorer, raw: Iterable[pl.DataFrame], found: Scored, shown: Bar) -> Iterator[pl.DataFrame]:
    start = 1
    for piece, answers in scorer.score_batches(raw, today=found.today):
        rows = pl.Series("row", range(start, start + piece.height), dtype=pl.Int64)
        start += piece.height
        answers = mark_broken(piece, answers)
        for verdict, count in answers["verdict"].value_counts().iter_rows():
            found.verdicts[_rule(verdict)] += count
        days = given_dates(piece, scorer.contract)
        if days is not None:
            found.undated += int((days.is_null() & (answers["verdict"] == "scored")).sum())
        shown.advance(piece.height, "rows")
        given = identifiers(scorer.contract, piece, (rows.name, *answers.columns))
        yield pl.DataFrame([rows]).hstack(given).hstack(answers)


def _rule(verdict: str) -> str:
    """A verdict without the value in it, so that alike ones are counted together."""
    return verdict.split(", found", maxsplit=1)[0]


def _write(frames: Iterator[pl.DataFrame], path: Path, kind: str) -> None:
    if kind == ".csv":
        with path.open("wb") as file:
            for number, frame in enumerate(frames):
                frame.write_csv(file, include_header=number == 0)
        return
    import pyarrow.parquet as pq

    writer = None
    try:
        for frame in frames:
            arrow = as_texts(frame).to_arrow()
            writer = writer or pq.ParquetWriter(path, arrow.schema, compression="zstd")
            writer.write_table(arrow)
    finally:
        if writer:
            writer.close()
