"""The stated rule: the simplest family whose loss to the best is within one standard error."""

from __future__ import annotations

from dataclasses import replace

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
    found = standings({"catboost": knowing(0.9), "ebm": knowing(0.8), "scorecard": noise(3)}, plan())
    assert [one.family for one in found] == ["scorecard", "ebm", "catboost"]
    scorecard, ebm, catboost = found
    assert catboost.loss == 0.0
    assert ebm.loss == pytest.approx(catboost.auc - ebm.auc, abs=1e-12)
    assert ebm.loss_error < np.hypot(ebm.error, catboost.error) / 2  # paired: their noise is the same
    assert not scorecard.within


def test_folds_drawn_again_do_not_make_the_figures_surer() -> None:
    """Judged three times over with the same margins, the rows say no more than once."""
    once = standings({"catboost": knowing(0.9), "ebm": knowing(0.7, seed=4)}, plan())
    thrice = replace(plan(), folds=plan().folds * 3)
    again = standings({"catboost": knowing(0.9) * 3, "ebm": knowing(0.7, seed=4) * 3}, thrice)
    for one, other in zip(once, again, strict=True):
        assert other.auc == pytest.approx(one.auc)
        assert other.error == pytest.approx(one.error)
        assert other.loss_error == pytest.approx(one.loss_error)


def test_weighted_rows_weigh_in_the_choice() -> None:
    weight = np.where(np.arange(plan().data.y.size) % 2, 100.0, 1e-9)
    weighted = replace(plan(), data=replace(plan().data, weight=weight))
    inverted = [
        np.where(np.asarray(w) > 1, 2 * y - 1, 1 - 2 * y) + found
        for (y, w), found in zip(weighted.truths, noise(1), strict=True)
    ]
    (one,) = standings({"ebm": inverted}, weighted)
    assert one.auc > 0.8
    assert standings({"ebm": inverted}, plan())[0].auc < 0.6
