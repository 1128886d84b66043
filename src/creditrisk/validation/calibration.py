"""Whether PDs mean what they say: curve with intervals, calibration error and tests."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from creditrisk.validation.customers import Numbers, design_effect, effective_rows
from creditrisk.validation.intervals import wilson
from creditrisk.validation.metrics import GROUPS, groups_of
from creditrisk.validation.ranking import Outcomes

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class CalibrationBin:
    """A group of rows of like PD: what was predicted and what came."""

    rows: int
    mean_pd: float
    bad_rate: float
    low: float
    """Wilson's interval of the bad rate, for the effective number of rows where they have weights or customers."""
    high: float


@dataclass(frozen=True)
class CalibrationTest:
    """A test of the hypothesis that the PDs are right; a small p value speaks against it.

    With many rows it rejects for differences that do not matter: read it beside the curve.
    """

    name: str
    statistic: float
    p_value: float


@dataclass(frozen=True)
class CalibrationCheck:
    """Calibration on rows that neither model nor calibrator saw."""

    bins: tuple[CalibrationBin, ...]
    error: float
    """Expected calibration error: mean absolute difference of PD and bad rate over the bins."""
    largest_error: float
    tests: tuple[CalibrationTest, ...]

    def to_json(self) -> dict[str, Any]:
        """Nested plain values."""
        return asdict(self)


def check_calibration(
    y: Floats,
    pd: Floats,
    weight: Floats | None = None,
    bins: int = GROUPS,
    confidence: float = 0.95,
    group: Numbers | None = None,
) -> CalibrationCheck:
    """Compare PDs with outcomes in bins of about equal rows; ``group`` numbers customers, where one has several rows.

    Raises:
        DataError: only one class, lengths that differ, or a value out of its range.
    """
    rows = Outcomes.check(y, pd, weight, group)
    curve = calibration_curve(rows, bins, confidence)
    apart = np.array([abs(b.mean_pd - b.bad_rate) for b in curve])
    share = _shares(rows, bins)
    tests = (_in_the_large(rows), _hosmer_lemeshow(rows, bins), _spiegelhalter(rows))
    return CalibrationCheck(curve, float(share @ apart), float(apart.max()), tests)


def calibration_curve(rows: Outcomes, bins: int = GROUPS, confidence: float = 0.95) -> tuple[CalibrationBin, ...]:
    """Mean PD and bad rate of each bin from the safest to the riskiest."""
    number = groups_of(rows.pd, rows.weight, bins)
    found = []
    for i in reversed(range(int(number.max()) + 1)):
        of = number == i
        weight = rows.weight[of]
        rate = float(weight @ rows.y[of] / weight.sum())
        low, high = wilson(
            rate, effective_rows(rows.y[of], weight, None if rows.group is None else rows.group[of]), confidence
        )
        mean = float(weight @ rows.pd[of] / weight.sum())
        found.append(CalibrationBin(int(of.sum()), mean, rate, low, high))
    return tuple(found)


def _shares(rows: Outcomes, bins: int) -> Floats:
    weight = np.bincount(groups_of(rows.pd, rows.weight, bins), rows.weight)
    return np.asarray(weight[::-1] / weight.sum())


def _normal(name: str, value: Floats, variance: Floats, group: Numbers | None) -> CalibrationTest:
    z = float(value.sum() / math.sqrt(max(float(variance.sum()) * design_effect(value, group), 1e-300)))
    return CalibrationTest(name, z, 2 * NormalDist().cdf(-abs(z)))


def _in_the_large(rows: Outcomes) -> CalibrationTest:
    spread = rows.weight**2 * rows.pd * (1 - rows.pd)
    return _normal("In the large: bads less expected bads (z)", rows.weight * (rows.y - rows.pd), spread, rows.group)


def _spiegelhalter(rows: Outcomes) -> CalibrationTest:
    """Whether the Brier score is what right PDs would give (Spiegelhalter 1986)."""
    slope = 1 - 2 * rows.pd
    spread = rows.weight**2 * slope**2 * rows.pd * (1 - rows.pd)
    return _normal(
        "Spiegelhalter: Brier score less its expectation (z)",
        rows.weight * (rows.y - rows.pd) * slope,
        spread,
        rows.group,
    )


def _hosmer_lemeshow(rows: Outcomes, bins: int) -> CalibrationTest:
    """Sum of squared standardised differences; on rows of a test part it has one degree of freedom a bin.

    Where customers have several rows it is taken over the bins' mean design effect (Rao and Scott 1984).
    """
    from scipy.stats import chi2

    number = groups_of(rows.pd, rows.weight, bins)
    residual = rows.weight * (rows.y - rows.pd)
    apart = np.bincount(number, residual)
    spread = np.bincount(number, rows.weight**2 * rows.pd * (1 - rows.pd))
    statistic = float((apart**2 / np.maximum(spread, 1e-300)).sum())
    if rows.group is not None:
        parted = [(residual[number == i], rows.group[number == i]) for i in range(len(apart))]
        statistic /= float(np.mean([design_effect(*part) for part in parted]))
    return CalibrationTest(
        f"Hosmer-Lemeshow (chi-squared, {len(apart)})", statistic, float(chi2.sf(statistic, len(apart)))
    )
