"""Calibrators: monotone, the same for one row as for many, lossless on disk, and right about known distortions."""

import json
import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from creditrisk.errors import DataError, ModelError
from creditrisk.model.calibration import (
    MAX_LOG_ODDS,
    MAX_PD,
    MIN_PD,
    Beta,
    Calibrator,
    Isotonic,
    Platt,
    calibrator_from_json,
    exp_vector,
    fit_calibrator,
    log1p_vector,
    points,
)
from creditrisk.model.calibration_fit import fit_logistic

Floats = NDArray[np.float64]

slopes = st.floats(0.05, 5)
shifts = st.floats(-5, 5)


@st.composite
def isotonics(draw: st.DrawFn) -> Isotonic:
    margins = sorted(draw(st.sets(st.floats(-8, 8).map(lambda value: round(value, 9)), min_size=1, max_size=8)))
    values = np.cumsum([draw(shifts), *(draw(st.floats(0.01, 2)) for _ in margins[1:])])
    return Isotonic(tuple(margins), tuple(values.tolist()), draw(slopes))


calibrators: st.SearchStrategy[Calibrator] = st.one_of(
    st.builds(Platt, slopes, shifts), st.builds(Beta, slopes, slopes, shifts), isotonics()
)
margins = st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=30)


def sample(rows: int, seed: int, distort: str = "none") -> tuple[Floats, Floats]:
    """Margins and outcomes; the true log-odds are a known function of the margin."""
    random = np.random.default_rng(seed)
    margin = random.normal(-1.5, 1.2, rows)
    truth = {"none": margin, "line": 0.6 * margin - 0.4, "steps": np.where(margin > -1.5, 0.5, -3.0) + 0.05 * margin}
    y = (random.random(rows) < 1 / (1 + np.exp(-truth[distort]))).astype(float)
    return margin, y


@given(calibrators, margins)
def test_one_row_and_many_agree_to_the_last_bit(calibrator: Calibrator, values: list[float]) -> None:
    many = np.array(values)
    assert calibrator.log_odds_vector(many).tolist() == [calibrator.log_odds(v) for v in values]
    assert calibrator.pd_vector(many).tolist() == [calibrator.pd(v) for v in values]


@given(calibrators, margins)
def test_order_never_flips_and_pd_is_bounded(calibrator: Calibrator, values: list[float]) -> None:
    ordered = sorted(values)
    slack = 1e-12 if isinstance(calibrator, Beta) else 0.0
    found = [calibrator.log_odds(v) for v in ordered]
    assert all(low <= high + slack for low, high in pairwise(found))
    assert all(MIN_PD <= calibrator.pd(v) <= MAX_PD for v in ordered)
    assert all(abs(v) <= MAX_LOG_ODDS for v in found)


@given(calibrators, st.lists(st.floats(-9, 9), min_size=2, max_size=30))
def test_different_margins_keep_different_log_odds(calibrator: Calibrator, values: list[float]) -> None:
    ordered = sorted(values)
    for low, high in pairwise(ordered):
        if high - low > 1e-6 and abs(calibrator.log_odds(low)) < MAX_LOG_ODDS:
            assert calibrator.log_odds(low) < calibrator.log_odds(high)


@given(isotonics(), st.integers(0, 7), st.integers(0, 20))
def test_isotonic_never_flips_around_a_knot(calibrator: Isotonic, knot: int, steps: int) -> None:
    at = calibrator.margins[knot % len(calibrator.margins)]
    below = at
    for _ in range(steps):
        below = math.nextafter(below, -math.inf)
    assert calibrator.log_odds(below) <= calibrator.log_odds(at) <= calibrator.log_odds(math.nextafter(at, math.inf))


@given(calibrators, margins)
def test_json_round_trip_is_lossless(calibrator: Calibrator, values: list[float]) -> None:
    back = calibrator_from_json(json.loads(json.dumps(calibrator.to_json())))
    assert back == calibrator
    assert [back.pd(v) for v in values] == [calibrator.pd(v) for v in values]


def test_polars_functions_are_those_of_math() -> None:
    random = np.random.default_rng(0)
    values = np.concatenate([random.normal(0, 3, 100_003), random.uniform(-700, 700, 100_003)])
    assert exp_vector(values).tolist() == [math.exp(v) for v in values]
    assert log1p_vector(np.abs(values)).tolist() == [math.log1p(v) for v in np.abs(values)]


