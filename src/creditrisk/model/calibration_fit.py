"""Fitting calibrators: logistic (Platt), beta and isotonic regression on rows that the model never saw."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from creditrisk.errors import DataError, ModelError
from creditrisk.model.calibration import Beta, Calibrator, Isotonic, Method, Platt, exp_vector, log1p_vector

Floats = NDArray[np.float64]
FOLDS = 5
FEWEST_OF_EACH = 100
"""Good and bad rows from which on another shape than Platt's straight line is looked at: with fewer, what one would be
chosen by is mostly noise (Collins, Ogundimu and Altman 2016 ask for 100 events to judge calibration at all)."""
MIN_BETA = 0.05
"""Smallest a and b of beta calibration: at 0 a tail would be flat, and its applicants tied."""
MAX_CONDITION = 1e12
MIN_STEP = 1e-9
"""Isotonic knots lie at least so far apart, so that the slopes between them are finite and above 0."""
ROWS_A_BIN, MAX_BINS = 50, 200
"""Isotonic regression works on bins of margins, so that a knot stands on enough rows."""


@dataclass(frozen=True)
class Logistic:
    """An unpenalised logistic regression: coefficients (k,) and their robust (sandwich) covariance (k, k)."""

    coefficients: Floats
    covariance: Floats
    converged: bool
    """Whether this is the one finite solution; where it is not, the covariance means nothing."""


def fit(
    method: Literal["auto", "platt", "beta", "isotonic"],
    margin: Floats,
    y: Floats,
    weight: Floats | None,
    seed: int,
) -> Calibrator:
    """See ``creditrisk.model.calibration.fit_calibrator``."""
    if method != "auto" and method not in _FITS:
        raise ModelError(f"calibration.method: {method!r}, expected auto, platt, beta or isotonic.")
    margin, y, weight = _checked(margin, y, weight)
    chosen = _choose(margin, y, weight, seed) if method == "auto" else method
    return _FITS[chosen](margin, y, weight)


def fit_logistic(
    x: Floats, y: Floats, weight: Floats, offset: Floats | float = 0.0, group: NDArray[np.int64] | None = None
) -> Logistic:
    """Newton's method with halved steps.

    Args:
        x: design matrix, shape (n, k), with a column of ones where an intercept is wanted.
        y: targets from 0 to 1, shape (n,).
        weight: shape (n,).
        offset: added to the linear predictor, shape (n,).
        group: customers numbered from 0, shape (n,), where one has several rows: the covariance counts customers.
    """
    beta = np.zeros(x.shape[1])
    loss = _logistic_loss(x @ beta + offset, y, weight)
    converged = False
    for _ in range(60):
        p = sigmoid(x @ beta + offset)
        gradient = x.T @ (weight * (p - y))
        hessian = (x.T * (weight * p * (1 - p))) @ x
        try:
            step = np.linalg.solve(hessian, gradient)
        except np.linalg.LinAlgError:
            break
        decrement, size = float(gradient @ step), 1.0
        if not np.isfinite(decrement) or decrement < 1e-10 * max(loss, 1e-300):
            converged = bool(np.isfinite(decrement))
            beta = beta - step if converged else beta
            break
        while size > 1e-8 and not _logistic_loss(x @ (beta - size * step) + offset, y, weight) <= loss:
            size /= 2
        beta = beta - size * step
        loss = _logistic_loss(x @ beta + offset, y, weight)
    p = sigmoid(x @ beta + offset)
    # A parting without error has no finite solution, columns that depend on each other have many.
    single = bool(np.abs(beta).max() < 1e3 and np.linalg.cond((x.T * (weight * p * (1 - p))) @ x) < MAX_CONDITION)
    return Logistic(beta, _sandwich(x, y, weight, p, group), converged and single)


def sigmoid(z: Floats) -> Floats:
    """1 / (1 + exp(-z)) without overflow."""
    return 1.0 / (1.0 + exp_vector(np.clip(-z, -700.0, 700.0)))


def log_loss_rows(z: Floats, y: Floats) -> Floats:
    """Negative log-likelihood of each row for log-odds ``z`` and targets from 0 to 1."""
    return np.maximum(z, 0.0) - z * y + log1p_vector(exp_vector(-np.abs(z)))


def _logistic_loss(z: Floats, y: Floats, weight: Floats) -> float:
    return float(weight @ log_loss_rows(z, y))


def _sandwich(x: Floats, y: Floats, weight: Floats, p: Floats, group: NDArray[np.int64] | None) -> Floats:
    try:
        bread = np.linalg.inv((x.T * (weight * p * (1 - p))) @ x)
    except np.linalg.LinAlgError:
        return np.full((x.shape[1], x.shape[1]), np.nan)
    score = x * (weight * (y - p))[:, None]
    if group is not None:  # rows of one customer go together (Liang and Zeger 1986)
        sums = np.column_stack([np.bincount(group, column) for column in score.T])
        score = sums * np.sqrt(len(sums) / max(len(sums) - 1, 1))
    return np.asarray(bread @ (score.T @ score) @ bread)


def _checked(margin: Floats, y: Floats, weight: Floats | None) -> tuple[Floats, Floats, Floats]:
    margin, y = np.asarray(margin, dtype=np.float64), np.asarray(y, dtype=np.float64)
    weight = np.ones(len(y)) if weight is None else np.asarray(weight, dtype=np.float64)
    if not len(margin) == len(y) == len(weight):
        raise DataError(
            f"calibration: {len(margin)} margins, {len(y)} outcomes, {len(weight)} weights; one each a row."
        )
    if not np.isfinite(margin).all():
        row = int(np.flatnonzero(~np.isfinite(margin))[0])
        raise ModelError(f"calibration: the model's margin of row {row} is {margin[row]}, expected a finite number.")
    if not np.isin(y, (0.0, 1.0)).all():
        raise DataError("calibration: outcomes must be 1 (bad) or 0 (good).")
    if not (np.isfinite(weight).all() and (weight >= 0).all()):
        raise DataError("calibration: weights must be finite and not below 0.")
    kept = weight > 0
    if len(np.unique(y[kept])) < 2:
        found = "no row" if not kept.any() else "only bad" if y[kept][0] else "only good"
        raise DataError(
            f"calibration: {found} among its {int(kept.sum()):,} rows, expected good and bad ones; give "
            "split.calibration a larger share or the portfolio more rows."
        )
    margin, y, weight = margin[kept], y[kept], weight[kept]
    if np.ptp(margin) == 0:
        raise ModelError(
            f"calibration: the model gives all {len(margin):,} rows the same margin {margin[0]:.6g}: it has "
            "learnt nothing from the inputs. Check the contract's columns and the target."
        )
    return margin, y, weight / weight.mean()


def _smoothed(y: Floats, weight: Floats) -> Floats:
    """Platt's targets: a little inside 0 and 1, so that a parting without error does not give an endless slope."""
    bad = float(weight @ y)
    good = float(weight.sum()) - bad
    return np.where(y > 0.5, (bad + 1) / (bad + 2), 1 / (good + 2))


