"""The Optuna study of a portfolio: opened, checked to be the right one, and read.

A study's name ends with the fingerprint of its rows, so that a changed table or contract begins another one. Every
process that opens it by name and storage works on the same trials.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import optuna
from optuna.distributions import CategoricalDistribution
from optuna.samplers import PartialFixedSampler, TPESampler
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState

from creditrisk.errors import TrackingError
from creditrisk.params import FAMILIES
from creditrisk.search.process import PROCESS, died
from creditrisk.search.storage import GRACE_SECONDS, sentences
from creditrisk.tracking.store import shown

FAMILY = "family"
CHOICES = CategoricalDistribution(FAMILIES)
"""The same in every trial whatever families are asked for: a study's choices may not change."""
STARTUP_TRIALS = 5
"""Trials before the sampler learns from them."""


@dataclass(frozen=True)
class Identity:
    """What a study must be of to be gone on with."""

    portfolio: str
    fingerprint: str

    def name(self) -> str:
        """The study's name where none is given."""
        return f"{self.portfolio}-{self.fingerprint[:8]}"


def open_study(
    storage: RDBStorage, url: str, name: str, identity: Identity | None, seed: int = 0, *, make: bool = True
) -> optuna.Study:
    """Open a study, or begin it.

    Args:
        storage: the database.
        url: its address, for messages.
        name: of the study.
        identity: what it must be of; None takes it as it is.
        seed: of the sampler.
        make: whether a study that does not exist is begun.

    Raises:
        TrackingError: the database does not answer or refuses, or the study is of something else or does not exist.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with sentences(url):
        known = optuna.get_all_study_names(storage)
        if name not in known and not make:
            there = f" There are: {', '.join(sorted(known))}." if known else ""
            raise TrackingError(f"{shown(url)}: no study {name!r}.{there} Run main.py experiment first.")
        study = optuna.create_study(
            storage=storage, study_name=name, direction="minimize", load_if_exists=True, sampler=sampler(seed)
        )
        if identity is not None:
            _check(study, name, identity, url)
        return study


def sampler(seed: int) -> TPESampler:
    """Tree-structured Parzen estimator (Bergstra et al. 2011) that learns the parameters of a family together."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return TPESampler(seed=seed, multivariate=True, group=True, n_startup_trials=STARTUP_TRIALS)


def one_trial(study: optuna.Study, family: str, seed: int, objective: Callable[[optuna.Trial], float]) -> None:
    """Run a waiting trial, or else one of ``family``; its process is known to be alive while it runs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        if not study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
            # The storage names a trial that waited as it begins. One that Optuna begins outright is nobody's until
            # the objective is called, and would run for ever if its process was killed before that.
            study.enqueue_trial({FAMILY: family})
        study.sampler = PartialFixedSampler({FAMILY: family}, sampler(seed + len(study.get_trials(deepcopy=False))))
        study.optimize(objective, n_trials=1)


def fail_stale_trials(study: optuna.Study) -> None:
    """Give up trials whose process died: on this machine at once, elsewhere when it has not been heard of for long.

    One that bears no name of a process is given up when it began long ago.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        optuna.storages.fail_stale_trials(study)
    long_ago = datetime.now() - timedelta(seconds=GRACE_SECONDS)
    for trial in running_trials(study):
        process = trial.user_attrs.get(PROCESS)
        begun = trial.datetime_start
        if died(process) if process is not None else begun is not None and begun < long_ago:
            study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)


def running_trials(study: optuna.Study) -> list[FrozenTrial]:
    """Trials that some process is at."""
    return study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))


def settled_trials(study: optuna.Study) -> list[FrozenTrial]:
    """Trials that ended with figures, the pruned ones included."""
    return [t for t in study.get_trials(deepcopy=False) if t.state in (TrialState.COMPLETE, TrialState.PRUNED)]


def own_trials(study: optuna.Study) -> list[FrozenTrial]:
    """Trials that came to an end of their own, blends apart: with figures, or because the setting cannot be fitted."""
    failed = [t for t in study.get_trials(deepcopy=False) if t.state == TrialState.FAIL and "note" in t.user_attrs]
    return [trial for trial in (*settled_trials(study), *failed) if trial.params.get(FAMILY) != "blend"]


def best_by_family(trials: list[FrozenTrial]) -> dict[str, FrozenTrial]:
    """The complete trial with the least log loss of each family."""
    found: dict[str, FrozenTrial] = {}
    for trial in trials:
        if trial.state != TrialState.COMPLETE or trial.value is None:
            continue
        family = str(trial.params[FAMILY])
        best = found.get(family)
        if best is None or trial.value < (best.value if best.value is not None else float("inf")):
            found[family] = trial
    return found


def _check(study: optuna.Study, name: str, identity: Identity, url: str) -> None:
    known = study.user_attrs
    if "portfolio" not in known:
        if study.get_trials(deepcopy=False):
            raise TrackingError(
                f"{shown(url)}: the study {name!r} was not begun by this project. Name another with --study."
            )
        study.set_user_attr("portfolio", identity.portfolio)
        study.set_user_attr("fingerprint", identity.fingerprint)
        return
    if known["portfolio"] != identity.portfolio:
        raise TrackingError(
            f"{shown(url)}: the study {name!r} is of portfolio {known['portfolio']!r}, not of {identity.portfolio!r}; "
            "its trials cannot be compared with new ones. Name another with --study, or leave --study out."
        )
    if known.get("fingerprint", identity.fingerprint) != identity.fingerprint:
        raise TrackingError(
            f"{shown(url)}: the study {name!r} was begun on other rows, inputs, folds or fixed parameters than there "
            "are now; its trials cannot be compared with new ones. Name another with --study, or leave --study out."
        )
