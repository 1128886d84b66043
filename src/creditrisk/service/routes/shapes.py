"""The shapes of answers about records, for the OpenAPI document alone: the routes write them piece by piece."""

from __future__ import annotations

import datetime as dt
from typing import Any, Literal

import msgspec

from creditrisk.service.records.explain import Explanation

Decision = Literal["approve", "refer", "decline"]
Verdict = Literal["approve", "decline"]


class DecisionLine(msgspec.Struct):
    """One decision in a list."""

    decision_id: str
    at: dt.datetime
    decision: Decision | None
    """Null for a row of a file that could not be scored; ``answer.verdict`` says why."""
    verdict: Verdict | None
    """A person's, after a refer."""
    pd: float | None
    score: int | None
    band: str | None
    applicant_id: str | None
    purpose: Literal["decision", "simulation"]
    version: str
    """The model's, as VERSION@DIGEST."""


class DecisionPage(msgspec.Struct):
    """Decisions, newest first."""

    decisions: list[DecisionLine]
    cursor: str | None
    """For the next page; null on the last one."""
    complete: bool
    """False where a database did not answer, so that older decisions may be missing."""


class ReviewRecorded(msgspec.Struct):
    """A person's verdict, on record."""

    review_id: str
    decision_id: str
    at: dt.datetime
    verdict: Verdict
    who: str
    why: str


class OutcomeRecorded(msgspec.Struct):
    """How a loan went, on record."""

    outcome_id: str
    at: dt.datetime
    decision_id: str
    outcome: Literal["good", "bad"]
    observed_on: dt.date


class OutcomesRecorded(msgspec.Struct):
    """Outcomes, on record, in the order they were sent."""

    recorded: list[OutcomeRecorded]


class DecisionRecord(DecisionLine):
    """All that is on record about one decision."""

    key_id: str | None
    request: dict[str, Any]
    answer: dict[str, Any]
    reviews: list[ReviewRecorded]
    outcomes: list[OutcomeRecorded]
    explanation: Explanation | None
    """What a declined applicant may ask for."""
    complete: bool


SHAPES: tuple[type, ...] = (DecisionPage, DecisionRecord, ReviewRecorded, OutcomesRecorded)
