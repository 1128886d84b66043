"""A challenger against a champion on the same rows: paired differences and what they allow to be said."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from creditrisk.errors import DataError
from creditrisk.params import EvaluationParams
from creditrisk.validation.metrics import Figure, around, mean_figure
from creditrisk.validation.ranking import Outcomes, Ranking, auc_of, delong_covariance, placements, resamples

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Comparison:
    """Challenger less champion. ``low`` of a two-sided 95 % interval is the one-sided 2.5 % bound of the gates."""

    rows: int
    bads: int
    challenger_auc: float
    champion_auc: float
    auc_difference: Figure
    """By DeLong's paired covariance; above 0 the challenger ranks better."""
    auc_difference_error: float
    auc_p_value: float
    """Two-sided; 1 where the two rank all rows alike."""
    auc_difference_bootstrap: Figure
    """The same difference with the percentiles of a paired, stratified bootstrap."""
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
) -> Comparison:
    """Compare two models by their PDs on the same rows.

    Args:
        y: 1.0 bad, 0.0 good, shape (n,).
        challenger: its PD, shape (n,), rows in the order of ``y``.
        champion: its PD, shape (n,).
        weight: shape (n,); ones where absent.
        params: number of bootstrap samples and level of confidence.
        seed: of the bootstrap.

    Raises:
        DataError: only one class, lengths that differ, or a value out of its range.
    """
    params = params or EvaluationParams()
    new, old = Outcomes.check(y, challenger, weight), Outcomes.check(y, champion, weight)
    if len(new.y) != len(old.y):  # pragma: no cover - the same y and weight give the same rows
        raise DataError("comparison: the two models were judged on different rows.")
    models = [placements(rows.y, rows.pd, rows.weight) for rows in (new, old)]
    cover = delong_covariance(new.y, new.weight, models)
    difference = models[0].auc - models[1].auc
    error = math.sqrt(max(float(cover[0, 0] + cover[1, 1] - 2 * cover[0, 1]), 0.0))
    share = new.weight / new.weight.sum()
    return Comparison(
        rows=len(new.y),
        bads=int(new.y.sum()),
        challenger_auc=models[0].auc,
        champion_auc=models[1].auc,
        auc_difference=around(difference, error, params.confidence),
        auc_difference_error=error,
        auc_p_value=2 * NormalDist().cdf(-abs(difference) / error) if error > 0 else 1.0 if difference == 0 else 0.0,
        auc_difference_bootstrap=_bootstrap(new, old, difference, params, seed),
        brier_difference=mean_figure((new.pd - new.y) ** 2 - (old.pd - old.y) ** 2, share, params.confidence),
    )


def _bootstrap(new: Outcomes, old: Outcomes, difference: float, params: EvaluationParams, seed: int) -> Figure:
    rankings = [Ranking.of(rows.y, rows.pd) for rows in (new, old)]
    found = [
        auc_of(*rankings[0].sums(sample[rankings[0].order])) - auc_of(*rankings[1].sums(sample[rankings[1].order]))
        for sample in resamples(new.y, new.weight, params.bootstrap, seed)
    ]
    low, high = np.quantile(found, [(1 - params.confidence) / 2, (1 + params.confidence) / 2])
    return Figure(difference, float(low), float(high))