def _fit_platt(margin: Floats, y: Floats, weight: Floats) -> Platt:
    centre, scale = float(margin.mean()), float(margin.std())
    x = np.column_stack([(margin - centre) / scale, np.ones(len(margin))])
    slope, intercept = fit_logistic(x, _smoothed(y, weight), weight).coefficients
    slope = slope / scale
    if not slope > 0:
        raise ModelError(
            f"calibration: on its {len(y):,} rows the risk falls where the model's margin rises (slope {slope:.4g}, "
            "expected above 0): the model ranks them no better than chance. Check for drift between the parts, or add "
            "rows."
        )
    return Platt(float(slope), float(intercept - slope * centre))


def _fit_beta(margin: Floats, y: Floats, weight: Floats) -> Beta:
    tail = log1p_vector(exp_vector(-np.abs(margin)))
    parts = np.column_stack([-(np.maximum(-margin, 0) + tail), np.maximum(margin, 0) + tail])
    targets, ones = _smoothed(y, weight), np.ones(len(y))
    held: dict[int, float] = {}
    while len(held) < 2:
        free = [i for i in (0, 1) if i not in held]
        offset = sum((parts[:, i] * value for i, value in held.items()), np.zeros(len(y)))
        fitted = fit_logistic(np.column_stack([parts[:, free], ones]), targets, weight, offset).coefficients
        low = [(float(fitted[k]), i) for k, i in enumerate(free) if not fitted[k] >= MIN_BETA]
        if not low:
            found = held | {i: float(fitted[k]) for k, i in enumerate(free)}
            return Beta(found[0], found[1], float(fitted[-1]))
        held[min(low)[1]] = MIN_BETA
    # Both at their smallest: the margin tells next to nothing, and a straight line says so best.
    line = _fit_platt(margin, y, weight)
    return Beta(line.slope, line.slope, line.intercept)


