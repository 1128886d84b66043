"""A blend of a study's best trials, made of their out-of-fold margins without fitting any model again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from creditrisk.model.families.blend import fit_weights
from creditrisk.search.outcome import Outcome, fold_figures
from creditrisk.search.plan import Plan

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Blended:
    """A blend's weights, and how it does on rows that its weights were not fitted on."""

    intercept: float
    weights: tuple[float, ...]
    """Of all folds together, in the members' order."""
    outcome: Outcome


def blend(plan: Plan, members: Sequence[Outcome]) -> Blended:
    """Weigh the margins of finished trials.

    The weights that a fold is judged with come from other folds (by time from earlier ones), so that neither its
    outcomes nor later ones decide about it. A fold's time is that of its members, whose models make the blend.
    """
    columns = [np.column_stack(parts) for parts in zip(*(member.margins for member in members), strict=True)]
    truths = plan.truths
    figures, margins = [], []
    for number, (y, weight) in enumerate(truths):
        intercept, weights = _fit(columns, truths, plan.others(number))
        margin = intercept + columns[number] @ np.array(weights)
        fit_seconds = sum(member.folds[number].fit_seconds for member in members)
        score_seconds = sum(member.folds[number].score_microseconds for member in members) * y.size / 1e6
        figures.append(fold_figures(margin, y, weight, fit_seconds, score_seconds))
        margins.append(margin)
    intercept, weights = _fit(columns, truths, range(len(truths)))
    size = sum(member.model_bytes for member in members)
    return Blended(intercept, weights, Outcome(tuple(figures), tuple(margins), size))


def _fit(
    columns: Sequence[Floats], truths: Sequence[tuple[Floats, Floats]], folds: Sequence[int]
) -> tuple[float, tuple[float, ...]]:
    if not folds:
        return 0.0, (1.0 / columns[0].shape[1],) * columns[0].shape[1]
    y, weight = (np.concatenate([truths[fold][part] for fold in folds]) for part in (0, 1))
    intercept, weights = fit_weights(np.concatenate([columns[fold] for fold in folds]), y, weight)
    if not weights.any():  # no member tells outcomes apart, so none is better than another
        return 0.0, (1.0 / weights.size,) * weights.size
    return intercept, tuple(weights.tolist())
