"""The figures of an evaluation, each with its confidence interval."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from creditrisk.model.calibration_fit import Logistic, fit_logistic, log_loss_rows
from creditrisk.params import EvaluationParams
from creditrisk.validation.customers import Numbers, clustered, effective_rows
from creditrisk.validation.figure import Figure, around, bootstrap_figure, mean_figure, plain
from creditrisk.validation.ranking import (
    Outcomes,
    Ranking,
    auc_parts,
    average_precision_of,
    delong_covariance,
    ks_of,
    placements,
    resamples,
)
from creditrisk.validation.separation import at_peak, ks_figure

Floats = NDArray[np.float64]
GROUPS = 10
CLIP = 1e-15
"""A PD of exactly 0 or 1 is moved this far inside before its logarithm is taken."""


@dataclass(frozen=True)
class Decile:
    """One tenth of the rows, 1 being the riskiest; rows of equal PD stay together."""

    decile: int
    rows: int
    bads: float
    """Weighted, as are all that follow."""
    bad_rate: float
    mean_pd: float
    lowest_pd: float
    highest_pd: float
    cumulative_bads: float
    """Share of all bads in this decile and the riskier ones."""
    lift: float
    """Bad rate of this decile over that of all rows."""


@dataclass(frozen=True)
class Murphy:
    """Brier = reliability - resolution + uncertainty + within, over ``bins`` of about equal rows (Murphy 1973).

    ``within`` is what binning leaves: variance less covariance inside the bins (Stephenson and others 2008).
    """

    bins: int
    reliability: float
    resolution: float
    uncertainty: float
    within: float


@dataclass(frozen=True)
class Evaluation:
    """What a model is worth on rows it never saw."""

    rows: int
    bads: int
    bad_rate: float
    mean_pd: float
    confidence: float
    bootstrap: int
    auc: Figure
    gini: Figure
    ks: Figure
    average_precision: Figure
    brier: Figure
    brier_ratio: Figure
    """Brier score over that of the constant bad rate; below 1 is better than knowing nothing of the applicant."""
    log_loss: Figure
    calibration_slope: Figure
    """Of the outcome on the log-odds of the PD; 1 is right, below 1 the PDs are too far apart."""
    calibration_intercept: Figure
    """Of the same regression; 0 is right."""
    calibration_in_the_large: Figure
    """Log-odds to add to every PD for its mean to meet the bad rate; above 0 the PDs are too low."""
    murphy: Murphy
    deciles: tuple[Decile, ...]
    customers: int | None = None
    """How many the rows are of, where some have several: intervals count these. None where each row is one's own."""

    def to_json(self) -> dict[str, Any]:
        """Nested plain values, NaN as null; ``customers`` only where there is a number."""
        found = {f.name: plain(getattr(self, f.name)) for f in fields(self)}
        return found if self.customers is not None else {k: v for k, v in found.items() if k != "customers"}


def evaluate(
    y: Floats,
    pd: Floats,
    weight: Floats | None = None,
    params: EvaluationParams | None = None,
    seed: int = 0,
    group: Numbers | None = None,
) -> Evaluation:
    """Judge probabilities of default on outcomes.

    Args:
        y: 1.0 bad, 0.0 good, shape (n,).
        pd: probability of default, shape (n,).
        weight: shape (n,); ones where absent.
        params: number of bootstrap samples and level of confidence.
        seed: of the bootstrap.
        group: a number for the customer of each row, shape (n,), where one may have several. Figures stay what they
            are; intervals count customers, since one's rows do not tell as much as those of as many customers.

    Raises:
        DataError: only one class, lengths that differ, or a value out of its range.
    """
    params = params or EvaluationParams()
    rows = Outcomes.check(y, pd, weight, group)
    y, pd, weight, group = rows.y, rows.pd, rows.weight, rows.group
    share = weight / weight.sum()
    bad_rate = float(share @ y)
    auc = auc_figure(rows, params.confidence)
    ks, precision = _bootstrapped(rows, params, seed)
    squares, base = (pd - y) ** 2, (bad_rate - y) ** 2
    clipped = np.clip(pd, CLIP, 1 - CLIP)
    log_odds = np.log(clipped) - np.log1p(-clipped)
    slope, intercept, large = _recalibration(log_odds, rows, params.confidence)
    return Evaluation(
        rows=len(y),
        bads=int(y.sum()),
        bad_rate=bad_rate,
        mean_pd=float(share @ pd),
        confidence=params.confidence,
        bootstrap=params.bootstrap,
        auc=auc,
        gini=Figure(2 * auc.value - 1, 2 * auc.low - 1, 2 * auc.high - 1),
        ks=ks,
        average_precision=precision,
        brier=mean_figure(squares, share, params.confidence, group),
        brier_ratio=_ratio(squares, base, share, params.confidence, group),
        log_loss=mean_figure(log_loss_rows(log_odds, y), share, params.confidence, group),
        calibration_slope=slope,
        calibration_intercept=intercept,
        calibration_in_the_large=large,
        murphy=_murphy(y, pd, share),
        deciles=decile_table(rows),
        customers=None if group is None else int(group.max()) + 1,
    )


def auc_figure(rows: Outcomes, confidence: float = 0.95) -> Figure:
    """AUC and its interval by DeLong's variance, by customers where they have several rows; kept from 0 to 1."""
    found = placements(rows.y, rows.pd, rows.weight)
    if rows.group is None:
        variance = float(delong_covariance(rows.y, rows.weight, [found])[0, 0])
    else:
        variance, _ = clustered(auc_parts(rows.y, rows.weight, found), rows.group)
    figure = around(found.auc, math.sqrt(variance), confidence)
    return Figure(figure.value, max(figure.low, 0.0), min(figure.high, 1.0))


