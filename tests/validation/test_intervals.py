"""Intervals of shares, differences and ratios, against scipy, published examples and simulated cover."""

import numpy as np
import pytest

from creditrisk.validation.intervals import difference_reach, effective, ratio_ends, wilson


def test_wilson_interval_equals_scipys() -> None:
    from scipy.stats import binomtest

    for bads, rows in ((0, 20), (3, 50), (50, 50)):
        expected = binomtest(bads, rows).proportion_ci(0.95, method="wilson")
        assert wilson(bads / rows, rows) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_difference_of_shares_is_that_of_newcombes_example() -> None:
    """56 of 70 against 48 of 80 (Newcombe 1998, table II, method 10: 0.0524 to 0.3339); 9 of 10 against 3 of 10."""
    for one, other, expected in (((56, 70), (48, 80), (0.0524, 0.3339)), ((9, 10), (3, 10), (0.1705, 0.8090))):
        p, q = one[0] / one[1], other[0] / other[1]
        down, up = difference_reach(p, q, (one[1], other[1]))
        assert (p - q - down, p - q + up) == pytest.approx(expected, abs=5e-5)


def test_interval_of_a_ratio_covers_it_as_often_as_it_says() -> None:
    random = np.random.default_rng(0)
    for one, other in ((0.6, 0.8), (0.1, 0.3), (0.97, 0.99)):
        hits = 0
        for a, b in zip(random.binomial(60, one, 1_000), random.binomial(400, other, 1_000), strict=True):
            low, high = ratio_ends(a / 60, b / 400, (60, 400))
            hits += low <= one / other <= high
        assert 0.93 <= hits / 1_000 <= 0.99


def test_interval_of_a_ratio_has_a_width_where_all_or_none_are_taken() -> None:
    low, high = ratio_ends(1.0, 1.0, (50, 50))
    assert low < 0.95 < 1.05 < high
    assert ratio_ends(0.0, 0.5, (50, 50))[0] == 0
    assert 0.1 < ratio_ends(0.0, 0.5, (50, 50))[1] < 0.2


def test_rows_that_count_alike_are_as_many_as_they_are() -> None:
    assert effective(np.full(40, 3.0)) == pytest.approx(40)
    assert effective(np.array([1.0, 1.0, 0.0])) == pytest.approx(2)


def test_shares_that_go_together_differ_the_more_certainly() -> None:
    apart, none, together = (sum(difference_reach(0.7, 0.4, (50, 60), correlation=r)) for r in (-0.5, 0.0, 0.5))
    assert together < none < apart
    assert none == sum(difference_reach(0.7, 0.4, (50, 60)))
    assert max(difference_reach(0.5, 0.5, (50, 50), correlation=1.0)) == pytest.approx(0, abs=1e-9)
