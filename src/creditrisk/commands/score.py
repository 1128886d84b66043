"""``main.py score TABLE --out FILE``: score a table of raw applications with the champion, streaming."""

from __future__ import annotations

import os
from argparse import Namespace
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import polars as pl

from creditrisk.commands.context import Context
from creditrisk.data.pieces import pieces
from creditrisk.data.source import scan
from creditrisk.errors import DataError, os_sentence
from creditrisk.model.scorer import Scorer
from creditrisk.model.table_scorer import BATCH_ROWS, as_texts, identifiers, mark_broken
from creditrisk.progress import Bar, bar

WRITERS = (".csv", ".parquet")


def command_score(context: Context, arguments: Namespace) -> None:
    """Score every row; one that cannot be scored gets a verdict that says why."""
    out = Path(arguments.out)
    if out.suffix not in WRITERS:
        raise DataError(f"--out {out}: it must end in .csv or .parquet.")
    scorer = load_scorer(context, arguments)
    table = Path(arguments.table)
    counts = score_file(scorer, table, out)
    scored = counts.pop("scored", 0)
    value = {"rows": scored + sum(counts.values()), "scored": scored, "not_scored": dict(counts.most_common(10))}
    context.show(
        value | {"out": str(out)},
        [
            ("rows", f"{value['rows']:,}"),
            ("scored", f"{scored:,}"),
            *[("not scored", f"{count:,}: {why}") for why, count in counts.most_common(5)],
            ("written to", str(out)),
        ],
    )


def load_scorer(context: Context, arguments: Namespace) -> Scorer:
    """The bundle named on the command line, else the portfolio's champion."""
    if arguments.bundle:
        return Scorer.load(Path(arguments.bundle))
    from creditrisk.tracking.registry import champion_bundle

    params = context.params(arguments.portfolio)
    return Scorer.load(*champion_bundle(context.project, params))


def score_file(scorer: Scorer, table: Path, out: Path) -> Counter[str]:
    """Write the answers for every row of ``table`` to ``out``; return how often each verdict was given.

    The file appears when it is complete. Columns: ``row`` (1-based), the contract's id columns under their raw names
    (one that an answer has too gets `` (id)`` after it, as in ``row (id)``), then the answers.
    """
    # The contract says how its own source is written; this table may be of another kind.
    layout = scorer.contract.source.format.model_copy(update={"kind": "auto", "member": None, "sheet": None})
    verdicts: Counter[str] = Counter()
    draft = out.with_name(f".{out.name}.{os.getpid()}")
    total = scan(table, layout).select(pl.len()).collect().item() if table.suffix == ".parquet" else None
    try:
        with bar(f"scoring {table.name}", total) as shown:
            frames = _answers(scorer, pieces(table, BATCH_ROWS, layout), verdicts, shown)
            _write(frames, draft, out.suffix)
        draft.replace(out)
    except DataError as error:
        raise DataError(f"{table}: {error}") from None
    except OSError as error:
        raise DataError(f"scoring {table} to {out}: {os_sentence(error)}. Nothing was written.") from None
    finally:
        draft.unlink(missing_ok=True)
    if not verdicts:
        raise DataError(f"{table}: no rows to score; nothing was written.")
    return verdicts


def _answers(scorer: Scorer, raw: Iterable[pl.DataFrame], verdicts: Counter[str], shown: Bar) -> Iterator[pl.DataFrame]:
    start = 1
    for piece, answers in scorer.score_batches(raw):
        rows = pl.Series("row", range(start, start + piece.height), dtype=pl.Int64)
        start += piece.height
        answers = mark_broken(piece, answers)
        for verdict, count in answers["verdict"].value_counts().iter_rows():
            verdicts[_rule(verdict)] += count
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
