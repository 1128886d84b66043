"""The figures of an evaluation: identities, intervals, weights, and rows on which some figure has no value."""

import json
import math
import tracemalloc
from collections.abc import Callable
from itertools import pairwise
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from creditrisk.errors import DataError
from creditrisk.params import EvaluationParams
from creditrisk.validation.metrics import Evaluation, evaluate

Floats = NDArray[np.float64]
FEW = EvaluationParams(bootstrap=50)


def sample(rows: int, seed: int, slope: float = 1.0, shift: float = 0.0) -> tuple[Floats, Floats]:
    """Outcomes, and PDs whose log-odds are a line of the true ones."""
    random = np.random.default_rng(seed)
    margin = random.normal(-1.5, 1.0, rows)
    y = (random.random(rows) < 1 / (1 + np.exp(-margin))).astype(float)
    return y, 1 / (1 + np.exp(-(slope * margin + shift)))


def test_every_figure_lies_in_its_interval_and_is_plain_in_json() -> None:
    found = evaluate(*sample(2_000, 0), params=FEW)
    value = json.loads(json.dumps(found.to_json(), allow_nan=False))
    for name in ("auc", "ks", "gini", "brier", "brier_ratio", "log_loss", "average_precision", "calibration_slope"):
        assert set(value[name]) == {"value", "low", "high"}
        assert value[name]["low"] <= value[name]["value"] <= value[name]["high"]
        assert value[name]["low"] < value[name]["high"]
    assert value["gini"]["value"] == pytest.approx(2 * value["auc"]["value"] - 1)
    assert value["rows"] == 2_000


def test_figures_equal_scikit_learns() -> None:
    from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

    y, pd = sample(3_000, 1)
    weight = np.random.default_rng(1).uniform(0.2, 3, 3_000)
    found = evaluate(y, pd, weight, FEW)
    assert found.auc.value == pytest.approx(roc_auc_score(y, pd, sample_weight=weight))
    assert found.brier.value == pytest.approx(brier_score_loss(y, pd, sample_weight=weight))
    assert found.log_loss.value == pytest.approx(log_loss(y, pd, sample_weight=weight))
    assert found.bad_rate == pytest.approx(np.average(y, weights=weight))


def test_slope_and_intercept_equal_an_unpenalised_regression() -> None:
    from sklearn.linear_model import LogisticRegression

    y, pd = sample(4_000, 2, slope=1.7, shift=0.4)
    log_odds = np.log(pd / (1 - pd))
    expected = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1_000).fit(log_odds[:, None], y)
    found = evaluate(y, pd, params=FEW)
    assert found.calibration_slope.value == pytest.approx(expected.coef_[0, 0], rel=1e-4)
    assert found.calibration_intercept.value == pytest.approx(expected.intercept_[0], abs=1e-4)


def test_known_miscalibration_is_found() -> None:
    right = evaluate(*sample(20_000, 3), params=FEW)
    wide = evaluate(*sample(20_000, 3, slope=2.0), params=FEW)
    low = evaluate(*sample(20_000, 3, shift=-0.5), params=FEW)
    assert right.calibration_slope.low <= 1 <= right.calibration_slope.high
    assert right.calibration_in_the_large.low <= 0 <= right.calibration_in_the_large.high
    assert wide.calibration_slope.value == pytest.approx(0.5, abs=0.03)
    assert low.calibration_in_the_large.value == pytest.approx(0.5, abs=0.06)
    assert low.calibration_in_the_large.low > 0.35


def test_robust_error_of_the_slope_is_that_of_repeated_samples() -> None:
    found = [evaluate(*sample(800, seed), params=FEW).calibration_slope for seed in range(80)]
    spread = float(np.std([f.value for f in found]))
    said = float(np.mean([(f.high - f.low) / 2 / 1.96 for f in found]))
    assert said == pytest.approx(spread, rel=0.3)


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.integers(20, 300), st.booleans())
def test_brier_decomposition_adds_up(seed: int, rows: int, ties: bool) -> None:
    y, pd = sample(rows, seed)
    y[:2] = 0, 1
    weight = np.random.default_rng(seed).uniform(0.1, 2, rows)
    found = evaluate(y, pd.round(1) if ties else pd, weight, FEW)
    m = found.murphy
    assert m.reliability - m.resolution + m.uncertainty + m.within == pytest.approx(found.brier.value)
    assert min(m.reliability, m.resolution) >= 0
    assert found.brier_ratio.value == pytest.approx(found.brier.value / m.uncertainty)


def test_deciles_add_up_and_begin_with_the_riskiest() -> None:
    y, pd = sample(5_003, 4)
    found = evaluate(y, pd, params=FEW)
    table = found.deciles
    assert [d.decile for d in table] == list(range(1, 11))
    assert sum(d.rows for d in table) == 5_003
    assert max(d.rows for d in table) - min(d.rows for d in table) <= 1
    assert sum(d.bads for d in table) == y.sum()
    assert table[-1].cumulative_bads == pytest.approx(1)
    assert all(a.lowest_pd >= b.highest_pd for a, b in pairwise(table))
    assert table[0].lift == pytest.approx(table[0].bad_rate / y.mean())


def test_rows_of_equal_pd_share_a_decile() -> None:
    y, pd = sample(1_000, 5)
    found = evaluate(y, np.where(pd > np.median(pd), 0.3, 0.1), params=FEW)
    assert [d.rows for d in found.deciles] == [500, 500]


