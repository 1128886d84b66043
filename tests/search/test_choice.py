"""The stated rule: the simplest family whose loss to the best is within one standard error."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from returning import FOLDS, returning
from search.lab import knowing, noise, plan

from creditrisk.params import FAMILIES
from creditrisk.search.choice import SIMPLEST_FIRST, Standing, choose, standings
from creditrisk.search.plan import Plan
from creditrisk.search.trial import clearly_behind
from creditrisk.search.turns import clearly_lagging


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


def test_rows_of_one_customer_do_not_make_the_choice_surer() -> None:
    """Two families that know as much, four rows of each customer.

    Taken row by row the errors were 0.57 of the true ones, and the more complex family was taken in 28 % of 1,000
    samples; by customers in 14 %.
    """
    ahead, losses, errors, aucs = 0, [], [], []
    for seed in range(200):
        found = returning(seed)
        shared = Plan(found.data, found.folds, "stratified, customers together", found.data.y.size, "", FOLDS)
        stood = standings({"ebm": found.margins("one"), "catboost": found.margins("other")}, shared)
        ahead += choose(stood)[0].family == "catboost"
        losses.append(stood[0].auc - stood[1].auc)
        aucs.append(stood[0].auc)
        errors.append((max(one.loss_error for one in stood), stood[0].error))
    of_loss, of_auc = np.mean(errors, axis=0)
    assert of_loss == pytest.approx(np.std(losses), rel=0.12)
    assert of_auc == pytest.approx(np.std(aucs), rel=0.12)
    assert 0.1 < ahead / 200 < 0.22


def test_an_equal_trial_or_family_seldom_seems_clearly_behind() -> None:
    """By more than two standard errors: a normal's 2 % for the one and 5 % for either; by rows it was 14 % and 28 %."""
    behind, lagging = 0, 0
    for seed in range(200):
        found = returning(seed)
        shared = Plan(found.data, found.folds, "stratified, customers together", found.data.y.size, "", FOLDS)
        one, other = found.margins("one"), found.margins("other")
        behind += clearly_behind(shared, tuple(one))(tuple(other))
        lagging += bool(clearly_lagging({"ebm": one, "catboost": other}, shared))
    assert behind / 200 < 0.07
    assert lagging / 200 < 0.1
