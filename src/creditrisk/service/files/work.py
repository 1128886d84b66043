"""The work on one uploaded file, in a process of its own: scored piece by piece, recorded, then answered.

It is started with the model to score by and makes that ready while the file still comes; then it reads what to do as
JSON from standard input and writes the answers as CSV to standard output. A piece's answers are written when its record
is on the disk. Single applications that the worker answers meanwhile are not held up, and a file that would fill memory
(a compressed bomb) ends this process alone.
"""

from __future__ import annotations

import io
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NoReturn

import msgspec
import numpy as np
import polars as pl

from creditrisk.data.cleaning.clean_scoring import application_dates
from creditrisk.data.layout import scoring_layout
from creditrisk.data.reading.header import BROKEN, BROKEN_TEXT
from creditrisk.data.reading.pieces import pieces
from creditrisk.errors import CreditRiskError, ServiceError
from creditrisk.model import golden
from creditrisk.model.scorer import Scorer
from creditrisk.model.table_scorer import BATCH_ROWS, identifiers, mark_broken
from creditrisk.service.files.chunks import APPLICANT, DECISION, BeingScoredError, LocalChunks, chunks, folder_of
from creditrisk.service.files.job import NO_SPACE, TOO_BIG, WORKED_ON, WRONG_FILE, Job
from creditrisk.service.files.tally import Tally, tally

if TYPE_CHECKING:
    from creditrisk.service.files.postgres import RemoteChunks

WATCH_SECONDS = 0.1
APPLICANT_FIELD = "applicant_id"
SAID = 2_000
"""Characters of a refusal; names of columns that it quotes may be of any length."""


def main() -> None:
    """Do the work; the exit code says how it ended."""
    bundle, digest = sys.argv[1:]
    try:
        scorer = ready(Path(bundle), digest)
    except CreditRiskError as error:
        if sys.stdin.buffer.read():
            print(str(error), file=sys.stderr)
        _leave(1)
    told = sys.stdin.buffer.read()
    if not told:  # the request was refused, or its client left, while the file came
        _leave(0)
    job = msgspec.json.decode(told, type=Job)
    threading.Thread(target=_watch_memory, args=(job.max_memory_bytes,), daemon=True).start()
    out = sys.stdout.buffer
    try:
        work(job, scorer, out)
        out.flush()
        _leave(0)  # taking an interpreter down takes a tenth of a second, which the answer's end would wait for
    except BeingScoredError:
        _leave(WORKED_ON)
    except ServiceError:  # the database is away, or refuses
        _leave(NO_SPACE)
    except CreditRiskError as error:
        # The client never saw the path of the copy that was made of its file.
        said = str(error).replace(job.upload, "the file") if job.upload else str(error)
        print(said[:SAID], file=sys.stderr)
        _leave(WRONG_FILE)
    except pl.exceptions.PolarsError as error:
        print(f"the file cannot be read: {str(error).splitlines()[0][:300]}", file=sys.stderr)
        _leave(WRONG_FILE)
    except BrokenPipeError:
        _leave(1)
    except OSError as error:
        print(error.strerror, file=sys.stderr)
        _leave(NO_SPACE)


def _leave(code: int) -> NoReturn:
    sys.stderr.flush()
    os._exit(code)


def ready(bundle: Path, digest: str) -> Scorer:
    """The model of a bundle that a worker verified, loaded, and its golden rows replayed.

    Raises:
        BundleError: it is no longer what it was.
    """
    scorer = Scorer.load(bundle, digest)
    golden.replay_table(scorer, golden.read(bundle))
    return scorer


def work(job: Job, scorer: Scorer, out: BinaryIO) -> None:
    """Score, record and answer, the next pieces being scored while one is recorded."""
    kept = None if job.upload is None else _chunks(job)
    number = 0
    if job.again:
        for records in _recorded(job):
            answers = answers_of(records)
            _tell(job, Tally(answers.height, answers["pd"].count(), before=True))
            _answer(answers, number, out)
            number += 1
    if job.upload is None:
        return
    protected, limits = _protected(scorer), scorer.reference["pd"]["edges"]
    for piece, answers in _scored(job, scorer, kept.rows if kept is not None else 0):
        if kept is not None:
            days = application_dates(piece, scorer.contract, job.day)
            kept.write(*record(job, piece, answers, protected, days))
        _tell(job, tally(answers, limits))
        _answer(answers, number, out)
        number += 1
    if kept is not None:
        kept.close()
    if not number:
        raise CreditRiskError("the file holds no rows to score.")


def _tell(job: Job, found: Tally) -> None:
    os.write(2, found.line(job.mark))


def _answer(answers: pl.DataFrame, number: int, out: BinaryIO) -> None:
    text = io.BytesIO()
    answers.write_csv(text, include_header=number == 0)
    out.write(text.getbuffer())
    out.flush()