def _fit_isotonic(margin: Floats, y: Floats, weight: Floats) -> Isotonic:
    from scipy.optimize import isotonic_regression

    line = _fit_platt(margin, y, weight)
    centres, bad, rows = _bins(margin, y, weight)
    blocks = isotonic_regression(bad / rows, weights=rows).blocks[:-1]
    rows_in = np.add.reduceat(rows, blocks)
    centres = np.add.reduceat(centres * rows, blocks) / rows_in
    rate = (np.add.reduceat(bad, blocks) + 0.5) / (rows_in + 1)  # a block without bads is not without risk
    values = np.log(rate / (1 - rate))
    again = isotonic_regression(values, weights=rows_in).blocks[:-1]  # the 0.5 may have turned small neighbours round
    total = np.add.reduceat(rows_in, again)
    knots = np.add.reduceat(centres * rows_in, again) / total, np.add.reduceat(values * rows_in, again) / total
    keep = np.concatenate([[True], (np.diff(knots[0]) > MIN_STEP) & (np.diff(knots[1]) > MIN_STEP)])
    centres, values = knots[0][keep], knots[1][keep]
    drawn = Isotonic(tuple(centres.tolist()), tuple(values.tolist()), line.slope)
    # Slopes in place of steps move the mean a little; one constant brings it back to the bad rate.
    shift = fit_logistic(np.ones((len(y), 1)), y, weight, drawn.log_odds_vector(margin)).coefficients[0]
    return Isotonic(drawn.margins, tuple((values + shift).tolist()), line.slope)


def _bins(margin: Floats, y: Floats, weight: Floats) -> tuple[Floats, Floats, Floats]:
    """Mean margin, weight of the bads and weight of all in bins of about equal rows; equal margins stay together."""
    bins = int(np.clip(len(y) // ROWS_A_BIN, 1, MAX_BINS))
    edges = np.unique(np.quantile(margin, np.linspace(0, 1, bins + 1)[1:-1], method="inverted_cdf"))
    code = np.searchsorted(edges, margin, side="left")
    rows = np.bincount(code, weights=weight, minlength=len(edges) + 1)
    some = rows > 0
    centres: Floats = np.bincount(code, weights=weight * margin, minlength=len(edges) + 1)[some] / rows[some]
    bad: Floats = np.bincount(code, weights=weight * y, minlength=len(edges) + 1)[some].astype(np.float64)
    return centres, bad, rows[some].astype(np.float64)


def _choose(margin: Floats, y: Floats, weight: Floats, seed: int) -> Method:
    """Platt's, or the best of those that beat it by over one standard error in out-of-fold log loss."""
    if min(y.sum(), (1 - y).sum()) < FEWEST_OF_EACH:
        return "platt"
    part = _parts(y, seed)
    losses = {name: np.empty(len(y)) for name in _FITS}
    for fold in range(FOLDS):
        out, rest = part == fold, part != fold
        for name, fit_one in _FITS.items():
            try:
                found = fit_one(margin[rest], y[rest], weight[rest])
            except ModelError:  # a fold whose risk falls with the margin says nothing for another method
                return "platt"
            losses[name][out] = log_loss_rows(found.log_odds_vector(margin[out]), y[out])
    best: Method = "platt"
    most = 0.0
    for name in ("beta", "isotonic"):
        gain = weight * (losses["platt"] - losses[name])
        mean, error = float(gain.mean()), float(gain.std(ddof=1) / np.sqrt(len(gain)))
        if mean > error and mean > most:
            best, most = name, mean
    return best


def _parts(y: Floats, seed: int) -> NDArray[np.int64]:
    random = np.random.default_rng(seed)
    part = np.empty(len(y), dtype=np.int64)
    for outcome in (0.0, 1.0):
        rows = random.permutation(np.flatnonzero(y == outcome))
        part[rows] = np.arange(len(rows)) % FOLDS
    return part


_FITS: dict[Method, Callable[[Floats, Floats, Floats], Calibrator]] = {
    "platt": _fit_platt,
    "beta": _fit_beta,
    "isotonic": _fit_isotonic,
}
