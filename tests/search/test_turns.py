"""Whose turn it is."""

from __future__ import annotations

from typing import Any

from optuna.trial import FrozenTrial, TrialState, create_trial
from search.lab import knowing, noise, plan

from creditrisk.search.study import CHOICES, FAMILY
from creditrisk.search.turns import clearly_lagging, given_up, next_family, untried


def trial(family: str, seconds: float, state: TrialState = TrialState.COMPLETE, **attributes: Any) -> FrozenTrial:
    found = {"folds": [{"fit_seconds": seconds / 2}] * 2} if state != TrialState.FAIL else {}
    return create_trial(
        state=state,
        value=0.5 if state == TrialState.COMPLETE else None,
        params={FAMILY: family},
        distributions={FAMILY: CHOICES},
        user_attrs=found | attributes,
    )


def test_the_family_with_the_least_time_is_next() -> None:
    trials = [trial("ebm", 10), trial("catboost", 4), trial("catboost", 4)]
    assert next_family(trials, ("ebm", "catboost"), (), 100) == "catboost"
    assert next_family([*trials, trial("catboost", 4)], ("ebm", "catboost"), (), 100) == "ebm"


def test_a_family_clearly_behind_gets_a_quarter() -> None:
    trials = [trial("ebm", 10), trial("scorecard", 4)]
    assert next_family(trials, ("ebm", "scorecard"), ("scorecard",), 100) == "ebm"
    assert next_family([*trials, trial("ebm", 8)], ("ebm", "scorecard"), ("scorecard",), 100) == "scorecard"


def test_a_family_that_takes_longer_than_there_is_time_gets_none() -> None:
    trials = [trial("ebm", 10), trial("scorecard", 1), trial("scorecard", 30, TrialState.PRUNED)]
    assert next_family(trials, ("ebm", "scorecard"), (), 5) == "scorecard"
    assert next_family(trials, ("ebm", "scorecard"), (), 0.5) is None


def test_a_family_that_fails_does_not_get_every_turn() -> None:
    failed = [trial("xgboost", 0, TrialState.FAIL, note="no")] * 2
    assert next_family([*failed, trial("ebm", 100)], ("ebm", "xgboost"), (), 1e9) == "ebm"


def test_a_setting_is_tried_once() -> None:
    settings = [("ebm", {"bags": 4}), ("ebm", {"bags": 8})]

    def of(bags: int, state: TrialState, **attributes: Any) -> FrozenTrial:
        if state == TrialState.WAITING:
            return create_trial(state=state, system_attrs={"fixed_params": {FAMILY: "ebm", "ebm.bags": bags}})
        one = trial("ebm", 1, state, **attributes)
        one._params = {FAMILY: "ebm", "ebm.bags": bags}
        return one

    assert untried(settings, []) == ("ebm", {"ebm.bags": 4})
    assert untried(settings, [of(4, TrialState.COMPLETE)]) == ("ebm", {"ebm.bags": 8})
    assert untried(settings, [of(4, TrialState.WAITING), of(8, TrialState.FAIL, note="cannot be fitted")]) is None
    assert untried(settings, [of(4, TrialState.FAIL)]) == ("ebm", {"ebm.bags": 4})  # it was interrupted


def test_only_a_clear_distance_counts_as_lagging() -> None:
    found = clearly_lagging({"ebm": knowing(0.9), "catboost": knowing(0.9, seed=2), "scorecard": noise(5)}, plan())
    assert found == {"scorecard"}
    assert clearly_lagging({}, plan()) == set()


def test_a_family_that_never_fits_is_given_up() -> None:
    failed = [trial("xgboost", 0, TrialState.FAIL, note="no")] * 5
    assert given_up([*failed, trial("ebm", 1)], ("ebm", "xgboost")) == {"xgboost"}
    assert given_up(failed[1:], ("xgboost",)) == set()
    assert given_up([trial("xgboost", 0, TrialState.FAIL)] * 9, ("xgboost",)) == set()  # interrupted
    assert given_up([*failed, trial("xgboost", 1)], ("xgboost",)) == set()