def groups_of(pd: Floats, weight: Floats, groups: int = GROUPS) -> NDArray[np.int64]:
    """Number (n,) of each row's group of about equal weight, 0 the riskiest; rows of equal PD stay together."""
    ranking = Ranking.of(np.zeros(len(pd)), pd)
    _, sums = ranking.sums(weight[ranking.order])
    middle = (np.cumsum(sums) - sums / 2) / sums.sum()
    number = np.empty(len(pd), dtype=np.int64)
    number[ranking.order] = np.minimum((middle * groups).astype(np.int64), groups - 1)[ranking.group]
    return np.unique(number, return_inverse=True)[1]


def decile_table(rows: Outcomes) -> tuple[Decile, ...]:
    """Tenths of the rows from the riskiest; fewer where many rows have the same PD."""
    number = groups_of(rows.pd, rows.weight)
    weight, bads = np.bincount(number, rows.weight), np.bincount(number, rows.weight * rows.y)
    mean = np.bincount(number, rows.weight * rows.pd) / weight
    rate, overall = bads / weight, bads.sum() / weight.sum()
    caught = np.cumsum(bads) / bads.sum()
    return tuple(
        Decile(
            decile=i + 1,
            rows=int((number == i).sum()),
            bads=float(bads[i]),
            bad_rate=float(rate[i]),
            mean_pd=float(mean[i]),
            lowest_pd=float(rows.pd[number == i].min()),
            highest_pd=float(rows.pd[number == i].max()),
            cumulative_bads=float(caught[i]),
            lift=float(rate[i] / overall),
        )
        for i in range(len(weight))
    )


def _bootstrapped(rows: Outcomes, params: EvaluationParams, seed: int) -> tuple[Figure, Figure]:
    """KS and average precision.

    Samples are stratified, and KS does not depend on the share of bads. Average precision does: it is worked out with a
    share drawn anew for each sample, or its 95 % interval covered it in 88 % of samples in place of 91.
    """
    ranking = Ranking.of(rows.y, rows.pd)
    y, weight = rows.y[ranking.order], rows.weight[ranking.order]
    group = None if rows.group is None else rows.group[ranking.order]
    found = np.empty((params.bootstrap, 2))
    rate, many = float(weight @ y / weight.sum()), max(round(effective_rows(y, weight, group)), 1)
    bads = np.random.default_rng(seed).binomial(many, rate, params.bootstrap).clip(1, max(many - 1, 1))
    for i, sample in enumerate(resamples(y, weight, params.bootstrap, seed, group)):
        bad, good = ranking.sums(sample)
        share = bads[i] / many
        own = rate if group is None else float(bad.sum() / sample.sum())  # customers bring bads and goods unevenly
        mixed = bad * (share / own), good * ((1 - share) / (1 - own))
        found[i] = ks_of(bad, good), average_precision_of(*mixed)
    sums = ranking.sums(weight)
    ks = ks_figure(sums, *at_peak(ranking, weight, group), float(found[:, 0].mean()), params.confidence)
    return ks, bootstrap_figure(average_precision_of(*sums), found[:, 1], params.confidence)


def _ratio(squares: Floats, base: Floats, share: Floats, confidence: float, group: Numbers | None) -> Figure:
    """Ratio of two means with the interval of its linear approximation."""
    bottom = float(share @ base)
    ratio = float(share @ squares) / bottom
    spread = mean_figure((squares - ratio * base) / bottom, share, confidence, group)
    return Figure(ratio, ratio + spread.low - spread.value, ratio + spread.high - spread.value)


def _recalibration(log_odds: Floats, rows: Outcomes, confidence: float) -> tuple[Figure, Figure, Figure]:
    """Slope, intercept and calibration-in-the-large (Cox 1958), with robust standard errors."""
    ones = np.ones((len(rows.y), 1))
    both = fit_logistic(np.column_stack([log_odds, ones]), rows.y, rows.weight, group=rows.group)
    only = fit_logistic(ones, rows.y, rows.weight, log_odds, rows.group)
    slope, intercept = (_estimate(both, place, confidence) for place in (0, 1))
    return slope, intercept, _estimate(only, 0, confidence)


def _estimate(fitted: Logistic, place: int, confidence: float) -> Figure:
    """A coefficient with its interval; none where PD and outcome part so cleanly that rounding makes its variance."""
    variance = float(fitted.covariance[place, place])
    if not fitted.converged or not variance >= 0.0:
        return Figure(math.nan, math.nan, math.nan)
    return around(float(fitted.coefficients[place]), math.sqrt(variance), confidence)


def _murphy(y: Floats, pd: Floats, share: Floats) -> Murphy:
    number = groups_of(pd, share)
    weight = np.bincount(number, share)
    mean, rate = np.bincount(number, share * pd) / weight, np.bincount(number, share * y) / weight
    overall = float(share @ y)
    apart_pd, apart_y = pd - mean[number], y - rate[number]
    return Murphy(
        bins=len(weight),
        reliability=float(weight @ (mean - rate) ** 2),
        resolution=float(weight @ (rate - overall) ** 2),
        uncertainty=overall * (1 - overall),
        within=float(share @ (apart_pd**2 - 2 * apart_pd * apart_y)),
    )
