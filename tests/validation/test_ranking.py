"""Ranking figures against brute force, scipy, a published example and simulated cover."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from creditrisk.errors import DataError
from creditrisk.validation.metrics import auc_figure
from creditrisk.validation.ranking import (
    Outcomes,
    Ranking,
    auc_of,
    average_precision_of,
    delong_covariance,
    ks_of,
    placements,
    resamples,
)

Floats = NDArray[np.float64]


@st.composite
def tied_rows(draw: st.DrawFn) -> tuple[Floats, Floats, Floats]:
    """Outcomes of both kinds, PDs with many ties, weights."""
    n = draw(st.integers(4, 40))
    y = draw(st.lists(st.sampled_from([0.0, 1.0]), min_size=n, max_size=n))
    pd = draw(st.lists(st.sampled_from([0.0, 0.1, 0.2, 0.5, 0.9, 1.0]), min_size=n, max_size=n))
    weight = draw(st.lists(st.sampled_from([0.5, 1.0, 3.0]), min_size=n, max_size=n))
    return np.array([0, 0, 1, 1, *y[4:]], dtype=float), np.array(pd), np.array(weight)


def brute(y: Floats, pd: Floats, weight: Floats) -> tuple[float, float]:
    """AUC and DeLong's variance over all pairs."""
    bad, good = y > 0.5, y <= 0.5
    wins = (pd[bad][:, None] > pd[good]) + 0.5 * (pd[bad][:, None] == pd[good])
    u, v = weight[bad], weight[good]
    auc = float(u @ wins @ v / (u.sum() * v.sum()))
    variance = 0.0
    for w, part in ((u, wins @ v / v.sum()), (v, u @ wins / u.sum())):
        variance += float(w**2 @ (part - auc) ** 2) / w.sum() ** 2 * len(w) / (len(w) - 1)
    return auc, variance


@given(tied_rows())
def test_auc_and_variance_equal_brute_force_over_pairs(rows: tuple[Floats, Floats, Floats]) -> None:
    y, pd, weight = rows
    auc, variance = brute(y, pd, weight)
    found = placements(y, pd, weight)
    assert found.auc == pytest.approx(auc)
    assert delong_covariance(y, weight, [found])[0, 0] == pytest.approx(variance, abs=1e-12)


def test_delong_on_the_ratings_of_hanley_and_mcneil() -> None:
    """109 tomographs rated 1 to 5 (Hanley and McNeil 1982); area, error and limits as Stata's roctab prints them."""
    normal, abnormal = [33, 6, 6, 11, 2], [3, 2, 2, 11, 33]
    y = np.repeat([0.0, 1.0], [58, 51])
    rating = np.concatenate([np.repeat(np.arange(1, 6), counts) for counts in (normal, abnormal)]) / 5
    figure = auc_figure(Outcomes.check(y, rating))
    assert figure.value == pytest.approx(0.8932, abs=5e-5)
    assert (figure.low, figure.high) == pytest.approx((0.83295, 0.95339), abs=5e-5)


def test_a_weight_of_two_ranks_like_a_row_given_twice() -> None:
    random = np.random.default_rng(0)
    y, pd = (random.random(300) < 0.3).astype(float), random.random(300).round(2)
    weight = np.where(np.arange(300) % 2, 2.0, 1.0)
    twice = np.repeat(np.arange(300), weight.astype(int))
    one, two = Ranking.of(y, pd), Ranking.of(y[twice], pd[twice])
    sums = one.sums(weight[one.order])
    again = two.sums(np.ones(len(twice)))
    for figure in (auc_of, ks_of, average_precision_of):
        assert figure(*sums) == pytest.approx(figure(*again))


@given(tied_rows())
def test_ks_and_average_precision_equal_the_libraries(rows: tuple[Floats, Floats, Floats]) -> None:
    from scipy.stats import ks_2samp
    from sklearn.metrics import average_precision_score, roc_auc_score

    y, pd, weight = rows
    ranking = Ranking.of(y, pd)
    plain, weighted = ranking.sums(np.ones(len(y))), ranking.sums(weight[ranking.order])
    one_sided = ks_2samp(pd[y > 0.5], pd[y <= 0.5], alternative="less", method="asymp").statistic
    assert ks_of(*plain) == pytest.approx(max(one_sided, 0.0))
    assert average_precision_of(*weighted) == pytest.approx(average_precision_score(y, pd, sample_weight=weight))
    assert auc_of(*weighted) == pytest.approx(roc_auc_score(y, pd, sample_weight=weight))


def test_a_model_the_wrong_way_round_has_no_ks() -> None:
    y, pd = np.array([0.0, 0.0, 1.0, 1.0]), np.array([0.8, 0.9, 0.1, 0.2])
    assert ks_of(*Ranking.of(y, pd).sums(np.ones(4))) == 0
    assert ks_of(*Ranking.of(y, 1 - pd).sums(np.ones(4))) == 1


def test_delong_interval_covers_the_true_auc_as_often_as_it_says() -> None:
    random = np.random.default_rng(1)
    truth = 0.5 * (1 + math.erf(1.0 / 2))  # two normals one standard deviation apart
    hits = 0
    for _ in range(600):
        y = np.repeat([1.0, 0.0], [40, 160])
        margin = random.normal(size=200) + y
        figure = auc_figure(Outcomes.check(y, 1 / (1 + np.exp(-margin))))
        hits += figure.low <= truth <= figure.high
    assert 0.92 <= hits / 600 <= 0.975


def test_a_sample_of_customers_without_goods_is_drawn_again() -> None:
    y, group = np.array([1.0, 0.0, 1.0, 1.0]), np.array([0, 0, 1, 2])
    samples = list(resamples(y, np.ones(4), 50, 0, group))
    assert len(samples) == 50
    assert all(sample[0] == sample[1] > 0 and sample.sum() - sample[0] == 3 for sample in samples)


@settings(max_examples=10)
@given(st.integers(0, 1_000))
def test_resamples_keep_the_number_of_each_class(seed: int) -> None:
    y = np.array([1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0])
    samples = list(resamples(y, np.ones(7), 20, seed))
    assert all(sample[y > 0.5].sum() == 2 and sample[y <= 0.5].sum() == 5 for sample in samples)
    assert [s.tolist() for s in resamples(y, np.ones(7), 20, seed)] == [s.tolist() for s in samples]


@pytest.mark.parametrize(
    ("y", "pd", "weight", "words"),
    [
        ([0, 0], [0.1, 0.2], None, "0 bad and 2 good rows"),
        ([1, 1], [0.1, 0.2], None, "2 bad and 0 good rows"),
        ([1, 0], [0.1, 0.2], [0.0, 1.0], "0 bad and 1 good rows"),
        ([], [], None, "0 bad and 0 good rows"),
        ([1, 2], [0.1, 0.2], None, r"outcome of row 1 is 2.0, expected 1 \(bad\) or 0 \(good\)"),
        ([1, 0], [0.1, 1.2], None, "PD of row 1 is 1.2"),
        ([1, 0], [math.nan, 0.2], None, "PD of row 0 is nan"),
        ([1, 0], [0.1, 0.2], [1.0, -1.0], "weight of row 1 is -1.0"),
        ([1, 0, 1], [0.1, 0.2], None, r"\(3,\) outcomes, \(2,\) PDs"),
    ],
)
def test_rows_that_cannot_be_judged_are_refused(
    y: list[float], pd: list[float], weight: list[float] | None, words: str
) -> None:
    with pytest.raises(DataError, match=words):
        Outcomes.check(np.array(y), np.array(pd), None if weight is None else np.array(weight))
