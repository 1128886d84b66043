"""One trial: a setting of a family fitted on fold after fold, cut short where it is clearly behind."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from creditrisk.model.customers import pooled
from creditrisk.model.family import Model, fit_family
from creditrisk.model.race import BEHIND, mean_and_error, repetition, row_losses
from creditrisk.params import ModelParams
from creditrisk.search.outcome import FoldFigures, Outcome, fold_figures
from creditrisk.search.plan import Plan

Floats = NDArray[np.float64]
Stop = Callable[[tuple[Floats, ...]], str]
"""From the margins of the folds so far to why to stop; empty to go on."""


def run_trial(plan: Plan, params: ModelParams, seed: int, stop: Stop, told: Callable[[float, int], None]) -> Outcome:
    """Fit ``params.family`` on each fold and judge it.

    Args:
        plan: rows and folds.
        params: the family and its setting.
        seed: makes the fits repeatable.
        stop: asked after each fold but the last.
        told: hears of the mean log loss so far and the number of the fold, from 0.

    Raises:
        ModelError, DataError: the family cannot be fitted with this setting.
    """
    figures: list[FoldFigures] = []
    margins: list[Floats] = []
    size, why = 0, ""
    for number, (train, judged) in enumerate(plan.folds):
        began = time.perf_counter()
        model = fit_family(params.family, plan.data.take(train), params, seed).model
        fitted = time.perf_counter()
        held = plan.data.take(judged)
        began_scoring = time.perf_counter()
        margin = model.margin(held.table)
        scored = time.perf_counter() - began_scoring
        figures.append(fold_figures(margin, held.y, held.weight, fitted - began, scored))
        margins.append(margin)
        size = size or bytes_on_disk(model)
        told(float(np.mean([fold.log_loss for fold in figures])), number)
        if number + 1 < len(plan.folds) and (why := stop(tuple(margins))):
            break
    return Outcome(tuple(figures), tuple(margins), size, why)


def clearly_behind(plan: Plan, best: tuple[Floats, ...] | None) -> Callable[[tuple[Floats, ...]], bool]:
    """Whether margins trail the best trial's by more than two standard errors of the paired log loss."""

    def behind(margins: tuple[Floats, ...]) -> bool:
        if best is None:
            return False
        losses, weight = row_losses(margins, plan.truths)
        least, _ = row_losses(best[: len(margins)], plan.truths)
        mean, error = mean_and_error(losses - least, weight, pooled(plan.customers, len(margins)))
        return mean > BEHIND * error * repetition(len(margins), plan.draw)

    return behind


def bytes_on_disk(model: Model) -> int:
    """Size of a model's files."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model.save(folder)
        return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
