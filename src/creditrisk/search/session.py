"""One process at work on a study: which family gets the next trial, the trial, the blend, and the page in MLflow."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState, create_trial

from creditrisk.errors import DataError, ModelError, TrackingError
from creditrisk.params import BlendParams, ModelParams
from creditrisk.search import leaderboard, pictures
from creditrisk.search.blend import blend
from creditrisk.search.choice import Standing, choose, standings
from creditrisk.search.defaults import first_settings
from creditrisk.search.journal import Journal, Margins
from creditrisk.search.outcome import FoldFigures, Outcome
from creditrisk.search.plan import Plan
from creditrisk.search.process import PROCESS, this_process
from creditrisk.search.space import Search, suggest, with_setting
from creditrisk.search.study import (
    CHOICES,
    FAMILY,
    best_by_family,
    fail_stale_trials,
    one_trial,
    own_trials,
    running_trials,
    settled_trials,
)
from creditrisk.search.trial import clearly_behind, run_trial
from creditrisk.search.turns import clearly_lagging, given_up, next_family, untried

BLEND = "blend"
PAGE_SECONDS = 45.0
"""How often the page in MLflow is renewed while the search runs."""
OUT_OF_TIME = "the time was spent"


@dataclass
class Session:
    """The state of one process."""

    study: optuna.Study
    journal: Journal
    plan: Plan
    params: ModelParams
    search: Search
    families: tuple[str, ...]
    seed: int
    deadline: float
    """When no further trial is begun, by ``clock``."""
    until: int | None
    """Trials of the study, other processes' included, after which none is begun; None for no such limit."""
    clock: Callable[[], float] = time.monotonic
    _swept: set[int] = field(default_factory=set)
    _page_at: float = 0.0

    @property
    def searched(self) -> tuple[str, ...]:
        """Families with trials of their own."""
        return tuple(family for family in self.families if family != BLEND)

    def run(self, told: Callable[[float, str], None]) -> None:
        """Run trials until time, number or families are exhausted.

        ``told`` hears of seconds spent and the best so far.
        """
        while (family := self._turn()) is not None:
            began = self.clock()
            self._one(family)
            self.blend()
            told(self.clock() - began, self.best_so_far())
            if self.clock() - self._page_at > PAGE_SECONDS:
                self.renew_page()

    def check_found(self) -> None:
        """To be asked when all processes of a search have ended.

        Raises:
            ModelError: no family that is searched could be fitted at all.
        """
        if not any(trial.params.get(FAMILY) in self.searched for trial in settled_trials(self.study)):
            said = [trial.user_attrs["note"] for trial in self._ended() if "note" in trial.user_attrs]
            if said:
                raise ModelError(f"no trial could be fitted; the first one said: {said[0]}")
            raise ModelError(
                f"no trial of {', '.join(self.searched)} was run; give the search more --minutes or --trials."
            )

    def sweep(self) -> None:
        """End what a process that was killed left behind: its trials, and their runs in MLflow."""
        fail_stale_trials(self.study)
        for trial in self.study.get_trials(deepcopy=False):
            if trial.state == TrialState.FAIL and "run" in trial.user_attrs and trial.number not in self._swept:
                self.journal.abandon(trial.user_attrs["run"])
                self._swept.add(trial.number)

    def finish(self) -> None:
        """What is due when the search ends: the killed ended, the last blend, the page."""
        self.sweep()
        self.blend()
        self.renew_page()

    def leave(self) -> None:
        """Say in MLflow that the search rests, unless another process is at work on it."""
        if not running_trials(self.study):
            self.journal.working(going_on=False)

    def best(self) -> dict[str, FrozenTrial]:
        """The best complete trial of each family of the study, also of those that this process does not search."""
        return best_by_family(self.study.get_trials(deepcopy=False))

    def margins(self, trial: FrozenTrial) -> Margins:
        """A trial's out-of-fold margins."""
        return self.journal.margins(trial.user_attrs["run"])

    def best_so_far(self) -> str:
        """The leading family and its AUC, for the progress bar."""
        best = self.best()
        number = self.ended
        if not best:
            return f"trials, {number} in the study"
        auc, family = max((trial.user_attrs["summary"]["auc"], name) for name, trial in best.items())
        return f"best so far {family} AUC {auc:.4f}; {number} trials in the study"

    def standings(self) -> list[Standing]:
        """Families against the best."""
        best = self.best()
        return standings({family: self.margins(trial) for family, trial in best.items()}, self.plan) if best else []

    def blend(self) -> None:
        """Blend the members' best trials where that has not been done."""
        if BLEND not in self.families:
            return
        best = self.best()
        members = [family for family in self.params.blend.members if family in best]
        if len(members) < len(self.params.blend.members):
            return
        setting: dict[str, Any] = {family: best[family].number for family in members}
        blends = [t for t in self.study.get_trials(deepcopy=False) if t.params.get(FAMILY) == BLEND]
        if any(trial.user_attrs["setting"] == setting for trial in blends):
            return
        parts = [_outcome(best[family], self.margins(best[family])) for family in members]
        blended = blend(self.plan, parts)
        weights = {f"weight of {family}": weight for family, weight in zip(members, blended.weights, strict=True)}
        with self.journal.trial(f"{BLEND} {len(blends)}", {FAMILY: BLEND, **setting, **weights}) as run:
            self.journal.record(run, blended.outcome)
        section = BlendParams(members=tuple(members), weights=blended.weights, intercept=blended.intercept)
        attributes = _attributes(run, blended.outcome, setting, section.model_dump(mode="json"))
        self.study.add_trial(
            create_trial(
                value=blended.outcome.log_loss,
                params={FAMILY: BLEND},
                distributions={FAMILY: CHOICES},
                user_attrs=attributes | {"weights": weights},
            )
        )

    def renew_page(self) -> None:
        """Bring leaderboard, description and pictures of the parent run up to date."""
        self._page_at = self.clock()
        found = self.standings()
        if not found:
            return
        chosen, why = choose(found)
        table = leaderboard.rows(self.study.get_trials(deepcopy=False))
        data, cut = self.plan.data, sum(bool(row["note"]) for row in table)
        facts = [
            ("rows", f"{data.table.height:,} of {self.plan.rows:,} training rows, {len(data.inputs)} inputs"),
            ("folds", f"{len(self.plan.folds)}, {self.plan.kind}; the test part is not among them"),
            ("trials", f"{len(table) - cut} run in full, {cut} cut short"),
        ]
        text = leaderboard.as_markdown(table, found, f"Choice: {chosen.family}, {why}.", facts)
        title = f"Leaderboard of {self.study.study_name}"
        files = {"leaderboard.csv": leaderboard.as_csv(table), "leaderboard.html": leaderboard.as_html(table, title)}
        leading = {f"best_auc_{one.family}": one.auc for one in found}
        self.journal.page(text, files, pictures.draw(self.study, found, chosen.family), leading)

    @property
    def ended(self) -> int:
        """Trials of the study that came to an end, other processes' included."""
        return len(own_trials(self.study))

    def _done(self) -> bool:
        # Those that other processes are at count, too: most of them will come to an end.
        if self.until is not None and self.ended + len(running_trials(self.study)) >= self.until:
            return True
        return self.clock() >= self.deadline and bool(self._ended())

    def _ended(self) -> list[FrozenTrial]:
        """Ended trials of the families that are searched."""
        return [trial for trial in own_trials(self.study) if trial.params.get(FAMILY) in self.searched]

    def _turn(self) -> str | None:
        """The family that gets the next trial; None where the search has ended."""
        self.sweep()  # what a killed process left behind neither counts nor keeps a first setting from its turn
        return None if self._done() else self._next_family()

    def _next_family(self) -> str | None:
        trials = self.study.get_trials(deepcopy=False)
        rows = int(np.mean([train.size for train, _ in self.plan.folds]))
        hopeless = given_up(trials, self.searched)
        families = tuple(family for family in self.searched if family not in hopeless)
        first = untried(first_settings(self.search, families, rows), trials)
        if first is not None:
            family, params = first
            self.study.enqueue_trial({FAMILY: family} | params, {"first": True}, skip_if_exists=True)
            return family
        best = {family: self.margins(trial) for family, trial in self.best().items() if family != BLEND}
        lagging = clearly_lagging(best, self.plan)
        return next_family(trials, families, lagging, self.deadline - self.clock())

    def _one(self, family: str) -> None:
        """Run one trial, of ``family`` or one that waits; a setting that cannot be fitted is not the end."""
        with contextlib.suppress(ModelError, DataError):  # its note says why
            one_trial(self.study, family, self.seed, self._objective)

    def _objective(self, trial: optuna.Trial) -> float:
        trial.set_user_attr(PROCESS, this_process())
        try:
            family = str(trial.suggest_categorical(FAMILY, CHOICES.choices))
            setting = suggest(trial, family, self.search.space[family])
        except (ValueError, KeyError) as error:
            raise TrackingError(
                f"study {self.study.study_name!r}: a parameter's choices differ from those the study was begun with "
                f"({error}). Take the change in 3.experiments/search.yaml back, or name another study with --study."
            ) from None
        try:
            params = with_setting(self.params, family, setting)
            section = getattr(params, family).model_dump(mode="json")
            with self.journal.trial(
                f"{family} {trial.number}", {FAMILY: family, "trial": trial.number} | section
            ) as run:
                trial.set_user_attr("run", run)
                outcome = run_trial(self.plan, params, self.seed, self._stop(trial, family), trial.report)
                self.journal.record(run, outcome)
        except (ModelError, DataError) as error:
            trial.set_user_attr("note", str(error)[:500])
            raise
        for key, value in _attributes(run, outcome, setting, section).items():
            trial.set_user_attr(key, value)
        if outcome.stopped:
            raise optuna.TrialPruned
        return outcome.log_loss

    def _stop(self, trial: optuna.Trial, family: str) -> Callable[[Margins], str]:
        best = self.best().get(family)
        behind = clearly_behind(self.plan, self.margins(best) if best is not None else None)
        first = bool(trial.user_attrs.get("first"))

        def stop(margins: Margins) -> str:
            if behind(margins):
                return f"clearly behind the best {family} after {len(margins)} of {len(self.plan.folds)} folds"
            # The first settings are what a short search must not be worse than, so time does not cut them short.
            return OUT_OF_TIME if self.clock() > self.deadline and not first else ""

        return stop


def _attributes(run: str, outcome: Outcome, setting: dict[str, Any], section: dict[str, Any]) -> dict[str, Any]:
    return {
        "run": run,
        "setting": setting,
        "section": section,
        "folds": outcome.by_fold(),
        "summary": outcome.summary(),
        "note": outcome.stopped,
    }


def _outcome(trial: FrozenTrial, margins: Margins) -> Outcome:
    """A stored trial's outcome again."""
    folds = tuple(FoldFigures(**fold) for fold in trial.user_attrs["folds"])
    return Outcome(folds, margins, int(trial.user_attrs["summary"]["model_bytes"]))
