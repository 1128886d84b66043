"""The model that answers now: a verified bundle, compiled, with what does not change from answer to answer."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import msgspec

from creditrisk.model import golden
from creditrisk.model.bundle import verify
from creditrisk.model.scorer import Scorer
from creditrisk.service.problem import FieldError, Problem, field_error, invalid_application, invalid_request
from creditrisk.service.scoring.schema import Fields, Purpose, Request, Scalar, day, no_day
from creditrisk.service.scoring.wrong import faults_of_request, undecodable


class Reason(msgspec.Struct, frozen=True):
    """One reason: what raises the risk, in words, and the log-odds it adds to the average applicant's."""

    characteristic: str
    text: str
    contribution: float


class ModelNamed(msgspec.Struct, frozen=True):
    """Which model answered."""

    name: str
    version: str
    digest: str


class ScoreAnswer(msgspec.Struct, frozen=True):
    """The answer to one application."""

    decision_id: str
    pd: float
    score: int
    band: str
    decision: str
    reasons: list[Reason]
    warnings: list[FieldError]
    application_date: str | None
    purpose: Purpose
    model: ModelNamed


@dataclass(frozen=True)
class Live:
    """A bundle that has been verified and whose golden rows gave what they gave where it was made."""

    scorer: Scorer
    named: ModelNamed
    folder: Path

    @classmethod
    def load(cls, folder: Path, name: str, version: str, digest: str | None = None) -> Live:
        """Verify, compile and replay.

        Raises:
            BundleError: a file was changed, or it does not answer here as it did where it was made.
        """
        manifest = verify(folder, digest)
        scorer = Scorer.from_files(folder, manifest)
        golden.replay(scorer, golden.read(folder))
        return cls(scorer, ModelNamed(name, version, manifest.digest), folder)

    @cached_property
    def fields(self) -> Fields:
        """What the contract says of an application."""
        return Fields(self.scorer.contract)

    @cached_property
    def label(self) -> str:
        """Version and digest as records hold them."""
        return f"{self.named.version}@{self.named.digest}"

    def answer(self, request: Request, identifier: str) -> ScoreAnswer:
        """Score one application.

        Raises:
            Problem: 422 with every wrong field.
        """
        errors = self.fields.check(request.application)
        try:
            when = None if request.application_date is None else day(request.application_date)
        except ValueError:
            wrong = no_day(str(request.application_date))
            raise invalid_request([wrong, *self.wrong_fields(request.application)]) from None
        found = self.scorer.score_row(request.application, when)
        if errors or found.faults:
            raise invalid_application(self.wrong_fields(request.application, when))
        assert found.pd is not None
        assert found.score is not None
        assert found.decision is not None
        return ScoreAnswer(
            identifier,
            found.pd,
            found.score,
            self.scorer.policy.band(found.pd),
            found.decision,
            [Reason(*reason) for reason in found.reasons],
            [field_error(warning) for warning in found.warnings] if found.warnings else _NONE,
            _iso(found.application_date),
            request.purpose,
            self.named,
        )

    def wrong_fields(self, application: dict[str, Scalar], when: dt.date | None = None) -> list[FieldError]:
        """Every wrong field of an application; for the refusal alone, since it does all over again."""
        errors = self.fields.check(application)
        named = {error.field for error in errors}
        faults = self.scorer.score_row(application, when).faults
        return [*errors, *(field_error(fault) for fault in faults if fault.column not in named)]

    def unreadable(self, body: bytes, error: Exception) -> Problem:
        """Say what is wrong with a body that is no request."""
        return undecodable(body, error, lambda body: faults_of_request(body, self.fields.known, self.wrong_fields))


_NONE: list[FieldError] = []


def _iso(date: dt.date | None) -> str | None:
    return None if date is None else date.isoformat()


__all__ = ["Live", "ModelNamed", "Reason", "ScoreAnswer"]
