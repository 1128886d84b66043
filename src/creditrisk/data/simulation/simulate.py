"""Simulated loan applications whose true probability of default is known.

Applicants are drawn (``population``), run into trouble or not (``risk``), and are written as a lender's system would
export them (``export``). Only those that a former, cruder policy approved are in the raw table; the outcomes that the
rejected would have had are kept aside. Rows come in the order of their number, not of their date, in chunks with a
random stream of their own, so the first n rows are the same however many are asked for, on any machine.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from polars.io.plugins import register_io_source

from creditrisk.contract import Simulation
from creditrisk.data.parquet import ParquetDraft
from creditrisk.data.simulation.export import CANCELLED_SHARE, RAW, raw_table
from creditrisk.data.simulation.population import draw
from creditrisk.data.simulation.risk import approved, true_pd
from creditrisk.errors import SourceError
from creditrisk.progress import Bar, bar

CHUNK = 1 << 16
"""Candidates drawn at a time."""
TRUTH, REJECTED = "truth.parquet", "rejected.parquet"
TRUTH_SCHEMA = pl.Schema({"application_id": pl.String(), "true_pd": pl.Float64()})
REJECTED_SCHEMA = pl.Schema({**RAW, "true_pd": pl.Float64()})


@dataclass(frozen=True)
class SimulationReport:
    """What was made."""

    rows: int
    """Of the raw table: exactly as many as asked for, a few rows exported twice among them."""
    columns: int
    rejected: int
    bad_rate: float
    """Of the raw table's final outcomes."""
    oracle_auc: float
    """Of the true PD on the raw table's final outcomes: no model can be expected to do better. 0 for one class."""

    def to_json(self) -> dict[str, Any]:
        """As the stage writes it."""
        return asdict(self)


@dataclass
class _Tally:
    """What ``SimulationReport`` needs, in bounded memory: outcomes by bins of the true log-odds."""

    rows: int = 0
    rejected: int = 0

    def __post_init__(self) -> None:
        self.good = np.zeros(20_001, dtype=np.int64)
        self.bad = np.zeros(20_001, dtype=np.int64)

    def add(self, pd: NDArray[np.float64], outcome: NDArray[np.int64]) -> None:
        """Count outcomes."""
        bins = np.clip(np.round((np.log(pd / (1 - pd)) + 10) * 1_000), 0, 20_000).astype(np.int64)
        self.good += np.bincount(bins[outcome == 0], minlength=self.good.size)
        self.bad += np.bincount(bins[outcome == 1], minlength=self.bad.size)

    def auc(self) -> float:
        """Chance that a bad has the higher PD than a good."""
        below = np.cumsum(self.good) - self.good / 2
        pairs = int(self.good.sum()) * int(self.bad.sum())
        return float((self.bad * below).sum() / pairs) if pairs else 0.0


@dataclass(frozen=True)
class _Piece:
    """One chunk: raw rows, and those rejected; truth in the same order as the raw rows, without repeats."""

    raw: pl.DataFrame
    number: NDArray[np.int64]
    pd: NDArray[np.float64]
    outcome: NDArray[np.int64]
    rejected: pl.DataFrame
    rejected_number: NDArray[np.int64]

    def cut(self, rows: int) -> _Piece:
        """The first rows, and what was decided until then."""
        if rows >= self.raw.height:
            return self
        raw = self.raw.head(rows)
        last = int(raw["application_id"][-1]) - 1
        kept, seen = self.number <= last, self.rejected_number < last
        number, pd, outcome = self.number[kept], self.pd[kept], self.outcome[kept]
        return _Piece(raw, number, pd, outcome, self.rejected.filter(pl.Series(seen)), self.rejected_number[seen])


