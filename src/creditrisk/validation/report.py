"""The validation report: one self-contained HTML file for whoever must be able to believe the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from creditrisk.decision import Policy
from creditrisk.paths import whole
from creditrisk.validation.calibration import CalibrationCheck
from creditrisk.validation.comparison import Comparison
from creditrisk.validation.fairness import Impact
from creditrisk.validation.metrics import Evaluation
from creditrisk.validation.plots import Drawn
from creditrisk.validation.summary import Band, Influence

NOT_CHECKED = (
    "Whether the characteristics are conceptually sound and may lawfully be used: a person must judge that.",
    "Applicants who were declined in the past: their outcomes are not in the table, so the figures hold for the "
    "kind of applicant who was granted a loan.",
    "Differences of error between groups (equal opportunity, calibration by group); only approval rates are compared.",
    "Behaviour under economic conditions that the table does not cover.",
    "Loss given default and exposure: the model speaks of the probability of default alone.",
)
"""What this evaluation leaves open, whatever the portfolio."""


@dataclass(frozen=True)
class PartFacts:
    """One part of the rows."""

    name: str
    rows: int
    bad_rate: float | None
    first: str | None = None
    """First application date, where there is one."""
    last: str | None = None
    used: bool = True


@dataclass(frozen=True)
class DataFacts:
    """Where the rows came from and where they went."""

    rows_read: int
    rows_quarantined: int
    parts: Sequence[PartFacts] = ()
    other_counts: Mapping[str, int] = field(default_factory=dict)
    """More counts by their names, such as rows excluded by the population filter."""
    digests: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 by what it is of."""
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class ModelFacts:
    """What was fitted and how it was chosen."""

    family: str
    inputs: int
    settings: Mapping[str, Any]
    """Nested settings, shown by their dotted names."""
    leaderboard: Sequence[Mapping[str, Any]] = ()
    """Candidates on inner folds, the best first; every row has the same keys."""
    restrictions: Sequence[str] = ()
    """Sentences: monotone directions, inputs left out, and so on."""
    bundle: str = ""
    version: str = ""


@dataclass(frozen=True)
class CleaningRule:
    """How often one rule of cleaning acted."""

    rule: str
    column: str
    rows: int
    effect: str = ""
    """What was done: set to missing, clipped, quarantined, ..."""


@dataclass(frozen=True)
class ReportContext:
    """Everything a report may tell; what is absent is left out of the page."""

    title: str
    portfolio: str
    evaluation: Evaluation
    description: str = ""
    source: str = ""
    licence: str = ""
    made: str = ""
    """When and with which version, as text."""
    oracle_auc: float | None = None
    """The AUC of the true PD, where a simulation knows it: no model can be better."""
    train_auc: float | None = None
    data: DataFacts | None = None
    model: ModelFacts | None = None
    calibrator: Mapping[str, Any] | None = None
    """What ``Calibrator.to_json`` gave."""
    calibration: CalibrationCheck | None = None
    pictures: Sequence[Drawn] = ()
    influences: Sequence[Influence] = ()
    policy: Policy | None = None
    bands: Sequence[Band] = ()
    fairness: Sequence[Impact] = ()
    stability: Mapping[str, float] | None = None
    """PSI of training against test rows, by title."""
    comparison: Comparison | None = None
    """Against the champion, on the same rows."""
    cleaning: Sequence[CleaningRule] | None = None
    not_checked: Sequence[str] = NOT_CHECKED


def write_report(path: Path, context: ReportContext) -> Path:
    """Write the report, whole or not at all; every text of the context is escaped.

    Returns:
        ``path``.
    """
    from creditrisk.validation.sections.page import render

    path.parent.mkdir(parents=True, exist_ok=True)
    with whole(path) as draft:
        draft.write_text(render(context), encoding="utf-8")
    return path
