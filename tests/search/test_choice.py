"""The stated rule: the simplest family whose loss to the best is within one standard error."""

from __future__ import annotations

import numpy as np
import pytest
from search.lab import knowing, noise, plan

from creditrisk.params import FAMILIES
from creditrisk.search.choice import SIMPLEST_FIRST, Standing, choose, standings


def standing(family: str, auc: float, loss: float, loss_error: float) -> Standing:
    return Standing(family, auc, 0.01, loss, loss_error)


def test_every_family_has_its_place() -> None:
    assert sorted(SIMPLEST_FIRST) == sorted(FAMILIES)
    assert SIMPLEST_FIRST[:2] == ("scorecard", "ebm")


def test_the_simplest_within_one_standard_error_is_taken() -> None:
    found = [
        standing("scorecard", 0.78, 0.02, 0.004),
        standing("ebm", 0.797, 0.003, 0.004),
        standing("catboost", 0.80, 0.0, 0.0),
    ]
    assert choose(found)[0].family == "ebm"
    assert "catboost is ahead by 0.0030 AUC, standard error 0.0040" in choose(found)[1]
    assert choose(found, best=True)[0].family == "catboost"


def test_the_best_is_taken_where_nothing_simpler_is_near() -> None:
    found = [standing("ebm", 0.79, 0.01, 0.004), standing("catboost", 0.80, 0.0, 0.0)]
    chosen, why = choose(found)
    assert chosen.family == "catboost"
    assert "no simpler family" in why


def test_a_more_complex_family_near_the_best_is_never_taken() -> None:
    found = [standing("ebm", 0.80, 0.0, 0.0), standing("xgboost", 0.7999, 0.0001, 0.01)]
    assert choose(found)[0].family == "ebm"


def test_standings_compare_on_the_same_rows() -> None:
    found = standings({"catboost": knowing(0.9), "ebm": knowing(0.8), "scorecard": noise(3)}, plan().truths)
    assert [one.family for one in found] == ["scorecard", "ebm", "catboost"]
    scorecard, ebm, catboost = found
    assert catboost.loss == 0.0
    assert ebm.loss == pytest.approx(catboost.auc - ebm.auc, abs=1e-12)
    assert ebm.loss_error < np.hypot(ebm.error, catboost.error) / 2  # paired: their noise is the same
    assert not scorecard.within