def test_a_parting_without_error_leaves_no_slope_and_still_gives_the_rest() -> None:
    y = np.repeat([0.0, 1.0], 50)
    found = evaluate(y, np.where(y > 0, 0.9, 0.1), params=FEW)
    assert (found.auc.value, found.ks.value) == (1, 1)
    assert math.isnan(found.calibration_slope.value)
    assert found.to_json()["calibration_slope"] == {"value": None, "low": None, "high": None}


def test_one_pd_for_all_says_that_it_knows_nothing() -> None:
    y = np.repeat([0.0, 1.0], [80, 20])
    found = evaluate(y, np.full(100, 0.2), params=FEW)
    assert (found.auc.value, found.ks.value) == (0.5, 0)
    assert found.brier_ratio.value == pytest.approx(1)
    assert math.isnan(found.calibration_slope.value)
    assert found.calibration_in_the_large.value == pytest.approx(0, abs=1e-6)


def test_pds_of_exactly_nought_and_one_are_judged() -> None:
    y, pd = sample(500, 6)
    pd[:2] = 0, 1
    y[:2] = 0, 1
    assert math.isfinite(evaluate(y, pd, params=FEW).log_loss.value)


def test_a_higher_level_of_confidence_widens_every_interval() -> None:
    y, pd = sample(1_000, 7)
    narrow, wide = (evaluate(y, pd, params=EvaluationParams(bootstrap=200, confidence=c)) for c in (0.8, 0.99))
    for name in ("auc", "ks", "brier", "calibration_slope"):
        a, b = getattr(narrow, name), getattr(wide, name)
        assert b.low < a.low <= a.high < b.high


def test_the_seed_fixes_the_bootstrap() -> None:
    y, pd = sample(500, 8)

    def found(seed: int) -> Evaluation:
        return evaluate(y, pd, params=FEW, seed=seed)

    assert found(1) == found(1)
    assert found(1).ks != found(2).ks


def test_one_class_is_refused() -> None:
    with pytest.raises(DataError, match="0 bad and 3 good rows"):
        evaluate(np.zeros(3), np.array([0.1, 0.2, 0.3]))


def test_interval_of_ks_covers_it_in_small_samples_too() -> None:
    """KS is too high in a sample: percentiles less twice the bias covered the true one in 74 % of these."""
    truth = 2 * NormalDist().cdf(0.6) - 1  # two normals 1.2 standard deviations apart
    y, random, hits = np.repeat([1.0, 0.0], [20, 180]), np.random.default_rng(0), 0
    for _ in range(300):
        found = evaluate(y, 1 / (1 + np.exp(-random.normal(1.2 * y))), params=FEW).ks
        hits += found.low <= truth <= found.high
    assert 0.91 <= hits / 300 <= 0.99


def test_interval_of_average_precision_allows_for_the_share_of_bads() -> None:
    """With rows that tell nothing it is about the share of bads, and as uncertain."""
    y = np.repeat([1.0, 0.0], [100, 900])
    found = evaluate(y, np.full(1_000, 0.1), params=EvaluationParams(bootstrap=300)).average_precision
    assert found.value == pytest.approx(0.1)
    assert found.high - found.low == pytest.approx(2 * 1.96 * math.sqrt(0.1 * 0.9 / 1_000), rel=0.2)


def test_a_row_that_counts_more_leaves_ks_less_certain() -> None:
    y, pd = sample(1_000, 10)
    even, uneven = (evaluate(y, pd, w, FEW).ks for w in (np.full(1_000, 3.0), np.where(np.arange(1_000) % 10, 1.0, 50)))
    assert even == evaluate(y, pd, params=FEW).ks
    assert uneven.high - uneven.low > 1.8 * (even.high - even.low)


def test_rows_are_sorted_as_often_whatever_the_number_of_bootstrap_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a hundred thousand rows cost: no sort for a sample, and no sample kept beside the next."""
    y, pd = sample(100_000, 9)
    sorts = {count: sorted_arrays(monkeypatch, y, pd, count) for count in (50, 60)}
    assert sorts[50] == sorts[60] > 0
    peaks = {count: most_memory(y[:20_000], pd[:20_000], count) for count in (50, 150)}
    assert peaks[150] < 1.1 * peaks[50] < 1.1 * 60 * 8 * 20_000


def sorted_arrays(monkeypatch: pytest.MonkeyPatch, y: Floats, pd: Floats, bootstrap: int) -> int:
    """How often anything of more than a thousand values is sorted in one evaluation."""
    calls = 0

    def counting(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(values: Any, *others: Any, **named: Any) -> Any:
            nonlocal calls
            calls += np.size(values) > 1_000
            return real(values, *others, **named)

        return call

    with monkeypatch.context() as patch:
        for name in ("argsort", "sort", "unique", "quantile", "lexsort"):
            patch.setattr(np, name, counting(getattr(np, name)))
        evaluate(y, pd, params=EvaluationParams(bootstrap=bootstrap))
    return calls


def most_memory(y: Floats, pd: Floats, bootstrap: int) -> int:
    """Bytes that one evaluation holds at most."""
    tracemalloc.start()
    try:
        evaluate(y, pd, params=EvaluationParams(bootstrap=bootstrap))
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
