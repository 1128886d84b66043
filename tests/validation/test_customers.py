"""Where customers have several rows: figures stay what they are, and intervals count customers."""

from __future__ import annotations

from collections import Counter
from statistics import NormalDist

import numpy as np
import pytest
from numpy.typing import NDArray

from creditrisk.errors import DataError
from creditrisk.params import EvaluationParams
from creditrisk.validation.calibration import check_calibration
from creditrisk.validation.customers import design_effect, effective_rows, numbered
from creditrisk.validation.figure import Figure
from creditrisk.validation.metrics import Evaluation, evaluate
from creditrisk.validation.plots import draw
from creditrisk.validation.ranking import auc_of

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]
FEW = EvaluationParams(bootstrap=50)
MEAN, EACH = -1.2, 4
SAMPLES = 250
FIGURES = ("auc", "ks", "brier", "brier_ratio", "log_loss", "calibration_slope", "calibration_in_the_large")


def sample(seed: int, customers: int = 250, each: int = EACH) -> tuple[Floats, Floats, Numbers]:
    """Outcomes of right PDs. A customer's rows have nearly one log-odds, and mostly the same luck."""
    random, group = np.random.default_rng(seed), np.repeat(np.arange(customers), each)
    own, common = random.normal(size=group.size), random.normal(size=customers)[group]
    pd = 1 / (1 + np.exp(-(MEAN + np.sqrt(0.91) * common + 0.3 * own)))
    luck = np.where(random.random(group.size) < 0.8, random.random(customers)[group], random.random(group.size))
    return (luck < pd).astype(float), pd, group


def truth() -> dict[str, float]:
    """What the figures are of endless rows, by the quantiles of their log-odds."""
    margin = np.array([NormalDist(MEAN, 1).inv_cdf((place + 0.5) / 20_000) for place in range(20_000)])
    pd = 1 / (1 + np.exp(-margin[::-1]))
    bad_rate, brier = float(pd.mean()), float((pd * (1 - pd)).mean())
    return {
        "auc": auc_of(pd, 1 - pd),
        "ks": float((np.cumsum(pd) / pd.sum() - np.cumsum(1 - pd) / (1 - pd).sum()).max()),
        "brier": brier,
        "brier_ratio": brier / (bad_rate * (1 - bad_rate)),
        "log_loss": float(-(pd * np.log(pd) + (1 - pd) * np.log1p(-pd)).mean()),
        "calibration_slope": 1.0,
        "calibration_in_the_large": 0.0,
    }


def test_intervals_hold_what_they_say_with_four_rows_of_each_customer() -> None:
    """Nineteen in twenty; by rows, as if each were another customer's, it is three in four."""
    true, by_customer, by_row = truth(), Counter[str](), Counter[str]()
    for seed in range(SAMPLES):
        y, pd, group = sample(seed)
        for hits, known in ((by_customer, group), (by_row, None)):
            found = evaluate(y, pd, params=FEW, group=known)
            hits.update(name for name in FIGURES if holds(getattr(found, name), true[name]))
    assert {name: by_customer[name] / SAMPLES for name in FIGURES} == pytest.approx(
        dict.fromkeys(FIGURES, 0.95), abs=0.04
    )
    assert max(by_row[name] / SAMPLES for name in FIGURES) < 0.87


def holds(figure: Figure, true: float) -> bool:
    return figure.low <= true <= figure.high


def test_tests_of_calibration_refuse_right_pds_as_seldom_as_they_say() -> None:
    """At a level of one tenth; by rows a third of the samples are refused, and the curve's intervals hold in 88 %."""
    refused, held = {True: np.zeros(3), False: np.zeros(3)}, {True: 0.0, False: 0.0}
    for seed in range(SAMPLES):
        y, pd, group = sample(seed)
        for known in (True, False):
            found = check_calibration(y, pd, group=group if known else None)
            refused[known] += np.array([test.p_value < 0.1 for test in found.tests]) / SAMPLES
            held[known] += sum(b.low <= b.mean_pd <= b.high for b in found.bins) / len(found.bins) / SAMPLES
    assert (refused[True] < 0.15).all()
    assert (refused[False] > 0.25).all()
    assert held[False] < 0.9 < 0.93 < held[True]


