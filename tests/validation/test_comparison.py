"""Paired comparisons: equal models do not differ, a better one does, and the interval is honest."""

import json

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import brunnermunzel

from creditrisk.errors import DataError
from creditrisk.params import EvaluationParams
from creditrisk.validation.comparison import compare

Floats = NDArray[np.float64]
SOME = EvaluationParams(bootstrap=200)


def models(rows: int, seed: int, noise: float) -> tuple[Floats, Floats, Floats]:
    """Outcomes, the true PD, and a noisy one."""
    random = np.random.default_rng(seed)
    margin = random.normal(-1.5, 1.0, rows)
    y = (random.random(rows) < 1 / (1 + np.exp(-margin))).astype(float)
    noisy = margin + random.normal(0, noise, rows)
    return y, 1 / (1 + np.exp(-margin)), 1 / (1 + np.exp(-noisy))


def test_a_model_against_itself_does_not_differ() -> None:
    y, pd, _ = models(500, 0, 0)
    found = compare(y, pd, pd, params=SOME)
    assert (found.auc_difference.value, found.auc_difference.low, found.auc_difference_bootstrap.low) == (0, 0, 0)
    assert (found.auc_p_value, found.brier_difference.value) == (1, 0)
    assert not found.better


def test_the_same_order_with_other_pds_ranks_no_better() -> None:
    y, pd, _ = models(500, 1, 0)
    found = compare(y, pd, pd / 2, params=SOME)
    assert not found.better
    assert found.brier_difference.high < 0


def test_a_clearly_better_model_is_better_and_not_the_other_way() -> None:
    y, good, bad = models(4_000, 2, 0.8)
    found, back = compare(y, good, bad, params=SOME), compare(y, bad, good, params=SOME)
    assert found.better
    assert not back.better
    assert found.auc_difference.low > 0
    assert found.brier_difference.high < 0
    assert back.auc_difference.value == -found.auc_difference.value
    assert found.auc_p_value < 0.01


def test_delong_and_bootstrap_agree() -> None:
    found = compare(*models(3_000, 3, 0.5), params=EvaluationParams(bootstrap=1_000))
    by_delong = found.auc_difference.high - found.auc_difference.low
    by_bootstrap = found.auc_difference_bootstrap.high - found.auc_difference_bootstrap.low
    assert by_bootstrap == pytest.approx(by_delong, rel=0.12)


def test_pairing_is_used() -> None:
    y, good, bad = models(2_000, 4, 0.2)
    found = compare(y, good, bad, params=SOME)
    alone = compare(y, good, np.random.default_rng(0).random(2_000), params=SOME)
    assert found.auc_difference_error < alone.auc_difference_error / 2


def test_two_equally_good_models_rarely_differ() -> None:
    wrong = 0
    for seed in range(200):
        random = np.random.default_rng(seed)
        margin = random.normal(-1, 1, 400)
        y = (random.random(400) < 1 / (1 + np.exp(-margin))).astype(float)
        one, two = (1 / (1 + np.exp(-(margin + random.normal(0, 0.5, 400)))) for _ in range(2))
        wrong += compare(y, one, two, params=EvaluationParams(bootstrap=50)).auc_difference.low > 0
    assert wrong / 200 <= 0.06


def test_paired_covariance_equals_that_over_all_pairs() -> None:
    y, one, two = models(120, 5, 0.7)
    bad, good = y > 0.5, y <= 0.5
    wins = [(p[bad][:, None] > p[good]).astype(float) for p in (one, two)]
    apart = wins[0] - wins[1]
    variance = apart.mean(axis=1).var(ddof=1) / bad.sum() + apart.mean(axis=0).var(ddof=1) / good.sum()
    found = compare(y, one, two, params=SOME)
    assert found.auc_difference_error == pytest.approx(np.sqrt(variance))
    assert found.auc_difference.value == pytest.approx(apart.mean())


def test_few_bads_widen_the_interval() -> None:
    """Against a model that ranks nobody, the test is that of Brunner and Munzel (2000)."""
    random = np.random.default_rng(8)
    y = np.repeat([1.0, 0.0], [10, 300])
    pd = 1 / (1 + np.exp(-random.normal(0.7 * y, 1)))
    found = compare(y, pd, np.full(310, 0.3), params=SOME)
    assert found.auc_p_value == pytest.approx(brunnermunzel(pd[y > 0.5], pd[y < 0.5]).pvalue)
    reach = found.auc_difference.value - found.auc_difference.low
    assert reach > 2.2 * found.auc_difference_error


def test_models_that_err_alike_do_not_differ_by_rounding() -> None:
    """Neighbouring goods change places: no pair of a bad and a good does."""
    y = np.array([0.0, 0.0, 1.0, 0.0, 1.0, 1.0] * 40)
    weight = np.random.default_rng(9).exponential(size=y.size)
    one = np.linspace(0.1, 0.9, y.size)
    two = one.copy()
    two[0::6], two[1::6] = one[1::6], one[0::6]
    found = compare(y, two, one, weight, params=SOME)
    assert found.auc_p_value == pytest.approx(1)
    assert not found.better


def test_json_is_plain_and_holds_the_verdict() -> None:
    value = json.loads(json.dumps(compare(*models(300, 6, 0.5), params=SOME).to_json(), allow_nan=False))
    assert value["better"] in (True, False)
    assert set(value["auc_difference"]) == {"value", "low", "high"}


def test_other_rows_are_refused() -> None:
    y, one, two = models(100, 7, 0.5)
    with pytest.raises(DataError, match=r"\(100,\) outcomes, \(99,\) PDs"):
        compare(y, one, two[:99])


def customers(seed: int, rows_each: int) -> tuple[Floats, Floats, Floats, NDArray[np.int64]]:
    """Two models that know as much, of customers whose rows have one outcome and nearly one PD."""
    random = np.random.default_rng(seed)
    group = np.repeat(np.arange(200), rows_each)
    known = random.normal(size=200)
    y = (random.random(200) < 1 / (1 + np.exp(1.5 - known))).astype(float)[group]
    margins = ((known + 0.5 * random.normal(size=200))[group] + 0.1 * random.normal(size=group.size) for _ in "ab")
    one, other = (1 / (1 + np.exp(-margin)) for margin in margins)
    return y, one, other, group


def test_rows_of_one_customer_are_no_further_evidence() -> None:
    """Taken for customers of their own, six rows of each made an equal challenger better in 22 % of samples."""
    better = sum(
        compare(y, one, other, params=EvaluationParams(bootstrap=50), group=group).better
        for y, one, other, group in (customers(seed, 6) for seed in range(100))
    )
    assert better <= 6


def test_customers_of_one_row_each_change_nothing() -> None:
    y, one, other, group = customers(3, 1)
    few = EvaluationParams(bootstrap=50)
    assert compare(y, one, other, params=few, group=group[::-1].copy()) == compare(y, one, other, params=few)


def test_a_customer_given_six_times_is_as_certain_as_given_once() -> None:
    y, one, other, _ = customers(4, 1)
    six = np.repeat(np.arange(200), 6)
    few = EvaluationParams(bootstrap=50)
    plain = compare(y, one, other, params=few)
    weight = np.where(np.arange(1_200) == 3, 0.0, 1.0)
    for found in (
        compare(y[six], one[six], other[six], params=few, group=six + 7),
        compare(y[six], one[six], other[six], weight, few, group=six),
    ):
        assert found.auc_difference_error == pytest.approx(plain.auc_difference_error, rel=0.02)
        assert found.brier_difference.high == pytest.approx(plain.brier_difference.high, abs=2e-4)
