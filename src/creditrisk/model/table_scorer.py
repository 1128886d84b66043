"""The scorer's way for tables: the same answers as row by row, to the last bit, piece by piece on all cores."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

import polars as pl
import polars.selectors as cs

from creditrisk.data.characteristics import input_columns, parse_all
from creditrisk.data.cleaning.clean_scoring import ScoringCleaner
from creditrisk.data.reading.header import BROKEN
from creditrisk.in_order import cores, in_order
from creditrisk.model.blended import families_of
from creditrisk.model.reasons_table import ReasonsTable

if TYPE_CHECKING:
    from creditrisk.contract import Contract
    from creditrisk.model.scorer import Scorer

BATCH_ROWS = 50_000
"""Rows of a piece: enough to be worth its while, few enough that several of them take little memory."""
FEWEST_ROWS, FEWEST_TREE_ROWS = 7_500, 2_500
"""Rows below which a piece is not worth a thread of its own: what it costs whatever its rows, 15 ms, would count twice.
Rows through CatBoost's trees take longer."""


class TableScorer:
    """A scorer made ready for tables.

    Args:
        scorer: whose answers are given.
        reasons: at most so many for each row.
    """

    def __init__(self, scorer: Scorer, reasons: int) -> None:
        self._scorer = scorer
        self._characteristics = parse_all(scorer.contract).columns
        self._inputs = input_columns(scorer.contract)
        self._reasons = ReasonsTable(scorer.contract.inputs, scorer.medians, reasons)
        self._cleaners: dict[tuple[tuple[str, pl.DataType], ...], ScoringCleaner] = {}

    def frame(self, raw: pl.DataFrame, application_date: dt.date | None = None) -> pl.DataFrame:
        """Score a table in memory, see ``Scorer.score_frame``."""
        fewest = FEWEST_TREE_ROWS if "catboost" in families_of(self._scorer.model) else FEWEST_ROWS
        pieces = max(-(-raw.height // BATCH_ROWS), min(raw.height // fewest, cores()))
        if pieces <= 1:
            return as_texts(self._piece(raw, application_date))
        rows = -(-raw.height // pieces)
        work = partial(self._piece, application_date=application_date, today=dt.date.today())
        return as_texts(pl.concat(in_order(work, raw.iter_slices(rows), cores())))

    def batches(
        self, pieces: Iterable[pl.DataFrame], application_date: dt.date | None = None, today: dt.date | None = None
    ) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
        """Score a table that comes in pieces, see ``Scorer.score_batches``."""
        work = partial(self._with_raw, application_date=application_date, today=today or dt.date.today())
        return in_order(work, pieces, cores())

    def _with_raw(
        self, raw: pl.DataFrame, application_date: dt.date | None, today: dt.date
    ) -> tuple[pl.DataFrame, pl.DataFrame]:
        return raw, self._piece(raw, application_date, today)

    def _piece(self, raw: pl.DataFrame, application_date: dt.date | None, today: dt.date | None = None) -> pl.DataFrame:
        scorer, policy = self._scorer, self._scorer.policy
        clean = self._cleaner(raw.schema).clean(raw, application_date, today)
        good = clean["_fault"].is_null()
        # One after the other in this thread: the other pieces' threads keep the cores busy.
        table = clean.with_columns_seq(self._characteristics).select_seq(self._inputs)
        margin, contributions = scorer.model.explain(table)
        log_odds = scorer.calibrator.log_odds_vector(margin)
        pd = scorer.calibrator.pd_vector(margin)
        reasons = self._reasons.frame(table, contributions)
        answers = pl.DataFrame(
            {
                "pd": pd,
                "score": policy.score_vector(log_odds),
                "decision": policy.decide_vector(pd),
                "band": policy.band_vector(pd),
            }
        ).hstack(reasons)
        if not good.all():
            answers = answers.with_columns(pl.when(good).then(pl.all()))
        return answers.with_columns(
            clean["_fault"].fill_null("scored").alias("verdict"),
            clean["_warnings"].alias("warnings"),
        )

    def _cleaner(self, schema: pl.Schema) -> ScoringCleaner:
        """The rules made ready for a schema; the pieces of one table share it."""
        key = tuple(schema.items())
        if key not in self._cleaners:
            self._cleaners = {key: ScoringCleaner(self._scorer.contract, schema)}
        return self._cleaners[key]


def as_texts(answers: pl.DataFrame) -> pl.DataFrame:
    """Answers whose texts of few values are enums, with all of them as plain texts."""
    return answers.with_columns(cs.enum().cast(pl.String))


def identifiers(contract: Contract, piece: pl.DataFrame, taken: Sequence[str]) -> pl.DataFrame:
    """The contract's id columns of raw rows, to stand beside the answers.

    Args:
        contract: which names them.
        piece: the raw rows.
        taken: names of the answers' columns; an id column of such a name is called ``row (id)``, ``pd (id)`` and so on.
    """
    given = [contract.raw_names[name] for name in contract.id_columns if contract.raw_names[name] in piece.columns]
    names: dict[str, str] = {}
    for name in given:
        names[name] = name
        if name in taken:
            others = {*taken, *given, *names.values()}
            while names[name] in others:
                names[name] += " (id)"
    return piece.select(given).rename(names)


def mark_broken(piece: pl.DataFrame, answers: pl.DataFrame) -> pl.DataFrame:
    """Give each line of a scanned table (``broken="mark"``) that could not be read a verdict of its own, no answer."""
    broken = piece[BROKEN]
    if broken.null_count() == broken.len():
        return answers
    whole = pl.lit(broken.is_null())
    said = pl.lit("broken line: ") + pl.lit(broken)
    return answers.with_columns(pl.when(whole).then(pl.all())).with_columns(pl.col("verdict").fill_null(said))
