"""Whose turn it is: the first settings of every family, then the family that had the least time for its standing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from optuna.trial import FrozenTrial, TrialState

from creditrisk.model.customers import pooled
from creditrisk.model.race import BEHIND, mean_and_error, row_losses
from creditrisk.search.choice import Margins
from creditrisk.search.plan import Plan
from creditrisk.search.space import Number
from creditrisk.search.study import FAMILY

LAGGING_SHARE = 0.25
"""Share of time, against one of the leaders, of a family that is clearly behind in log loss."""
PATIENCE = 5
"""Trials of a family in a row that cannot be fitted after which it gets no other."""
FAILED_SECONDS = 60.0
"""What a failed trial counts for where none has been timed: a family that fails at once must not get every turn."""

Setting = Mapping[str, Number]


def untried(
    settings: Iterable[tuple[str, Setting]], trials: Sequence[FrozenTrial]
) -> tuple[str, dict[str, Number]] | None:
    """The first setting that no trial is of, and its parameters as the study names them."""
    for family, setting in settings:
        params = {f"{family}.{name}": value for name, value in setting.items()}
        if not any(_is_of(trial, family, params) for trial in trials):
            return family, params
    return None


def next_family(
    trials: Sequence[FrozenTrial], families: Sequence[str], lagging: Iterable[str], left: float
) -> str | None:
    """The family whose trials took the least time, those that lag behind counted fourfold.

    Args:
        trials: of the study.
        families: that are searched.
        lagging: families that are clearly behind.
        left: seconds that remain; a family whose trials usually take longer gets none.

    Returns:
        None where no family's trial fits into the time.
    """
    spent = {family: _spent(trials, family) for family in families}
    fitting = [family for family, (_, usual) in spent.items() if usual <= left]
    behind = set(lagging)
    if not fitting:
        return None
    return min(fitting, key=lambda family: spent[family][0] / (LAGGING_SHARE if family in behind else 1.0))


def given_up(trials: Sequence[FrozenTrial], families: Iterable[str]) -> set[str]:
    """Families whose last trials could not be fitted, one after the other."""
    found = set()
    for family in families:
        own = [t for t in trials if t.params.get(FAMILY) == family and t.state.is_finished() and not _interrupted(t)]
        if len(own) >= PATIENCE and all(t.state == TrialState.FAIL for t in own[-PATIENCE:]):
            found.add(family)
    return found


def clearly_lagging(margins: Mapping[str, Margins], plan: Plan) -> set[str]:
    """Families whose best trial trails the best of all by more than two standard errors of the paired log loss."""
    losses = {family: row_losses(found, plan.truths) for family, found in margins.items()}
    if not losses:
        return set()
    least, _ = min(losses.values(), key=lambda one: mean_and_error(*one)[0])
    who = pooled(plan.customers, len(plan.folds))
    compared = {family: mean_and_error(values - least, weight, who) for family, (values, weight) in losses.items()}
    return {family for family, (behind, error) in compared.items() if behind > BEHIND * error * plan.widening}


def _spent(trials: Sequence[FrozenTrial], family: str) -> tuple[float, float]:
    """Seconds that a family's trials took, and the median of the complete ones."""
    own = [t for t in trials if t.params.get(FAMILY) == family]
    timed = [(_seconds(t), t.state == TrialState.COMPLETE) for t in own if "folds" in t.user_attrs]
    seconds, full = [s for s, _ in timed], [s for s, complete in timed if complete]
    failed = sum(t.state == TrialState.FAIL for t in own)
    each = float(np.mean(seconds)) if seconds else FAILED_SECONDS
    return sum(seconds) + failed * each, float(np.median(full or [0.0]))


def _seconds(trial: FrozenTrial) -> float:
    return float(sum(fold["fit_seconds"] for fold in trial.user_attrs["folds"]))


def _is_of(trial: FrozenTrial, family: str, params: Mapping[str, Number]) -> bool:
    """Whether a trial, ended, running or waiting, is of this very setting; one that was interrupted is not."""
    if _interrupted(trial):
        return False
    known = trial.params or trial.system_attrs.get("fixed_params", {})
    return known.get(FAMILY) == family and all(known.get(name) == value for name, value in params.items())


def _interrupted(trial: FrozenTrial) -> bool:
    return trial.state == TrialState.FAIL and "note" not in trial.user_attrs
