"""The gates of the performance test: what a version must show before it may become champion."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from creditrisk.params import GatesParams
from creditrisk.validation.comparison import Comparison
from creditrisk.validation.customers import Numbers, effective_rows, numbered
from creditrisk.validation.figure import Figure
from creditrisk.validation.impact_change import ImpactChange
from creditrisk.validation.intervals import wilson
from creditrisk.validation.metrics import Evaluation

FAST_ENOUGH = 100e-6
"""Seconds for one application below which a challenger is fast enough however fast the champion is."""
CUT = 0.5
"""The PD from which an application counts as predicted bad, for accuracy."""
NAMED = 5
"""Groups too small to judge that a sentence names."""


@dataclass(frozen=True)
class Gate:
    """One condition, how it was met, and a sentence for people."""

    name: str
    value: float | None
    bound: float | None
    """What was held against the threshold: an end of the interval, or a difference or ratio to the champion's value."""
    threshold: float | tuple[float, float] | None
    passed: bool
    sentence: str


@dataclass(frozen=True)
class Verdict:
    """The outcome of a performance test."""

    option: Literal["A", "B"]
    version: str
    champion: str | None
    """The version that it was compared with, option B."""
    rows: int
    bads: int
    gates: tuple[Gate, ...]
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether every gate was passed."""
        return all(gate.passed for gate in self.gates)

    @property
    def reason(self) -> str:
        """Why it was refused, or that nothing stood against it."""
        faults = [gate.sentence for gate in self.gates if not gate.passed]
        return "; ".join(faults) if faults else f"all {len(self.gates)} gates passed"

    def to_json(self) -> dict[str, Any]:
        """Plain values, NaN as null."""
        plain = asdict(self) | {"passed": self.passed, "reason": self.reason}
        plain["gates"] = [{k: _finite(v) for k, v in gate.items()} for gate in plain["gates"]]
        return plain


@dataclass(frozen=True)
class Side:
    """One of the two versions in a comparison, on the common rows."""

    evaluation: Evaluation
    psi: float
    """Of its PD: these rows against its own training rows."""
    seconds: float
    """For one application with reasons."""


def threshold_gates(found: Evaluation, accuracy: Figure, limits: GatesParams) -> tuple[Gate, ...]:
    """Option A. Discrimination and Brier score must be shown: the unfavourable end of the interval counts.
    Calibration is refused where the interval shows it to be off: it must reach into the accepted range.
    """
    reach = limits.calibration_in_the_large
    gates = [
        _above("AUC", found.auc, limits.min_auc),
        _above("KS", found.ks, limits.min_ks),
        _below("Brier ratio", found.brier_ratio, limits.max_brier_ratio),
        _reaches("calibration slope", found.calibration_slope, limits.calibration_slope),
        _reaches("calibration in the large", found.calibration_in_the_large, (-reach, reach)),
    ]
    if limits.min_accuracy is not None:
        gates.append(_above("accuracy", accuracy, limits.min_accuracy))
    return tuple(gates)


def comparison_gates(
    between: Comparison, new: Side, old: Side, impact: ImpactChange, limits: GatesParams
) -> tuple[Gate, ...]:
    """Option B. Better in AUC beyond chance, by both methods, and not worse elsewhere by more than the margins: for the
    Brier score by the unfavourable end of the paired interval, for calibration where the challenger's own shows it, for
    adverse impact where a group loses more than the margin and the paired interval shows that it loses.
    """
    gates = [
        _above("AUC difference (DeLong)", between.auc_difference, 0.0, strictly=True),
        _above("AUC difference (bootstrap)", between.auc_difference_bootstrap, 0.0, strictly=True),
        _below("Brier difference", between.brier_difference, limits.margin_brier),
        _as_close("calibration slope", 1.0, new, old, limits.margin_calibration),
        _as_close("calibration in the large", 0.0, new, old, limits.margin_calibration),
        _psi(new.psi, old.psi, limits.margin_psi),
        _impact(impact, limits.margin_adverse_impact),
        _latency(new.seconds, old.seconds, limits.margin_latency_ratio),
    ]
    return tuple(gates)


def accuracy_figure(
    y: NDArray[np.float64],
    pd: NDArray[np.float64],
    weight: NDArray[np.float64],
    confidence: float,
    group: Numbers | None = None,
) -> Figure:
    """Share of the rows' weight on the right side of a PD of one half, with Wilson's interval; arrays of shape (n,).

    The interval counts customers, where ``group`` numbers them.
    """
    right = (pd >= CUT) == (y > CUT)
    share = min(float(weight @ right / weight.sum()), 1.0)
    return Figure(share, *wilson(share, effective_rows(right, weight, numbered(group, np.ones(len(y)))), confidence))


def count_gate(rows: int, bads: int, least: int) -> Gate:
    """Whether there are enough rows of each class to say anything."""
    fewer = min(bads, rows - bads)
    text = f"{rows - bads:,} good and {bads:,} bad rows that no model was made on; at least {least} of each are needed"
    return Gate("rows", float(fewer), float(fewer), float(least), fewer >= least, text)


def _above(name: str, figure: Figure, threshold: float, strictly: bool = False) -> Gate:
    passed = figure.low > threshold if strictly else figure.low >= threshold
    word = "above" if strictly else "at least"
    return Gate(
        name,
        figure.value,
        figure.low,
        threshold,
        passed,
        f"{_interval(name, figure)}: its lower end must be {word} {threshold:g}",
    )


def _below(name: str, figure: Figure, threshold: float) -> Gate:
    text = f"{_interval(name, figure)}: its upper end must be at most {threshold:g}"
    return Gate(name, figure.value, figure.high, threshold, figure.high <= threshold, text)


def _reaches(name: str, figure: Figure, accepted: tuple[float, float]) -> Gate:
    low, high = accepted
    nearest = min(max(low, figure.low), figure.high)  # the end that lies nearest, or a point of the range
    passed = figure.high >= low and figure.low <= high
    text = f"{_interval(name, figure)}: it must reach into {low:g} to {high:g}"
    return Gate(name, figure.value, nearest, accepted, passed, text)


def _as_close(name: str, ideal: float, new: Side, old: Side, margin: float) -> Gate:
    field = name.replace(" ", "_")
    figure, before = getattr(new.evaluation, field), getattr(old.evaluation, field)
    known = math.isfinite(figure.value)
    least = abs(min(max(ideal, figure.low), figure.high) - ideal) if known else math.nan
    off = abs(before.value - ideal)
    # A champion whose calibration has no figure sets no mark to keep to.
    passed = least <= margin + (off if math.isfinite(off) else 0.0)
    text = (
        f"{_interval(name, figure)}, at least {least:.4f} from {ideal:g}; the champion's is {off:.4f} from it: "
        f"at most {margin:g} more"
    )
    return Gate(name, figure.value, least, margin, passed, text)


def _psi(new: float, old: float, margin: float) -> Gate:
    text = f"PSI is {new:.4f}, the champion's {old:.4f}: at most {margin:g} more"
    return Gate("PSI", new, new - old, margin, new <= old + margin, text)


def _impact(found: ImpactChange, margin: float) -> Gate:
    """Practical and statistical significance, both (US 29 CFR 1607.4 D): small numbers alone refuse nobody."""
    name, worst = "adverse impact ratio", found.worst
    if found.nobody:
        text = (
            f"{name} by {', '.join(found.nobody)} has no value, as nobody would be approved; the champion approves some"
        )
        return Gate(name, None, None, margin, False, text)
    if worst is None:
        text = f"{name}: no protected attribute with two groups large enough, of which the champion approves anybody"
        return Gate(name, None, None, margin, True, text + _not_judged(found))
    change, place = worst.difference, "largest loss beyond chance" if worst.shown_worse else "least favourable"
    text = (
        f"{name} of {worst.group} ({worst.attribute}) is {worst.challenger:.3f}, the champion's {worst.champion:.3f}; "
        f"next to {worst.reference} it changes by {change.value:.3f} [{change.low:.3f}, {change.high:.3f}], of "
        f"{len(found.shifts)} groups the {place}: a loss beyond chance may be at most {margin:g}"
    )
    passed = not (worst.shown_worse and -worst.change > margin)
    return Gate(name, worst.challenger, -worst.change, margin, passed, text + _not_judged(found))


def _not_judged(found: ImpactChange) -> str:
    small = found.not_judged
    if not small:
        return ""
    more = f" and {len(small) - NAMED} more" if len(small) > NAMED else ""
    return f" (too few rows to judge: {', '.join(small[:NAMED])}{more})"


def _latency(new: float, old: float, ratio: float) -> Gate:
    text = (
        f"one application takes {new * 1e6:.0f} us, the champion's {old * 1e6:.0f} us: at most {ratio:g} times that, "
        f"or {FAST_ENOUGH * 1e6:.0f} us"
    )
    return Gate("latency", new, new / old, ratio, new <= max(ratio * old, FAST_ENOUGH), text)


def _interval(name: str, figure: Figure) -> str:
    return f"{name} is {figure.value:.4f} [{figure.low:.4f}, {figure.high:.4f}]"


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else value
