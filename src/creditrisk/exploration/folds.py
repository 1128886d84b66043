"""What a change of the inputs is worth: the same rows, the same folds, a model that never saw the row it judges."""

from __future__ import annotations

import numpy as np

from creditrisk.model.evidence import Floats
from creditrisk.model.family import TrainingData, fit_family
from creditrisk.model.folds import inner_folds
from creditrisk.params import ModelParams


def out_of_fold(family: str, data: TrainingData, params: ModelParams, folds: int = 3, seed: int = 0) -> Floats:
    """PD of each training row by the model of the other folds, shape (n,).

    The folds depend on the outcomes, the customers and the seed alone, so that two sets of inputs of the same rows are
    judged on the same ones and ``creditrisk.validation.comparison.compare`` may pair them.

    Args:
        family: one of ``params.FAMILIES`` that needs no rows to settle its rounds: ``scorecard``.
        data: the training rows.
        params: the family's settings.
        folds: how many.
        seed: of folds and fits.
    """
    pd = np.empty(data.y.size)
    for fit, judge in inner_folds(data, folds, 1, seed):
        model = fit_family(family, data.take(fit), params, seed).model
        pd[judge] = 1 / (1 + np.exp(-model.margin(data.take(judge).table)))
    return pd