def test_platt_recovers_a_known_line() -> None:
    margin, y = sample(60_000, 1, "line")
    found = fit_calibrator("platt", margin, y)
    assert isinstance(found, Platt)
    assert found.slope == pytest.approx(0.6, abs=0.04)
    assert found.intercept == pytest.approx(-0.4, abs=0.06)


def test_beta_recovers_its_own_kind_of_distortion() -> None:
    random = np.random.default_rng(2)
    margin = random.normal(0, 2, 80_000)
    truth = Beta(0.5, 1.6, -0.7)
    y = (random.random(len(margin)) < truth.pd_vector(margin)).astype(float)
    found = fit_calibrator("beta", margin, y)
    assert isinstance(found, Beta)
    assert (found.a, found.b, found.c) == pytest.approx((0.5, 1.6, -0.7), abs=0.08)


@pytest.mark.parametrize("sign", [1, -1])
def test_beta_stays_increasing_where_its_free_fit_would_not(sign: int) -> None:
    random = np.random.default_rng(3)
    margin = random.normal(0, 2, 20_000)
    truth = np.where(sign * margin > 0, sign * margin * 1.5, sign * margin * -0.6) * sign  # falls on one side
    y = (random.random(len(margin)) < 1 / (1 + np.exp(-truth))).astype(float)
    found = fit_calibrator("beta", margin, y)
    assert isinstance(found, Beta)
    assert min(found.a, found.b) > 0


def test_isotonic_follows_a_step_and_keeps_the_mean() -> None:
    margin, y = sample(40_000, 4, "steps")
    found = fit_calibrator("isotonic", margin, y)
    assert found.pd(-0.2) == pytest.approx(1 / (1 + math.exp(-0.49)), abs=0.03)
    assert found.pd(-3.0) == pytest.approx(1 / (1 + math.exp(3.15)), abs=0.02)
    assert found.pd_vector(margin).mean() == pytest.approx(y.mean(), abs=1e-6)


@pytest.mark.parametrize(("distort", "expected"), [("line", "platt"), ("steps", "isotonic")])
def test_auto_leaves_platt_only_for_a_clear_gain(distort: str, expected: str) -> None:
    margin, y = sample(20_000, 5, distort)
    assert fit_calibrator("auto", margin, y, seed=0).method == expected


@pytest.mark.parametrize(
    ("bads", "goods", "expected"), [(99, 5_000, "platt"), (5_000, 99, "platt"), (100, 100, "beta")]
)
def test_auto_looks_at_other_shapes_only_with_a_hundred_rows_of_each_outcome(
    bads: int, goods: int, expected: str
) -> None:
    margin = np.concatenate([np.linspace(-0.5, 4.0, bads), np.linspace(-4.0, -0.1, goods) ** 3])  # far from a line
    y = np.concatenate([np.ones(bads), np.zeros(goods)])
    assert fit_calibrator("auto", margin, y, seed=0).method == expected


@pytest.mark.parametrize("method", ["platt", "beta", "isotonic"])
def test_a_weight_of_two_is_a_row_given_twice(method: str) -> None:
    margin, y = sample(400, 6)
    weight = np.where(np.arange(400) % 3 == 0, 2.0, 1.0)
    twice = np.repeat(np.arange(400), weight.astype(int))
    weighted = fit_calibrator(method, margin, y, weight)  # type: ignore[arg-type]
    repeated = fit_calibrator(method, margin[twice], y[twice])  # type: ignore[arg-type]
    tolerance = 0.35 if method == "isotonic" else 0.02  # its bins go by rows; the others only smooth targets apart
    for value in (-3.0, -1.0, 0.5):
        assert weighted.log_odds(value) == pytest.approx(repeated.log_odds(value), abs=tolerance)


@pytest.mark.parametrize("method", ["auto", "platt", "beta", "isotonic"])
def test_a_parting_without_error_gives_finite_calibration(method: str) -> None:
    margin = np.linspace(-2, 2, 60)
    found = fit_calibrator(method, margin, (margin > 0).astype(float))  # type: ignore[arg-type]
    assert 0.5 < found.pd(2.0) < 1
    assert found.pd(-2.0) < 0.5


