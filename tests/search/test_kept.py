"""What of a trial goes into params.yaml."""

from __future__ import annotations

from typing import Any

from optuna.trial import FrozenTrial, create_trial
from search.lab import plan

from creditrisk.model.selection import grown
from creditrisk.search.choice import Standing
from creditrisk.search.kept import remark, sections
from creditrisk.search.study import CHOICES, FAMILY


def trial(family: str, number: int, setting: dict[str, Any], section: dict[str, Any]) -> FrozenTrial:
    found = create_trial(
        value=0.5,
        params={FAMILY: family},
        distributions={FAMILY: CHOICES},
        user_attrs={"setting": setting, "section": section, "run": f"run-of-{family}"},
    )
    found.number = number
    return found


def test_rounds_grow_with_the_rows_for_trees_alone() -> None:
    assert plan().growth > 1.5
    catboost = trial("catboost", 1, {}, {"rounds": 300, "depth": 5, "learning_rate": 0.0312345678})
    kept = sections(catboost, [catboost], plan())
    assert kept == {"catboost": {"rounds": grown(300, plan().growth), "depth": 5, "learning_rate": 0.03123}}
    assert kept["catboost"]["rounds"] > 300
    ebm = trial("ebm", 2, {}, {"rounds": 300, "one_hot_up_to": None})
    assert sections(ebm, [ebm], plan()) == {"ebm": {"rounds": 300, "one_hot_up_to": None}}


def test_a_blend_brings_its_members_along() -> None:
    ebm = trial("ebm", 2, {}, {"rounds": 300})
    catboost = trial("catboost", 5, {}, {"rounds": 300})
    section = {"members": ["ebm", "catboost"], "weights": [0.4123456, 0.6], "intercept": 0.01}
    blend = trial("blend", 6, {"ebm": 2, "catboost": 5}, section)
    later = trial("ebm", 7, {}, {"rounds": 999})  # better than the member, but the blend was made before
    kept = sections(blend, [ebm, catboost, blend, later], plan())
    assert list(kept) == ["ebm", "catboost", "blend"]
    assert kept["ebm"] == {"rounds": 300}
    assert kept["blend"] == {"members": ["ebm", "catboost"], "weights": [0.4123, 0.6], "intercept": 0.01}


def test_the_remark_names_run_and_score() -> None:
    ebm = trial("ebm", 2, {}, {})
    assert (
        remark(ebm, Standing("ebm", 0.70123, 0.0034, 0.0, 0.0), 3) == "run run-of-ebm, AUC 0.7012 ± 0.0034 in 3 folds"
    )