def simulate(simulation: Simulation, folder: Path, progress: bool = True, raw: str = "raw.parquet") -> SimulationReport:
    """Write a simulated portfolio into a folder; all files appear when they are complete.

    - ``raw.parquet``: exactly ``simulation.rows`` rows under the raw names of ``export.RAW``. About 0.3 % have a wrong
      value, and 0.05 % repeat the row before them. The true PD is not in it.
    - ``truth.parquet``: ``application_id`` and ``true_pd`` of each application of the raw table.
    - ``rejected.parquet``: applications that the former policy rejected, with the outcome they would have had and
      ``true_pd``; empty where ``approved_only`` is off.

    Args:
        simulation: rows, months, seed, label noise and shocks.
        folder: where the files go.
        progress: whether to show a bar.
        raw: the raw table's file name.

    Raises:
        SourceError: the files cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    drafts = {name: folder / f".{name}.{os.getpid()}" for name in (raw, TRUTH, REJECTED)}
    tally = _Tally()
    try:
        with ExitStack() as stack:
            truth = stack.enter_context(ParquetDraft(drafts[TRUTH], TRUTH_SCHEMA))
            rejected = stack.enter_context(ParquetDraft(drafts[REJECTED], REJECTED_SCHEMA))
            shown = stack.enter_context(bar("simulating applications", simulation.rows)) if progress else None

            def source(*_: object) -> Iterator[pl.DataFrame]:
                yield from _written(simulation, truth, rejected, tally, shown)

            table = register_io_source(source, schema=RAW)
            table.sink_parquet(drafts[raw], compression="zstd", compression_level=1)
        for name, draft in drafts.items():
            draft.replace(folder / name)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise SourceError(f"{folder}: the simulation cannot be written: {error}. Is the disk full?") from None
    finally:
        for draft in drafts.values():
            draft.unlink(missing_ok=True)
    known = int(tally.good.sum() + tally.bad.sum())
    bad_rate = int(tally.bad.sum()) / known if known else 0.0
    return SimulationReport(tally.rows, len(RAW), tally.rejected, bad_rate, tally.auc())


def true_pd_of(truth: Path, ids: pl.Series) -> NDArray[np.float64]:
    """The true PD of some applications, shape (n,), in the order of their ids; NaN where one is not known."""
    wanted = pl.LazyFrame({"application_id": ids.cast(pl.String)}).with_row_index("place")
    known = pl.scan_parquet(truth)
    found = wanted.join(known, on="application_id", how="left", maintain_order="left").collect(engine="streaming")
    return found.sort("place")["true_pd"].fill_null(float("nan")).to_numpy()


def oracle_auc(truth: Path, ids: pl.Series, y: NDArray[np.float64]) -> float:
    """The AUC of the true PD itself on given rows: what a model that knows everything reaches.

    Args:
        truth: the simulation's ``truth.parquet``.
        ids: (n,) application ids of the rows.
        y: (n,) 1.0 bad, 0.0 good.

    Raises:
        SourceError: an id is not one of the simulation's, or the rows are of one class.
    """
    pd = true_pd_of(truth, ids)
    if np.isnan(pd).any():
        unknown = ids.filter(pl.Series(np.isnan(pd)))
        raise SourceError(
            f"{truth}: no true PD of {unknown.len():,} of the rows, such as {unknown[0]!r}; simulate again."
        )
    bad = y == 1.0
    if bad.all() or not bad.any():
        raise SourceError(f"{truth}: the {y.size:,} rows are all of one class, so there is no AUC.")
    ranks = pl.Series(pd).rank("average").to_numpy()
    count = int(bad.sum())
    return float((ranks[bad].sum() - count * (count + 1) / 2) / (count * (y.size - count)))


def _written(
    simulation: Simulation, truth: ParquetDraft, rejected: ParquetDraft, tally: _Tally, shown: Bar | None
) -> Iterator[pl.DataFrame]:
    chunk = 0
    while tally.rows < simulation.rows:
        piece = _piece(simulation, chunk).cut(simulation.rows - tally.rows)
        chunk += 1
        truth.write(pl.DataFrame({"application_id": _ids(piece.number), "true_pd": piece.pd}, schema=TRUTH_SCHEMA))
        rejected.write(piece.rejected)
        tally.add(piece.pd, piece.outcome)
        tally.rows += piece.raw.height
        tally.rejected += piece.rejected.height
        if shown:
            shown.advance(piece.raw.height, "rows")
        yield piece.raw


def _piece(simulation: Simulation, chunk: int) -> _Piece:
    seed = np.random.SeedSequence(simulation.seed, spawn_key=(chunk,))
    random = np.random.Generator(np.random.PCG64(seed))
    applicants = draw(random, chunk * CHUNK, CHUNK, simulation)
    noise, luck, u = random.standard_normal(CHUNK), random.random((3, CHUNK)), random.random((8, CHUNK))
    pd = true_pd(applicants, simulation)
    defaulted = (luck[0] < pd) ^ (luck[1] < simulation.label_noise)
    outcome = np.where(luck[2] < CANCELLED_SHARE, 2, defaulted.astype(np.int64))
    passed = approved(applicants, noise) if simulation.approved_only else np.ones(CHUNK, dtype=bool)
    kept, out = np.flatnonzero(passed), np.flatnonzero(~passed)
    untouched = u[:, out]
    untouched[6:] = 1.0  # no wrong values and no repeats among the rejected
    rejected = raw_table(applicants.take(out), simulation, outcome[out], untouched)
    return _Piece(
        raw=raw_table(applicants.take(kept), simulation, outcome[kept], u[:, kept]),
        number=applicants.number[kept],
        pd=pd[kept],
        outcome=outcome[kept],
        rejected=rejected.with_columns(pl.Series("true_pd", pd[out])),
        rejected_number=applicants.number[out],
    )


def _ids(number: NDArray[np.int64]) -> pl.Series:
    return pl.Series(number + 1).cast(pl.String).str.zfill(9)
