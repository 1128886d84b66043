"""The points of an additive model: what a scorecard looks like on paper."""

from __future__ import annotations

import math

import numpy as np
import polars as pl

from creditrisk.errors import ModelError
from creditrisk.model.additive.runtime import AdditiveModel
from creditrisk.model.additive.terms import Floats, Indexes


def points_table(
    model: AdditiveModel, base_score: float, base_odds: float, pdo: float, slope: float = 1.0, intercept: float = 0.0
) -> pl.DataFrame:
    """Points of each bin of each input that counts; a row's points add up to its score before rounding.

    Args:
        model: without pairs, as every scorecard is.
        base_score: the score at ``base_odds`` (good to bad).
        base_odds: see base_score.
        pdo: points that double the odds.
        slope: of Platt's calibration: calibrated log-odds of bad are ``slope * margin + intercept``.
        intercept: see slope.

    Returns:
        Columns input, title, bin, log_odds (of bad, added to the baseline) and points, in the inputs' order.

    Raises:
        ModelError: the model has pairs, whose points belong to two inputs together.
    """
    if model.terms.pairs:
        raise ModelError(
            f"points by input need a model without pairs; this {model.family} has {len(model.terms.pairs)}."
        )
    factor = pdo / math.log(2)
    counted = [at for at, effect in enumerate(model.terms.effects) if np.ptp(effect) > 0]
    neutral = base_score - factor * (math.log(base_odds) + intercept + slope * model.baseline)
    share = neutral / max(len(counted), 1)
    rows = []
    for at in counted:
        item, bins, effect = model.inputs[at], model.terms.bins[at], model.terms.effects[at]
        for places in _runs(effect, bins.kind == "number"):
            log_odds = float(effect[places[0]])
            points = share - factor * slope * log_odds
            rows.append((item.name, item.title, bins.label(places), log_odds, points))
    schema = {"input": pl.String, "title": pl.String, "bin": pl.String, "log_odds": pl.Float64, "points": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _runs(effect: Floats, ordered: bool) -> list[Indexes]:
    """Bins of one line: each bin of a number; all values of a category that add the same."""
    if ordered:
        return [np.array([place]) for place in range(effect.size)]
    return [np.flatnonzero(effect == level) for level in np.unique(effect)]
