"""Which family is taken: the simplest one whose loss to the best is within one standard error, glass box first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from creditrisk.model.customers import Indexes, covariance_of_aucs
from creditrisk.search.plan import Plan
from creditrisk.validation.ranking import Placements, delong_covariance, placements

SIMPLEST_FIRST = ("scorecard", "ebm", "catboost", "blend", "lightgbm", "xgboost")
"""Glass boxes; then what the project's own runtimes serve with exact reasons in microseconds; then the rest."""

Floats = NDArray[np.float64]
Margins = Sequence[Floats]


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

    Standard errors are DeLong's for paired rows, or Obuchowski's where a customer has several, averaged over the folds,
    and widened where folds are drawn again.
    """
    names = sorted(margins, key=SIMPLEST_FIRST.index)
    folds = len(plan.truths)
    auc, covariance = np.zeros(len(names)), np.zeros((len(names), len(names)))
    customers = plan.customers
    for fold, (y, weight) in enumerate(plan.truths):
        found = [placements(y, margins[name][fold], weight) for name in names]
        auc += np.array([one.auc for one in found]) / folds
        of_fold = _covariance(y, weight, found, None if customers is None else customers[fold])
        covariance += of_fold * (plan.widening / folds) ** 2
    best = int(auc.argmax())
    spread = np.diag(covariance)
    losses = np.sqrt(np.maximum(spread + spread[best] - 2 * covariance[best], 0.0))
    return [
        Standing(name, float(auc[at]), float(np.sqrt(spread[at])), float(auc[best] - auc[at]), float(losses[at]))
        for at, name in enumerate(names)
    ]


def _covariance(y: Floats, weight: Floats, models: list[Placements], customers: Indexes | None) -> Floats:
    """Covariance of the AUCs of models on the judged rows of a fold, shape (models, models)."""
    if customers is None:
        return delong_covariance(y, weight, models)
    of_bad, of_good = (
        (np.array([getattr(one, kind) for one in models]), weight[rows], customers[rows])
        for kind, rows in (("bad", y > 0.5), ("good", y <= 0.5))
    )
    return covariance_of_aucs(of_bad, of_good)


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
