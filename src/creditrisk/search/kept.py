"""What of a trial is kept in params.yaml: its parameters, with the rounds of trees scaled to the whole table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from optuna.trial import FrozenTrial

from creditrisk.model.selection import grown
from creditrisk.search.choice import Standing
from creditrisk.search.plan import Plan
from creditrisk.search.study import FAMILY

TREES = ("catboost", "lightgbm", "xgboost")
"""Families whose rounds are all taken; the explainable boosting machine stops early by itself."""
DIGITS = 4


def sections(trial: FrozenTrial, trials: Sequence[FrozenTrial], plan: Plan) -> dict[str, dict[str, Any]]:
    """Parameters by family: of the trial, and for a blend those of its members, among ``trials``, beside its own."""
    family = str(trial.params[FAMILY])
    own = dict(trial.user_attrs["section"])
    if family != "blend":
        return {family: _scaled(family, own, plan)}
    numbers = {one.number: one for one in trials}
    members = {member: numbers[number] for member, number in trial.user_attrs["setting"].items()}
    kept = {member: _scaled(member, dict(one.user_attrs["section"]), plan) for member, one in members.items()}
    return kept | {"blend": _rounded(own)}


def remark(trial: FrozenTrial, standing: Standing, folds: int) -> str:
    """The comment beside the family."""
    return f"run {trial.user_attrs['run']}, AUC {standing.auc:.4f} ± {standing.error:.4f} in {folds} folds"


def _scaled(family: str, section: dict[str, Any], plan: Plan) -> dict[str, Any]:
    if family in TREES and section.get("rounds") is not None:
        section["rounds"] = grown(section["rounds"], plan.growth)
    return _rounded(section)


def _rounded(section: dict[str, Any]) -> dict[str, Any]:
    """Short numbers for people; what is cut off is far below what folds can tell apart."""

    def short(value: Any) -> Any:
        if isinstance(value, float):
            return float(f"{value:.{DIGITS}g}")
        return [short(one) for one in value] if isinstance(value, (list, tuple)) else value

    return {name: short(value) for name, value in section.items()}
