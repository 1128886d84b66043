"""A challenger against a champion on the same rows: paired differences and what they allow to be said."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from creditrisk.errors import DataError
from creditrisk.params import EvaluationParams
from creditrisk.validation.customers import clustered
from creditrisk.validation.figure import Figure, mean_figure
from creditrisk.validation.ranking import (
    Outcomes,
    Placements,
    Ranking,
    auc_of,
    auc_parts,
    delong_parts,
    placements,
    resamples,
)

Floats = NDArray[np.float64]
ROUNDING = 1e-12
"""A difference of AUCs up to which it is none: sums of weights round."""


@dataclass(frozen=True)
class Comparison:
    """Challenger less champion. ``low`` of a two-sided 95 % interval is the one-sided 2.5 % bound of the gates."""

    rows: int
    bads: int
    challenger_auc: float
    champion_auc: float
    auc_difference: Figure
    """By DeLong's paired covariance and Student's t; above 0 the challenger ranks better."""
    auc_difference_error: float
    auc_p_value: float
    """Two-sided; 1 where the two rank all rows alike."""
    auc_difference_bootstrap: Figure
    """The same difference with the percentiles of a paired, stratified bootstrap, of customers where they are given."""
    brier_difference: Figure
    """Below 0 the challenger is better."""

    @property
    def better(self) -> bool:
        """Whether both lower bounds of the AUC difference lie above 0; an equal model is not better."""
        return self.auc_difference.low > 0 and self.auc_difference_bootstrap.low > 0

    def to_json(self) -> dict[str, Any]:
        """Nested plain values, and the verdict."""
        plain = {k: v.to_json() if isinstance(v, Figure) else v for k, v in vars(self).items()}
        return plain | {"better": self.better}


def compare(
    y: Floats,
    challenger: Floats,
    champion: Floats,
    weight: Floats | None = None,
    params: EvaluationParams | None = None,
    seed: int = 0,
    group: NDArray[np.int64] | None = None,
) -> Comparison:
    """Compare two models by their PDs on the same rows.

    Args:
        y: 1.0 bad, 0.0 good, shape (n,).
        challenger: its PD, shape (n,), rows in the order of ``y``.
        champion: its PD, shape (n,).
        weight: shape (n,); ones where absent.
        params: number of bootstrap samples and level of confidence.
        seed: of the bootstrap.
        group: a number for the customer of each row, shape (n,), where one may have several. Their rows do not tell
            as much as those of as many customers, so customers are what errors are worked out from, and drawn.

    Raises:
        DataError: only one class, lengths that differ, or a value out of its range.
    """
    from scipy.stats import t as student  # training's part, and slow to import

    params = params or EvaluationParams()
    new, old = (Outcomes.check(y, pd, weight, group) for pd in (challenger, champion))
    if len(new.y) != len(old.y):  # pragma: no cover - the same y and weight give the same rows
        raise DataError("comparison: the two models were judged on different rows.")
    models = [placements(rows.y, rows.pd, rows.weight) for rows in (new, old)]
    difference = models[0].auc - models[1].auc
    difference = difference if abs(difference) > ROUNDING else 0.0
    error, freedom = _error(new, models[0], models[1])
    reach = float(student.ppf((1 + params.confidence) / 2, freedom)) * error
    brier = (new.pd - new.y) ** 2 - (old.pd - old.y) ** 2
    return Comparison(
        rows=len(new.y),
        bads=int(new.y.sum()),
        challenger_auc=models[0].auc,
        champion_auc=models[1].auc,
        auc_difference=Figure(difference, difference - reach, difference + reach),
        auc_difference_error=error,
        auc_p_value=2 * float(student.cdf(-abs(difference) / error, freedom)) if error > 0 else float(difference == 0),
        auc_difference_bootstrap=_bootstrap(new, old, difference, params, seed),
        brier_difference=mean_figure(brier, new.weight / new.weight.sum(), params.confidence, new.group),
    )


def _error_by_customer(rows: Outcomes, gap: Placements, group: NDArray[np.int64]) -> tuple[float, float]:
    """The same where customers have several rows: placements are summed over each (Obuchowski 1997)."""
    parts, bad = auc_parts(rows.y, rows.weight, gap), rows.y > 0.5
    variance, _ = clustered(parts, group)
    sides = [clustered(parts[kind], group[kind]) for kind in (bad, ~bad)]
    total = sum(side for side, _ in sides)
    spread = sum(side**2 / (many - 1) for side, many in sides if many > 1)
    return math.sqrt(variance), total**2 / spread if spread > 0 else math.inf


def _error(rows: Outcomes, new: Placements, old: Placements) -> tuple[float, float]:
    """Standard error of the AUC difference and its degrees of freedom (Satterthwaite's, as Brunner and Munzel 2000).

    With a normal's quantile and ten bads among two thousand goods, an equal model's lower bound lay above 0 in 4.2 % of
    samples in place of 2.5 %.
    """
    gap = Placements(new.auc - old.auc, new.bad - old.bad, new.good - old.good)
    if rows.group is not None:
        return _error_by_customer(rows, gap, rows.group)
    parts = [(float(variance[0, 0]), many) for variance, many in delong_parts(rows.y, rows.weight, [gap])]
    total = sum(variance for variance, _ in parts)
    spread = sum(variance**2 / (many - 1) for variance, many in parts if many > 1)
    return math.sqrt(total), total**2 / spread if spread > 0 else math.inf


def _bootstrap(new: Outcomes, old: Outcomes, difference: float, params: EvaluationParams, seed: int) -> Figure:
    rankings = [Ranking.of(rows.y, rows.pd) for rows in (new, old)]
    found = [
        auc_of(*rankings[0].sums(sample[rankings[0].order])) - auc_of(*rankings[1].sums(sample[rankings[1].order]))
        for sample in resamples(new.y, new.weight, params.bootstrap, seed, new.group)
    ]
    low, high = np.quantile(found, [(1 - params.confidence) / 2, (1 + params.confidence) / 2])
    return Figure(difference, float(low), float(high))
