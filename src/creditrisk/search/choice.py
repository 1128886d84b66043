"""Which family is taken: the simplest one whose loss to the best is within one standard error, glass box first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from creditrisk.search.plan import Plan
from creditrisk.validation.ranking import delong_covariance, placements

SIMPLEST_FIRST = ("scorecard", "ebm", "catboost", "blend", "lightgbm", "xgboost")
"""Glass boxes; then what the project's own runtimes serve with exact reasons in microseconds; then the rest."""

Margins = Sequence[NDArray[np.float64]]


@dataclass(frozen=True)
class Standing:
    """One family's best trial beside the best of all."""

    family: str
    auc: float
    error: float
    """Standard error of ``auc``."""
    loss: float
    """AUC that it lacks to the best; 0 for the best."""
    loss_error: float
    """Standard error of that difference on the same rows."""

    @property
    def within(self) -> bool:
        """Whether the loss is within one standard error."""
        return self.loss <= self.loss_error


def standings(margins: Mapping[str, Margins], plan: Plan) -> list[Standing]:
    """Each family against the best by mean AUC of the folds (weighted rows), simplest first.

    Standard errors are DeLong's for paired rows, averaged over the folds, and widened where folds are drawn again.
    """
    names = sorted(margins, key=SIMPLEST_FIRST.index)
    folds = len(plan.truths)
    auc, covariance = np.zeros(len(names)), np.zeros((len(names), len(names)))
    for fold, (y, weight) in enumerate(plan.truths):
        found = [placements(y, margins[name][fold], weight) for name in names]
        auc += np.array([one.auc for one in found]) / folds
        covariance += delong_covariance(y, weight, found) * (plan.widening / folds) ** 2
    best = int(auc.argmax())
    spread = np.diag(covariance)
    losses = np.sqrt(np.maximum(spread + spread[best] - 2 * covariance[best], 0.0))
    return [
        Standing(name, float(auc[at]), float(np.sqrt(spread[at])), float(auc[best] - auc[at]), float(losses[at]))
        for at, name in enumerate(names)
    ]


def choose(found: Sequence[Standing], *, best: bool = False) -> tuple[Standing, str]:
    """The family to take and why.

    Args:
        found: the standings, simplest first.
        best: take the best whatever the rule says.
    """
    leader = max(found, key=lambda standing: standing.auc)
    if best:
        return leader, "the best mean AUC of the folds, as asked for"
    chosen = next(standing for standing in found if standing.within)
    if chosen is leader:
        return chosen, "the best mean AUC of the folds; no simpler family is within one standard error of it"
    return chosen, (
        f"the simplest family within one standard error of the best: {leader.family} is ahead by "
        f"{chosen.loss:.4f} AUC, standard error {chosen.loss_error:.4f}"
    )