def _recorded(job: Job) -> Iterator[pl.DataFrame]:
    """The records of a file that was scored before, in order."""
    if job.audit == "postgres":
        from creditrisk.service.files.postgres import recorded

        return recorded(os.environ.get("DATABASE_URL"), job.file_id)
    return (pl.read_parquet(path) for path in chunks(folder_of(Path(job.state), job.file_id)))


def _chunks(job: Job) -> LocalChunks | RemoteChunks | None:
    """Where the file's records become durable; None where they are off."""
    if job.audit == "postgres":
        from creditrisk.service.files.postgres import RemoteChunks

        return RemoteChunks(os.environ.get("DATABASE_URL"), job.file_id, job.at)
    return None if job.audit == "off" else LocalChunks(Path(job.state), job.file_id)


def _scored(job: Job, scorer: Scorer, done: int) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
    """Pieces of the raw table behind the rows that are done, and what is answered to each.

    An id column that has the name of an answer gets `` (id)`` after it, as in ``row (id)``.
    """
    assert job.upload is not None
    layout = scoring_layout(Path(job.upload), scorer.contract, job.kind)
    start = done + 1
    for piece, answers in scorer.score_batches(pieces(Path(job.upload), BATCH_ROWS, layout, done), today=job.day):
        rows = pl.Series("row", np.arange(start, start + piece.height))
        start += piece.height
        answers = mark_broken(piece, answers)
        given = identifiers(scorer.contract, piece, (rows.name, "decision_id", *answers.columns))
        named = (pl.lit(f"{job.file_id}.") + rows.cast(pl.String)).alias("decision_id")
        yield piece, pl.DataFrame([rows]).hstack(given).with_columns(named).hstack(answers)


def _protected(scorer: Scorer) -> list[str]:
    contract = scorer.contract
    return [contract.raw_names[n] for n, column in contract.clean_columns.items() if column.role == "protected"]


def record(
    job: Job, piece: pl.DataFrame, answers: pl.DataFrame, protected: list[str], days: pl.Series | None
) -> tuple[pl.DataFrame, pl.DataFrame | None]:
    """What is kept of a piece: fields, answers and the days of application; and apart, the protected attributes."""
    given = [name for name in piece.columns if name not in (BROKEN, BROKEN_TEXT)]
    apart = [name for name in protected if name in given]
    # As series: to ``pl.col`` a name such as ``*`` or ``^age$`` is a pattern, which protected attributes may fit.
    fields = piece.select(
        _applicant(piece).alias(APPLICANT), *(piece[n].alias(f"field:{n}") for n in given if n not in apart)
    )
    said = answers.rename({name: f"answer:{name}" for name in answers.columns if name != "decision_id"})
    same = {"_key_id": job.key_id, "_purpose": job.purpose, "_version": f"{job.version}@{job.digest}"}
    records = said.rename({"decision_id": DECISION}).hstack(fields)
    records = records.with_columns(
        *(pl.lit(value, pl.String if value is None else pl.Enum([value])).alias(name) for name, value in same.items()),
        pl.lit(job.at).alias("_at"),
        pl.lit(days if days is None else days.dt.to_string(), pl.String).alias("_day"),
    )
    if not apart:
        return records, None
    return records, piece.select(apart).with_columns(records[DECISION])


def _applicant(piece: pl.DataFrame) -> pl.Expr:
    """The applicant of each row as an erasure names them: without spaces around, and a number without a fraction.

    Raises:
        CreditRiskError: the column holds what no erasure could name.
    """
    named = [name for name in piece.columns if name.strip().lower() == APPLICANT_FIELD]
    if not named:
        return pl.lit(None, pl.String)
    name = APPLICANT_FIELD if APPLICANT_FIELD in named else named[0]
    given, dtype = pl.col(name), piece[name].dtype
    if dtype.is_nested() or dtype == pl.Binary:
        raise CreditRiskError(f"column {name!r} of the table is of type {dtype}; expected texts or numbers.")
    if dtype.is_float():
        given = given.fill_nan(None)  # how pandas writes that there is none
    text = given.cast(pl.String)
    if dtype.is_float() or dtype.is_decimal():
        whole = given.cast(pl.Int64, strict=False)
        text = pl.when(whole == given).then(whole.cast(pl.String)).otherwise(text)
    return text.str.strip_chars().replace("", None)


def answers_of(records: pl.DataFrame) -> pl.DataFrame:
    """The answers in what ``record`` keeps."""
    said = [name for name in records.columns if name == DECISION or name.startswith("answer:")]
    return records.select(said).rename({n: "decision_id" if n == DECISION else n.removeprefix("answer:") for n in said})


def _watch_memory(limit: int) -> None:
    """End this process where it takes more memory than it may: a small file can unfold into a huge one."""
    page = os.sysconf("SC_PAGE_SIZE")
    statm = Path("/proc/self/statm")
    while statm.exists():
        if int(statm.read_text().split()[1]) * page > limit:
            _leave(TOO_BIG)
        time.sleep(WATCH_SECONDS)


if __name__ == "__main__":
    main()
