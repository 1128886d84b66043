"""The scorer: a verified bundle, compiled to score one raw application or a table of them.

Both ways give the same answer to the last bit: the row function and the Polars expressions come from the same
checked trees, the runtimes add in the same order, and calibrator and policy use the same operations.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from creditrisk.contract import Contract
from creditrisk.data.characteristics import add_characteristics, inputs_frame
from creditrisk.data.clean_scoring import ScoringCleaner
from creditrisk.data.delimited import BROKEN
from creditrisk.data.row import Fault, compile_row
from creditrisk.decision import Decision, Policy
from creditrisk.errors import BundleError
from creditrisk.in_order import cores, in_order
from creditrisk.model.bundle import Manifest, verify
from creditrisk.model.calibration import Calibrator, calibrator_from_json
from creditrisk.model.family import Model, load_model
from creditrisk.model.reasons import ReasonGiven, compile_reasons
from creditrisk.model.reasons_table import reasons_frame

REASONS = 4
BATCH_ROWS = 50_000
FEWEST_ROWS = 10_000
"""Rows below which a piece is not worth a thread of its own."""


class Answer(NamedTuple):
    """What is said of one application; without a PD where ``faults`` says why it cannot be scored."""

    pd: float | None
    score: int | None
    decision: Decision | None
    reasons: tuple[ReasonGiven, ...]
    faults: tuple[Fault, ...]
    warnings: tuple[Fault, ...]
    application_date: dt.date | None = None
    """The day that was counted from, where the contract has a time column."""


class Scorer:
    """A bundle ready to score."""

    def __init__(
        self,
        contract: Contract,
        model: Model,
        calibrator: Calibrator,
        policy: Policy,
        reference: dict[str, Any],
        manifest: Manifest | None = None,
    ) -> None:
        self.manifest, self.contract, self.model = manifest, contract, model
        self.calibrator, self.policy, self.reference = calibrator, policy, reference
        self.medians = {name: entry.get("median") for name, entry in reference["inputs"].items()}
        self._cleaners: dict[tuple[tuple[str, pl.DataType], ...], ScoringCleaner] = {}
        self._row = compile_row(contract)
        self._model_row = model.row()
        self._decided = policy.compiled()
        self._reasons = compile_reasons(contract.inputs, self.medians, REASONS)

    @classmethod
    def load(cls, folder: Path, digest: str | None = None) -> Scorer:
        """Verify a bundle and compile it.

        Raises:
            BundleError: a file is missing or changed, or does not fit the others.
        """
        manifest = verify(folder, digest)
        return cls.from_files(folder, manifest)

    @classmethod
    def from_files(cls, folder: Path, manifest: Manifest | None = None) -> Scorer:
        """Compile a bundle whose files have been checked, or one that is just being made and has no manifest yet."""
        contract = Contract.from_text((folder / "contract.yaml").read_text(encoding="utf-8"), f"{folder}/contract.yaml")
        contract.check_expressions()
        model = load_model(folder / "model")
        if [i.name for i in model.inputs] != [i.name for i in contract.inputs]:
            raise BundleError(
                f"{folder}: the model's inputs are not those of the contract beside it; the bundle is refused."
            )
        return cls(
            contract,
            model,
            calibrator_from_json(_json(folder / "calibration.json")),
            Policy.model_validate(_json(folder / "policy.json")),
            _json(folder / "reference.json"),
            manifest,
        )

    def score_row(self, raw: Mapping[str, Any], application_date: dt.date | None = None) -> Answer:
        """Score one application given by raw column names (a CSV row, a JSON body, a record of a data frame)."""
        row = self._row(raw, application_date)
        if row.faults:
            return Answer(None, None, None, (), tuple(row.faults), tuple(row.warnings), row.application_date)
        margin, contributions = self._model_row(row.values)
        pd = self.calibrator.pd(margin)
        score, decision = self._decided(self.calibrator.log_odds(margin), pd)
        reasons = tuple(self._reasons(row.values, contributions))
        # As Answer(...) does, in a third of the time.
        return tuple.__new__(Answer, (pd, score, decision, reasons, (), tuple(row.warnings), row.application_date))

    def score_frame(self, raw: pl.DataFrame, application_date: dt.date | None = None) -> pl.DataFrame:
        """Score a table with raw column names; any type a reader gives (texts of a CSV, numbers of Parquet).

        Returns:
            One row for each of ``raw``, in its order: pd, score, decision, band, reason_1..4, characteristic_1..4,
            verdict (``scored`` or why not) and warnings.
        """
        rows = min(BATCH_ROWS, max(FEWEST_ROWS, -(-raw.height // cores())))
        if raw.height <= rows:
            return self._score_piece(raw, application_date)
        work = partial(self._score_piece, application_date=application_date)
        return pl.concat(in_order(work, raw.iter_slices(rows), cores()))

    def score_batches(
        self, raw: pl.LazyFrame, application_date: dt.date | None = None
    ) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
        """Score a lazy table piece by piece in bounded memory, on all cores; yields (raw rows, answers) in order."""
        work = partial(self._score_with, application_date=application_date)
        return in_order(work, raw.collect_batches(chunk_size=BATCH_ROWS, maintain_order=True), cores())

    def _score_with(self, raw: pl.DataFrame, application_date: dt.date | None) -> tuple[pl.DataFrame, pl.DataFrame]:
        return raw, self._score_piece(raw, application_date)

    def _score_piece(self, raw: pl.DataFrame, application_date: dt.date | None) -> pl.DataFrame:
        clean = self._cleaner(raw.schema).clean(raw, application_date)
        good = clean["_fault"].is_null()
        table = inputs_frame(add_characteristics(clean.lazy(), self.contract), self.contract).collect()
        margin, contributions = self.model.explain(table)
        log_odds = self.calibrator.log_odds_vector(margin)
        pd = self.calibrator.pd_vector(margin)
        reasons = reasons_frame(self.contract.inputs, self.medians, table, contributions, REASONS)
        answers = pl.DataFrame(
            {
                "pd": pd,
                "score": self.policy.score_vector(log_odds),
                "decision": self.policy.decide_vector(pd),
                "band": self.policy.band_vector(pd),
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
            self._cleaners = {key: ScoringCleaner(self.contract, schema)}
        return self._cleaners[key]


def mark_broken(piece: pl.DataFrame, answers: pl.DataFrame) -> pl.DataFrame:
    """Give each line of a scanned table (``broken="mark"``) that could not be read a verdict of its own, no answer."""
    broken = piece[BROKEN]
    if broken.null_count() == broken.len():
        return answers
    whole = pl.lit(broken.is_null())
    said = pl.lit("broken line: ") + pl.lit(broken)
    return answers.with_columns(pl.when(whole).then(pl.all())).with_columns(pl.col("verdict").fill_null(said))


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BundleError(f"{path}: cannot be read: {error}; the bundle is refused.") from None
    if not isinstance(value, dict):
        raise BundleError(f"{path}: expected an object; the bundle is refused.")
    return value


def largest_difference(found: pl.Series, expected: pl.Series) -> float:
    """The largest absolute difference of two numeric columns, 0 where both are null; infinite where only one is."""
    if bool((found.is_null() != expected.is_null()).any()):
        return float("inf")
    difference = np.abs((found - expected).drop_nulls().to_numpy())
    return float(difference.max()) if difference.size else 0.0