@pytest.mark.parametrize("method", ["auto", "platt", "beta", "isotonic"])
def test_few_rows_and_ties_are_enough(method: str) -> None:
    margin = np.array([-2.0, -2.0, -1.0, -1.0, 0.0, 0.0, 1.0, 1.0])
    y = np.array([0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 1.0, 1.0])
    found = fit_calibrator(method, margin, y)  # type: ignore[arg-type]
    assert found.pd(-2.0) < found.pd(1.0)


@pytest.mark.parametrize("method", ["auto", "platt", "beta", "isotonic"])
def test_a_margin_that_falls_with_the_risk_is_refused(method: str) -> None:
    margin, y = sample(2_000, 7)
    with pytest.raises(ModelError, match="risk falls where the model's margin rises"):
        fit_calibrator(method, -margin, y)  # type: ignore[arg-type]


def test_wrong_input_is_a_sentence() -> None:
    margin, y = sample(50, 8)
    with pytest.raises(DataError, match="only good among its 50 rows"):
        fit_calibrator("platt", margin, np.zeros(50))
    with pytest.raises(DataError, match="50 margins, 49 outcomes"):
        fit_calibrator("platt", margin, y[:49])
    with pytest.raises(ModelError, match="same margin 1"):
        fit_calibrator("platt", np.ones(50), y)
    with pytest.raises(ModelError, match="row 3 is nan"):
        fit_calibrator("platt", np.where(np.arange(50) == 3, np.nan, margin), y)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"method": "spline"}, "unknown method 'spline'"),
        ({"slope": 1.0}, "'method' is missing"),
        ({"method": "platt", "slope": -1.0, "intercept": 0.0}, "slope -1"),
        ({"method": "platt", "slope": "1", "intercept": 0.0}, "expected a number, found '1'"),
        ({"method": "platt", "slope": 10**400, "intercept": 0.0}, "one of hundreds of digits"),
        ({"method": "platt", "slope": math.nan, "intercept": 0.0}, "finite"),
        ({"method": "beta", "a": 0.0, "b": 1.0, "c": 0.0}, "both above 0"),
        ({"method": "isotonic", "margins": [0.0, 1.0], "values": [1.0, 0.5], "tail": 1.0}, "strictly increase"),
        ({"method": "isotonic", "margins": [0.0, 5e-324], "values": [1.0, 2.0], "tail": 1.0}, "too close"),
        ({"method": "isotonic", "margins": [0.0], "values": [1.0, 2.0], "tail": 1.0}, "the same number"),
    ],
)
def test_a_changed_calibration_file_is_refused(value: dict[str, object], words: str) -> None:
    with pytest.raises(ModelError, match=words):
        calibrator_from_json(value)


def test_points_double_the_odds() -> None:
    at_base = points(-math.log(50.0), 600.0, 50.0, 20.0)
    assert at_base == pytest.approx(600)
    assert points(-math.log(100.0), 600.0, 50.0, 20.0) == pytest.approx(620)
    assert points(np.array([-math.log(25.0)]), 600.0, 50.0, 20.0).tolist() == pytest.approx([580])


@settings(max_examples=20)
@given(st.integers(0, 1_000))
def test_logistic_regression_solves_its_equations(seed: int) -> None:
    random = np.random.default_rng(seed)
    x = np.column_stack([random.normal(size=(200, 2)), np.ones(200)])
    y = (random.random(200) < 0.3).astype(float)
    weight = random.uniform(0.5, 2, 200)
    found = fit_logistic(x, y, weight)
    residual = y - 1 / (1 + np.exp(-x @ found.coefficients))
    assert found.converged
    assert x.T @ (weight * residual) == pytest.approx(np.zeros(3), abs=1e-3)


def test_logistic_regression_equals_scikit_learns() -> None:
    from sklearn.linear_model import LogisticRegression

    margin, y = sample(3_000, 9)
    weight = np.random.default_rng(0).uniform(0.5, 2, 3_000)
    expected = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1_000).fit(margin[:, None], y, sample_weight=weight)
    found = fit_logistic(np.column_stack([margin, np.ones(3_000)]), y, weight).coefficients
    assert found == pytest.approx([expected.coef_[0, 0], expected.intercept_[0]], rel=1e-4)
