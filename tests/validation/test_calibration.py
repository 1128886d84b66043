"""Calibration curve, error and tests."""

import json

import numpy as np
import pytest
from numpy.typing import NDArray

from creditrisk.validation.calibration import check_calibration

Floats = NDArray[np.float64]


def sample(rows: int, seed: int, factor: float = 1.0) -> tuple[Floats, Floats]:
    """Outcomes of true PDs, and stated PDs so many times as high."""
    random = np.random.default_rng(seed)
    pd = random.beta(1, 8, rows)
    return (random.random(rows) < pd).astype(float), np.minimum(pd * factor, 0.999)


def test_right_pds_pass_and_wrong_ones_fail() -> None:
    right, wrong = check_calibration(*sample(8_000, 0)), check_calibration(*sample(8_000, 0, 1.5))
    assert all(test.p_value > 0.01 for test in right.tests)
    assert wrong.tests[0].p_value < 1e-6
    assert wrong.tests[1].p_value < 1e-6
    assert wrong.error > 3 * right.error


def test_p_values_of_right_pds_are_even() -> None:
    found = np.array([[t.p_value for t in check_calibration(*sample(1_500, seed)).tests] for seed in range(200)])
    assert ((found < 0.1).mean(axis=0) < 0.17).all()
    assert ((found < 0.5).mean(axis=0) > 0.38).all()


def test_bins_go_up_and_error_is_their_mean_distance() -> None:
    y, pd = sample(2_000, 1)
    found = check_calibration(y, pd)
    assert [b.rows for b in found.bins] == [200] * 10
    assert [b.mean_pd for b in found.bins] == sorted(b.mean_pd for b in found.bins)
    assert all(b.low <= b.bad_rate <= b.high for b in found.bins)
    assert found.error == pytest.approx(np.mean([abs(b.mean_pd - b.bad_rate) for b in found.bins]))
    assert found.largest_error == max(abs(b.mean_pd - b.bad_rate) for b in found.bins)


def test_weights_count() -> None:
    y, pd = sample(1_000, 2)
    weight = np.where(y > 0, 2.0, 1.0)
    plain, weighted = check_calibration(y, pd), check_calibration(y, pd, weight)
    assert weighted.tests[0].statistic > plain.tests[0].statistic
    json.dumps(weighted.to_json(), allow_nan=False)
