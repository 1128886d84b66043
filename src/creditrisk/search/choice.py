"""Which family is taken: the simplest one whose loss to the best is within one standard error, glass box first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from creditrisk.model.race import Truth, mean_auc, mean_auc_gain

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


def standings(margins: Mapping[str, Margins], truths: Sequence[Truth]) -> list[Standing]:
    """Each family against the best by mean AUC of the folds, simplest first."""
    best = max(margins, key=lambda family: mean_auc(margins[family], truths)[0])
    found = []
    for family in sorted(margins, key=SIMPLEST_FIRST.index):
        auc, error = mean_auc(margins[family], truths)
        loss, loss_error = mean_auc_gain(margins[best], margins[family], truths) if family != best else (0.0, 0.0)
        found.append(Standing(family, auc, error, loss, loss_error))
    return found


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