def widths(found: Evaluation) -> dict[str, float]:
    return {name: getattr(found, name).high - getattr(found, name).low for name in (*FIGURES, "average_precision")}


def test_a_customer_given_four_times_is_as_certain_as_given_once() -> None:
    y, pd, _ = sample(3, each=1)
    four, many = np.repeat(np.arange(250), 4), EvaluationParams(bootstrap=1_000)
    weight = np.where(np.arange(1_000) % 4 == 3, 0.0, 1.0)
    once = evaluate(y, pd, params=many)
    for found in (
        evaluate(y[four], pd[four], params=many, group=four + 7),
        evaluate(y[four], pd[four], weight, many, group=four),
    ):
        assert widths(found) == pytest.approx(widths(once), rel=0.12)
        assert found.auc.value == pytest.approx(once.auc.value)
        assert (once.customers, found.customers) == (None, 250)


def test_customers_of_one_row_each_change_nothing() -> None:
    y, pd, _ = sample(4, each=1)
    found = evaluate(y, pd, params=FEW, group=np.arange(250)[::-1].copy())
    assert found == evaluate(y, pd, params=FEW)
    assert "customers" not in found.to_json()
    assert check_calibration(y, pd, group=np.arange(250)) == check_calibration(y, pd)


def test_pictures_count_customers() -> None:
    y, pd, group = sample(5)
    rows, customers = ({d.name: d for d in draw(y, pd, group=known)} for known in (None, group))
    differ = {name for name in rows if rows[name].svg() != customers[name].svg()}
    assert differ == {"roc", "calibration"}, "those that show an interval"


def test_goods_and_bads_of_the_same_customers_are_judged() -> None:
    """Nothing shows how bads and goods would differ from customer to customer where all have as many of either."""
    group, y = np.repeat(np.arange(30), 2), np.tile([0.0, 1.0], 30)
    pd = np.random.default_rng(6).uniform(0.1, 0.9, 60)
    found = evaluate(y, pd, params=FEW, group=group)
    assert found.average_precision.low <= found.average_precision.value <= found.average_precision.high
    assert found.ks.low < found.ks.value < found.ks.high


def test_effective_rows_of_a_share() -> None:
    hit, ones = np.repeat([True, False], [30, 70]), np.ones(100)
    assert effective_rows(hit, ones, None) == 100
    assert effective_rows(hit, ones, np.arange(100) // 10) == pytest.approx(9), "ten customers, less one for the mean"
    assert effective_rows(hit, ones, np.arange(100) % 10) == 100, "rows that differ within customers are all rows"
    assert effective_rows(np.ones(100), ones, np.arange(100) // 10) == 10
    assert numbered(np.array([7, 7, 9]), np.array([1.0, 0.0, 2.0])) is None


def test_design_effect_is_the_number_of_rows_that_are_alike() -> None:
    residual = np.random.default_rng(0).normal(size=200)
    assert design_effect(np.repeat(residual, 3), np.repeat(np.arange(200), 3)) == pytest.approx(3)
    assert design_effect(residual, None) == design_effect(np.zeros(4), np.zeros(4, dtype=np.int64)) == 1


def test_one_customer_alone_and_other_lengths_are_refused() -> None:
    y, pd, _ = sample(7, each=1)
    with pytest.raises(DataError, match="all 250 rows are of one customer"):
        evaluate(y, pd, group=np.zeros(250, dtype=np.int64))
    with pytest.raises(DataError, match=r"\(250,\) outcomes, \(3,\) customers"):
        evaluate(y, pd, group=np.arange(3))
