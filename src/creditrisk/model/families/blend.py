"""A blend: several families on the same rows, their margins added with weights fitted on rows none had seen.

A blend of ``ebm`` and ``catboost`` keeps exact reasons and the runtimes of both
(``creditrisk.model.blended``). Weights come from a logistic regression on out-of-fold margins that may not be
negative (stacking: Wolpert 1992, Breiman 1996), so the blend is calibrated as far as its members allow, and follows
every direction that they all follow.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from creditrisk.errors import DataError, ModelError
from creditrisk.model.blended import BlendModel
from creditrisk.model.family import Fitted, TrainingData, fit_family
from creditrisk.model.family import candidates as candidates_of
from creditrisk.model.folds import inner_folds
from creditrisk.model.race import stratified_sample
from creditrisk.params import ModelParams

MOST = 10.0
"""Bound of a weight: rows that the margins part without an error would drive it to infinity."""

Floats = NDArray[np.float64]


def fit(data: TrainingData, params: ModelParams, seed: int, valid: TrainingData | None = None) -> Fitted:
    """Fit each member on all rows, and the weights where params give none.

    Args:
        data: the training rows; of at most ``params.subsample`` of them come the out-of-fold margins.
        params: ``blend`` names the members, whose own fields hold as if each were fitted alone.
        seed: makes the fit repeatable.
        valid: rows on which members that have rounds settle them.

    Raises:
        ModelError: a member cannot be fitted; DataError: an outcome has too few rows for the inner folds.
    """
    blend = params.blend
    fitted: dict[str, Fitted] = {member: fit_family(member, data, params, seed, valid) for member in blend.members}
    details: dict[str, Any] = {}
    if blend.weights is not None:
        weights, intercept = np.array(blend.weights), blend.intercept or 0.0
    else:
        settled = _with_rounds(params, fitted)
        margins, rows = out_of_fold(data, settled, seed)
        intercept, weights = fit_weights(margins, rows.y, rows.weight)
        details["rows_for_weights"] = rows.y.size
        if not weights.any():
            intercept, weights = 0.0, np.full(len(fitted), 1 / len(fitted))
            details["note"] = "No member told outcomes apart on rows it had not seen; all got the same weight."
    model = BlendModel([one.model for one in fitted.values()], weights.tolist(), float(intercept))
    details |= {
        "weights": dict(zip(fitted, model.weights, strict=True)),
        "intercept": model.intercept,
        "members": {member: one.details for member, one in fitted.items()},
    }
    return Fitted(model, None, details)


def candidates(rows: int, params: ModelParams) -> list[ModelParams]:
    """The members' likeliest capacities together, then their next ones; what the user fixed stays."""
    offered: dict[str, list[ModelParams]] = {
        member: candidates_of(member, rows, params) for member in params.blend.members
    }
    found: list[ModelParams] = []
    for place in range(max(map(len, offered.values()))):
        chosen = {member: getattr(offers[min(place, len(offers) - 1)], member) for member, offers in offered.items()}
        found.append(params.model_copy(update=chosen))
    return found


def out_of_fold(data: TrainingData, params: ModelParams, seed: int) -> tuple[Floats, TrainingData]:
    """Margins of each member on rows that it was not fitted on, shape (n, members), and those rows.

    Raises:
        DataError: an outcome has too few rows for the folds.
    """
    sample = data.take(stratified_sample(data.y, params.subsample, seed))
    fewest = int(min(sample.y.sum(), (1 - sample.y).sum()))
    if fewest < 2 * params.folds:
        raise DataError(
            f"training table: only {fewest} rows of one outcome; fitting a blend's weights on {params.folds} inner "
            f"folds needs at least {2 * params.folds}. Get more rows, lower model.folds, or give model.blend.weights."
        )
    margins = np.empty((sample.y.size, len(params.blend.members)))
    for learn, judge in inner_folds(sample, params.folds, 1, seed):
        rows, judged = sample.take(learn), sample.table[judge]
        for place, member in enumerate(params.blend.members):
            margins[judge, place] = fit_family(member, rows, params, seed).model.margin(judged)
    return margins, sample


def fit_weights(margins: Floats, y: Floats, weight: Floats) -> tuple[float, Floats]:
    """Logistic regression on margins with coefficients from 0 to ``MOST``, by weighted log loss.

    Args:
        margins: log-odds of each member, shape (n, k).
        y: outcomes, 1.0 bad and 0.0 good, shape (n,).
        weight: of the rows, shape (n,).

    Returns:
        The intercept, and the weights of the members, shape (k,).

    Raises:
        ModelError: the search ends without an answer.
    """
    share = weight / weight.sum()
    middle, scale = share @ margins, np.maximum(margins.std(axis=0), 1e-12)
    x = (margins - middle) / scale

    def loss(at: Floats) -> tuple[float, Floats]:
        margin = at[0] + x @ at[1:]
        wrong = share * (expit(margin) - y)
        return float(share @ (np.logaddexp(0.0, margin) - y * margin)), np.concatenate([[wrong.sum()], wrong @ x])

    rate = float(np.clip(share @ y, 1e-9, 1 - 1e-9))
    start = np.concatenate([[np.log(rate / (1 - rate))], scale / scale.size])
    bounds = [(None, None), *((0.0, MOST * one) for one in scale)]
    found = minimize(
        loss, start, jac=True, bounds=bounds, method="L-BFGS-B", options={"ftol": 1e-15, "gtol": 1e-9, "maxiter": 1000}
    )
    if not np.isfinite(found.fun) or not np.isfinite(found.x).all():
        raise ModelError(f"the blend's weights cannot be fitted to {y.size:,} rows: {found.message}")
    weights = found.x[1:] / scale
    return float(found.x[0] - weights @ middle), weights


def _with_rounds(params: ModelParams, fitted: dict[str, Fitted]) -> ModelParams:
    """Params with the rounds that the members took, so that weights are fitted for members as they are."""
    taken = {
        member: getattr(params, member).model_copy(update={"rounds": one.rounds})
        for member, one in fitted.items()
        if one.rounds is not None
    }
    return params.model_copy(update=taken)
