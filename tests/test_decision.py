import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from creditrisk.decision import Policy
from creditrisk.params import PolicyParams

POLICY = Policy(approve_below=0.1, decline_from=0.3, base_score=600, base_odds=50, pdo=20)


@pytest.mark.parametrize(
    ("pd", "decision"), [(0.0999, "approve"), (0.1, "refer"), (0.2999, "refer"), (0.3, "decline"), (1.0, "decline")]
)
def test_cut_offs_belong_to_the_worse_side(pd: float, decision: str) -> None:
    assert POLICY.decide(pd) == decision
    assert POLICY.decide_vector(np.array([pd]))[0] == decision


def test_scale_of_the_score() -> None:
    assert POLICY.score(-math.log(50)) == 600
    assert POLICY.score(-math.log(100)) == 620
    assert POLICY.score(-math.log(25)) == 580


@given(st.lists(st.floats(-20, 20), min_size=1))
def test_one_and_many_get_the_same_points(log_odds: list[float]) -> None:
    assert POLICY.score_vector(np.array(log_odds)).tolist() == [POLICY.score(x) for x in log_odds]


@given(st.floats(-20, 20), st.floats(0, 1) | st.sampled_from([0.1, 0.3]))
def test_the_compiled_policy_says_the_same(log_odds: float, pd: float) -> None:
    assert POLICY.compiled()(log_odds, pd) == (POLICY.score(log_odds), POLICY.decide(pd))


def test_a_changed_copy_of_a_policy_is_compiled_anew() -> None:
    POLICY.compiled()
    other = POLICY.model_copy(update={"base_score": 500.0, "approve_below": 0.2})
    assert other.compiled()(-math.log(50), 0.15) == (500, "approve")


@given(st.floats(-20, 20), st.floats(-20, 20))
def test_more_risk_never_scores_more_points(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert POLICY.score(low) >= POLICY.score(high)


@pytest.mark.parametrize(("bad_rate", "cut_offs"), [(0.08, (0.08, 0.2)), (0.5, (0.5, 0.95)), (0.99, (0.95, 0.95))])
def test_automatic_cut_offs_follow_the_bad_rate(bad_rate: float, cut_offs: tuple[float, float]) -> None:
    policy = Policy.make(PolicyParams(), bad_rate)
    assert (policy.approve_below, policy.decline_from) == pytest.approx(cut_offs)


def test_stated_cut_offs_are_kept() -> None:
    policy = Policy.make(PolicyParams(approve_below=0.04, decline_from=0.5), 0.3)
    assert (policy.approve_below, policy.decline_from) == (0.04, 0.5)


def test_cut_offs_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(ValueError, match=r"approve_below 0\.5 is above decline_from 0\.2"):
        PolicyParams(approve_below=0.5, decline_from=0.2)


@given(st.lists(st.floats(0, 1), min_size=1))
def test_one_and_many_get_the_same_band(pds: list[float]) -> None:
    assert POLICY.band_vector(np.array(pds)).to_list() == [POLICY.band(pd) for pd in pds]


def test_a_band_begins_at_its_limit() -> None:
    assert [POLICY.band(pd) for pd in (0.0, 0.0099, 0.01, 0.32, 1.0)] == ["A", "A", "B", "G", "G"]


def test_bands_that_do_not_rise_are_refused() -> None:
    with pytest.raises(ValueError, match="must rise"):
        PolicyParams(bands=(0.2, 0.1))


@pytest.mark.parametrize(("bad_rate", "cut_offs"), [(0.02, (0.02, 0.05)), (0.2, (0.05, 0.05))])
def test_an_automatic_cut_off_keeps_to_the_stated_one(bad_rate: float, cut_offs: tuple[float, float]) -> None:
    policy = Policy.make(PolicyParams(decline_from=0.05), bad_rate)
    assert (policy.approve_below, policy.decline_from) == cut_offs


def test_an_automatic_cut_off_keeps_to_its_own_limit_below_a_stated_one_beyond_it() -> None:
    assert Policy.make(PolicyParams(decline_from=0.99), 0.97).approve_below == 0.95
