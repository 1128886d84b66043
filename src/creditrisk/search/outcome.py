"""What one trial came to: its figures on each fold and the margins they were worked out from."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from creditrisk.model.calibration_fit import sigmoid
from creditrisk.model.race import row_losses
from creditrisk.validation.ranking import Ranking, auc_of, ks_of

Floats = NDArray[np.float64]
QUALITY = ("auc", "ks", "brier", "log_loss")


@dataclass(frozen=True)
class FoldFigures:
    """One fold: quality on its judged rows, and cost."""

    auc: float
    ks: float
    brier: float
    log_loss: float
    fit_seconds: float
    score_microseconds: float
    """For one row of a table."""


@dataclass(frozen=True)
class Outcome:
    """A trial's folds so far."""

    folds: tuple[FoldFigures, ...]
    margins: tuple[Floats, ...]
    """Log-odds of the judged rows of each fold."""
    model_bytes: int
    stopped: str = ""
    """Why it was cut short; empty where every fold was run."""

    @property
    def log_loss(self) -> float:
        """Mean of the folds; what the study minimises."""
        return float(np.mean([fold.log_loss for fold in self.folds]))

    @property
    def seconds(self) -> float:
        """All fits together."""
        return sum(fold.fit_seconds for fold in self.folds)

    def summary(self) -> dict[str, float]:
        """Mean of each figure over the folds, and its standard deviation as ``NAME_sd``."""
        found: dict[str, float] = {}
        for item in fields(FoldFigures):
            values = [getattr(fold, item.name) for fold in self.folds]
            found[item.name] = float(np.mean(values))
            if item.name in QUALITY:
                found[f"{item.name}_sd"] = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
        return found | {"model_bytes": self.model_bytes}

    def by_fold(self) -> list[dict[str, Any]]:
        """The figures of each fold as plain values."""
        return [asdict(fold) for fold in self.folds]


def fold_figures(margin: Floats, y: Floats, weight: Floats, fit_seconds: float, score_seconds: float) -> FoldFigures:
    """Figures of one fold from the margins of its judged rows."""
    pd = sigmoid(margin)
    ranking = Ranking.of(y, margin)
    sums = ranking.sums(weight[ranking.order])
    losses, _ = row_losses([margin], [(y, weight)])
    return FoldFigures(
        auc=auc_of(*sums),
        ks=ks_of(*sums),
        brier=float(np.average((pd - y) ** 2, weights=weight)),
        log_loss=float(np.average(losses, weights=weight)),
        fit_seconds=fit_seconds,
        score_microseconds=1e6 * score_seconds / margin.size,
    )
