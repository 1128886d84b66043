"""The scorer: a verified bundle, compiled to score one raw application or a table of them.

Both ways give the same answer to the last bit: the row function and the Polars expressions come from the same
checked trees, the runtimes add in the same order, and calibrator and policy use the same operations.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import ValidationError

from creditrisk.contract import Contract
from creditrisk.data.row import Fault, compile_row
from creditrisk.decision import Decision, Policy
from creditrisk.errors import BundleError
from creditrisk.model.bundle import Manifest, verify
from creditrisk.model.calibration import Calibrator, calibrator_from_json
from creditrisk.model.family import Model, load_model
from creditrisk.model.reasons import ReasonGiven, compile_reasons
from creditrisk.settings import explain

if TYPE_CHECKING:
    import polars as pl

    from creditrisk.model.table_scorer import TableScorer

REASONS = 4


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
        contract.check_expressions(f"{folder}/contract.yaml")
        model = load_model(folder / "model")
        if [i.name for i in model.inputs] != [i.name for i in contract.inputs]:
            raise BundleError(
                f"{folder}: the model's inputs are not those of the contract beside it; the bundle is refused."
            )
        return cls(
            contract,
            model,
            calibrator_from_json(_json(folder / "calibration.json")),
            _policy(folder / "policy.json"),
            _reference(folder / "reference.json"),
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
        return self._tables.frame(raw, application_date)

    def score_batches(
        self, pieces: Iterable[pl.DataFrame], application_date: dt.date | None = None, today: dt.date | None = None
    ) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
        """Score a table that comes in pieces, on all cores; yields (raw rows, answers) in order.

        No more than a piece for each core and one are held at a time.

        Answers are those of ``score_frame``, but that decision, band and characteristics are enums: they are written
        as such, without looking each text up again.

        Args:
            pieces: applications under raw names, such as ``reading.pieces`` reads.
            application_date: the day of application of all rows.
            today: the day of those that have none else; the clock's, once for all pieces, where absent.
        """
        return self._tables.batches(pieces, application_date, today)

    @cached_property
    def _tables(self) -> TableScorer:
        from creditrisk.model.table_scorer import TableScorer  # the service scores rows and needs no table engine

        return TableScorer(self, REASONS)


def _policy(path: Path) -> Policy:
    try:
        return Policy.model_validate(_json(path))
    except ValidationError as error:
        raise BundleError(explain(error, str(path))) from None


def _reference(path: Path) -> dict[str, Any]:
    """The reference; what scoring reads of it, the medians, is checked."""
    reference = _json(path)
    inputs = reference.get("inputs")
    entries = inputs.values() if isinstance(inputs, dict) else [None]
    if not all(isinstance(entry, dict) and isinstance(entry.get("median"), float | int | None) for entry in entries):
        raise BundleError(f"{path}: expected inputs with a median, a number or none, each; the bundle is refused.")
    return reference


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise BundleError(f"{path}: cannot be read: {error}; the bundle is refused.") from None
    if not isinstance(value, dict):
        raise BundleError(f"{path}: expected an object; the bundle is refused.")
    return value
