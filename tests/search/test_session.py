"""A search with a real study and a real MLflow store: what it runs, keeps, resumes, and what its page shows."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
from optuna.samplers import TPESampler
from optuna.trial import TrialState, create_trial
from search.lab import PARAMS, SEARCH, plan, rows

from creditrisk.errors import ModelError, TrackingError
from creditrisk.model.family import fit_family
from creditrisk.params import FAMILIES
from creditrisk.paths import Project
from creditrisk.search import trial as trials
from creditrisk.search.journal import STUDY
from creditrisk.search.opening import open_session
from creditrisk.search.plan import make_plan
from creditrisk.search.process import PROCESS, this_process
from creditrisk.search.session import Session
from creditrisk.search.storage import GRACE_SECONDS, opened, storage_url
from creditrisk.search.study import FAMILY, one_trial, open_study

Opened = Callable[..., Session]


def silent(seconds: float, note: str) -> None:
    assert seconds >= 0


@pytest.fixture
def done(search: Opened) -> Session:
    """A search of four trials that has ended, page and all."""
    session = search()
    session.run(silent)
    session.renew_page()
    session.leave()
    return session


def test_a_search_end_to_end(done: Session) -> None:
    found = done.study.get_trials()
    assert {t.params[FAMILY] for t in found} == {"scorecard", "ebm", "catboost", "blend"}
    assert sum(t.params[FAMILY] != "blend" for t in found) == 4
    client = done.journal.client
    parent = client.get_run(done.journal.parent)
    assert parent.info.status == "FINISHED"
    assert parent.data.params["rows"] == str(plan().rows)
    assert "| family | AUC of the folds | behind the best |" in parent.data.tags["mlflow.note.content"]
    assert "Choice: " in parent.data.tags["mlflow.note.content"]
    names = {file.path for file in client.list_artifacts(done.journal.parent)}
    assert {"leaderboard.csv", "leaderboard.html", "families.png", "history.png", "quality_and_cost.png"} <= names
    nested = client.search_runs([done.journal.experiment], f"tags.`mlflow.parentRunId` = '{done.journal.parent}'")
    assert len(nested) == len(found)
    assert {run.info.status for run in nested} == {"FINISHED"}
    for run in nested:
        assert {"auc", "auc_sd", "ks", "brier", "log_loss", "fit_seconds", "score_microseconds", "model_bytes"} <= set(
            run.data.metrics
        )
        folds = client.get_metric_history(run.info.run_id, "fold_auc")
        assert [metric.step for metric in folds] == list(range(len(folds)))
        assert np.mean([metric.value for metric in folds]) == pytest.approx(run.data.metrics["auc"])


def test_figures_are_those_of_the_folds(done: Session) -> None:
    """Nothing stands between a setting's parameters and its figures: fitted again they come out the same."""
    best = done.best()["catboost"]
    params = PARAMS.model.model_copy(
        update={"family": "catboost", "catboost": type(PARAMS.model.catboost)(**best.user_attrs["section"])}
    )
    train, judged = plan().folds[0]
    margin = fit_family("catboost", plan().data.take(train), params, PARAMS.seed).model.margin(
        plan().data.take(judged).table
    )
    assert np.array_equal(margin, done.margins(best)[0])
    y = plan().data.y[judged]
    assert best.user_attrs["folds"][0]["brier"] == pytest.approx(float(np.mean((1 / (1 + np.exp(-margin)) - y) ** 2)))


def test_an_ended_search_goes_on_where_it_was(done: Session, project: Project, search: Opened) -> None:
    again = search(trials=2)
    assert again.journal.parent == done.journal.parent
    before = {t.number for t in again.study.get_trials()}
    again.run(silent)
    after = again.study.get_trials()
    assert sum(t.params[FAMILY] != "blend" for t in after) == 6
    assert before < {t.number for t in after}
    # the margins of the first part come from the store, not from memory
    assert all(np.array_equal(a, b) for a, b in zip(again.margins(after[0]), done.margins(after[0]), strict=True))


def test_time_ends_a_search_after_one_trial_at_least(search: Opened) -> None:
    session = search(trials=None, minutes=1e-6)
    session.run(silent)
    assert len([t for t in session.study.get_trials() if t.state == TrialState.COMPLETE]) == 1


def test_a_setting_clearly_behind_is_cut_short(search: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    session = search("catboost", trials=3)
    session.run(silent)
    best = session.best()["catboost"]
    from search.lab import noise

    worse = tuple(noise(3))
    behind = trials.clearly_behind(plan(), session.margins(best))
    assert behind(worse[:1])
    assert not behind(session.margins(best))
    assert not trials.clearly_behind(plan(), None)(worse)
    cut = trials.run_trial(
        plan(), PARAMS.model.model_copy(update={"family": "scorecard"}), 0, lambda m: "enough", print
    )
    assert (len(cut.folds), cut.stopped) == (1, "enough")
    monkeypatch.setattr("creditrisk.search.session.clearly_behind", lambda plan, best: lambda margins: best is not None)
    session.until = None
    session._one("catboost")
    last = session.study.get_trials()[-1]
    assert last.state == TrialState.PRUNED
    assert last.user_attrs["note"] == "clearly behind the best catboost after 1 of 3 folds"
    run = session.journal.client.get_run(last.user_attrs["run"])
    assert run.data.tags["stopped"] == last.user_attrs["note"]


def test_an_interrupt_ends_the_trial_and_keeps_the_others(search: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    session = search("scorecard", "catboost", trials=2)
    session.run(silent)

    def interrupted(*arguments: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("creditrisk.search.session.run_trial", interrupted)
    session.until = 3
    with pytest.raises(KeyboardInterrupt):
        session.run(silent)
    last = session.study.get_trials()[-1]
    assert last.state == TrialState.FAIL
    assert session.journal.client.get_run(last.user_attrs["run"]).info.status == "KILLED"
    assert len(session.best()) == 2


def test_a_setting_that_cannot_be_fitted_is_noted_and_the_search_goes_on(
    search: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = search("scorecard", "catboost", trials=2)
    run = trials.run_trial

    def fails(plan: Any, params: Any, *others: Any) -> Any:
        if params.family == "scorecard":
            raise ModelError("no bins")
        return run(plan, params, *others)

    monkeypatch.setattr("creditrisk.search.session.run_trial", fails)
    session.run(silent)
    assert {t.params[FAMILY] for t in session.study.get_trials() if t.state == TrialState.COMPLETE} == {"catboost"}
    failed = [t for t in session.study.get_trials() if t.state == TrialState.FAIL]
    assert failed
    assert all(t.user_attrs["note"] == "no bins" for t in failed)


def test_where_nothing_can_be_fitted_the_first_reason_is_given(search: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*arguments: Any) -> None:
        raise ModelError("no bins")

    monkeypatch.setattr("creditrisk.search.session.run_trial", fails)
    session = search("scorecard", trials=None, minutes=1e-6)
    session.run(silent)
    with pytest.raises(ModelError, match="no trial could be fitted; the first one said: no bins"):
        session.check_found()
    endless = search("scorecard", trials=1_000)
    endless.run(silent)
    with pytest.raises(ModelError, match="no bins"):
        endless.check_found()
    assert len(endless.study.get_trials()) <= 6  # given up after five in a row


def test_where_nothing_could_be_fitted_before_the_reason_is_given_again(
    search: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    search("catboost", trials=1).run(silent)

    def fails(*arguments: Any) -> None:
        raise ModelError("no bins")

    monkeypatch.setattr("creditrisk.search.session.run_trial", fails)
    for _ in range(2):  # the second time the family is given up already
        session = search("scorecard", trials=9)
        session.run(silent)
        with pytest.raises(ModelError, match="no trial could be fitted; the first one said: no bins"):
            session.check_found()


def test_time_leaves_a_family_one_trial_though_others_had_theirs(search: Opened) -> None:
    search("scorecard", trials=1).run(silent)
    session = search("catboost", trials=None, minutes=1e-6)
    session.run(silent)
    assert set(session.best()) == {"scorecard", "catboost"}


def test_families_searched_apart_are_judged_together(done: Session, search: Opened) -> None:
    """Whichever families a process searches, it shows the choice that store-best makes."""
    alone = search("scorecard", trials=1)
    alone.run(silent)
    alone.renew_page()
    assert {one.family for one in alone.standings()} == {"scorecard", "ebm", "catboost", "blend"}
    assert alone.standings() == search(*FAMILIES, trials=1).standings()
    page = alone.journal.client.get_run(alone.journal.parent).data.tags["mlflow.note.content"]
    assert all(f"| {family} |" in page for family in ("ebm", "catboost", "blend"))


def another_at_work(session: Session) -> None:
    """A trial that a process is at which lives as long as the machine."""
    other = f"{this_process().rpartition(' ')[0]} 1"
    session.study.add_trial(create_trial(state=TrialState.RUNNING, user_attrs={PROCESS: other}))


@pytest.mark.parametrize("trials", [1, 2])
def test_trials_that_others_are_at_count_towards_the_number(search: Opened, trials: int) -> None:
    session = search("scorecard", trials=trials)
    another_at_work(session)
    session.run(silent)
    assert session.ended == trials - 1


def test_trials_that_others_are_at_already_leave_the_number_to_be_run(search: Opened) -> None:
    another_at_work(search("scorecard", trials=1))
    session = search("scorecard", trials=2)
    session.run(silent)
    assert session.ended == 2


@pytest.mark.parametrize("name", ["o'brien", "", "a b", "x" * 101])
def test_a_name_that_is_none_is_refused_before_anything_is_opened(project: Project, name: str) -> None:
    with (
        pytest.raises(TrackingError, match=r"--study: found .*, expected up to 100 letters, digits"),
        open_session(project, PARAMS, plan(), SEARCH, ("scorecard",), name=name, trials=1),
    ):
        raise AssertionError
    assert not (project.experiments / "studies.db").exists()


def test_two_parts_share_study_and_parent_run(search: Opened) -> None:
    one, other = search(), search()
    assert one.journal.parent == other.journal.parent
    one.run(silent)
    assert other.best().keys() == one.best().keys()
    assert other.standings() == one.standings()
    runs = one.journal.client.search_runs([one.journal.experiment], f"tags.`{STUDY}` = '{one.study.study_name}'")
    assert len(runs) == 1


def test_a_study_of_another_portfolio_is_refused(done: Session, project: Project) -> None:
    name = done.study.study_name
    other = PARAMS.model_copy(update={"portfolio": "other"})
    with (
        pytest.raises(TrackingError, match=rf"the study '{name}' is of portfolio 'small', not of 'other'"),
        open_session(project, other, plan(), SEARCH, ("scorecard",), name=name, trials=1),
    ):
        raise AssertionError
    changed = make_plan(rows().take(np.arange(800)), SEARCH, 0)
    with (
        pytest.raises(TrackingError, match="was begun on other rows, inputs, folds or fixed parameters"),
        open_session(project, PARAMS, changed, SEARCH, ("scorecard",), name=name, trials=1),
    ):
        raise AssertionError


def test_looking_at_a_study_does_not_set_it_running(done: Session, project: Project) -> None:
    with open_session(project, PARAMS, plan(), SEARCH, FAMILIES, make=False) as session:
        assert session.standings() == done.standings()
        assert done.journal.client.get_run(done.journal.parent).info.status == "FINISHED"
    with open_session(project, PARAMS, plan(), SEARCH, ("scorecard",), trials=1):
        assert done.journal.client.get_run(done.journal.parent).info.status == "RUNNING"
    assert done.journal.client.get_run(done.journal.parent).info.status == "FINISHED"


def test_other_fixed_parameters_begin_another_study(done: Session, project: Project) -> None:
    model = PARAMS.model.model_copy(update={"monotone": False})
    free = PARAMS.model_copy(update={"model": model})
    with open_session(project, free, plan(), SEARCH, ("scorecard",), trials=1) as session:
        assert session.study.study_name != done.study.study_name
    found = PARAMS.model.model_copy(
        update={"family": "ebm", "ebm": PARAMS.model.ebm.model_copy(update={"rounds": 30})}
    )  # what store-best writes is searched, so it changes nothing
    with open_session(
        project, PARAMS.model_copy(update={"model": found}), plan(), SEARCH, ("scorecard",), trials=1
    ) as session:
        assert session.study.study_name == done.study.study_name


@pytest.mark.parametrize("harm", ["cut off", "emptied", "removed", "purged"])
def test_lost_margins_are_said(search: Opened, harm: str) -> None:
    session = search("scorecard", trials=1)
    session.run(silent)
    run = session.best()["scorecard"].user_attrs["run"]
    (path,) = Path(session.journal.client.get_run(run).info.artifact_uri.removeprefix("file://")).glob("*.npz")
    if harm == "cut off":
        path.write_bytes(path.read_bytes()[:100])
    elif harm == "emptied":
        path.write_bytes(b"")
    elif harm == "removed":
        path.unlink()
    session.journal._margins.clear()
    said = "no longer there" if harm in ("removed", "purged") else "damaged"
    asked = "0" * 32 if harm == "purged" else run
    with pytest.raises(TrackingError, match=f"out_of_fold.npz in the tracking store is {said} .* --study NAME"):
        session.journal.margins(asked)


def test_a_study_recorded_in_another_tracking_store_is_said(
    done: Session, project: Project, migrated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other.db"
    shutil.copy(migrated, other)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{other}")
    monkeypatch.setenv("MLFLOW_ARTIFACT_ROOT", (tmp_path / "files").as_uri())
    with (
        pytest.raises(TrackingError, match=f"recorded under the run {done.journal.parent} of another tracking store"),
        open_session(project, PARAMS, plan(), SEARCH, ("scorecard",), trials=1),
    ):
        raise AssertionError


def test_changed_choices_are_said_and_nothing_is_lost(done: Session, project: Project) -> None:
    space = {name: dict(dimensions) for name, dimensions in SEARCH.space.items()}
    space["ebm"] |= {"interactions": (0, 1)}
    changed = SEARCH.model_copy(update={"space": space})
    with open_session(project, PARAMS, plan(), changed, ("ebm",), trials=1) as session:
        before = len(session.best())
        with pytest.raises(TrackingError, match="a parameter's choices differ from those the study was begun with"):
            session.run(silent)
        assert len(session.best()) == before == 4


def test_what_a_killed_process_left_is_ended(search: Opened, project: Project) -> None:
    session = search("scorecard", trials=1)
    run = session.journal.client.create_run(session.journal.experiment).info.run_id
    session.study.add_trial(create_trial(state=TrialState.FAIL, user_attrs={"run": run}))
    session.sweep()
    assert session.journal.client.get_run(run).info.status == "KILLED"


def test_a_trial_whose_process_is_gone_is_given_up_at_once_and_others_are_not(search: Opened) -> None:
    session = search("scorecard", trials=1)
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    machine = this_process().rpartition(" ")[0]
    processes = [f"{machine} {gone.pid}", this_process(), f"elsewhere {gone.pid}", f"{machine} 1"]
    for process in processes:
        session.study.add_trial(create_trial(state=TrialState.RUNNING, user_attrs={PROCESS: process}))
    session.sweep()
    states = {trial.user_attrs.get(PROCESS): trial.state for trial in session.study.get_trials()}
    assert [states[process] for process in processes] == [TrialState.FAIL, *[TrialState.RUNNING] * 3]


def test_a_trial_bears_its_process_before_its_first_parameter_is_drawn(
    search: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = search("scorecard", trials=1)
    seen: list[str | None] = []

    def killed(*_: object) -> NoReturn:
        seen.extend(trial.user_attrs.get(PROCESS) for trial in session.study.get_trials())
        raise KeyboardInterrupt

    monkeypatch.setattr(TPESampler, "before_trial", killed)
    with pytest.raises(KeyboardInterrupt):
        one_trial(session.study, "scorecard", 0, lambda trial: 0.0)
    assert seen == [this_process()]


def test_a_trial_that_nobody_bears_is_given_up_after_the_time_of_grace(search: Opened) -> None:
    session = search("scorecard", trials=1)
    for age in (GRACE_SECONDS + 1, 1):
        trial = create_trial(state=TrialState.RUNNING)
        trial.datetime_start = datetime.now() - timedelta(seconds=age)
        session.study.add_trial(trial)
    session.sweep()
    assert [trial.state for trial in session.study.get_trials()] == [TrialState.FAIL, TrialState.RUNNING]


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("postgresql://nobody:secret@127.0.0.1:1/none", "no answer"),
        ("nonsense", "not an address of a database"),
        ("sqlite:////proc/none/studies.db", "its folder does not exist"),
    ],
)
def test_a_storage_that_cannot_be_reached_is_said_without_the_password(project: Project, url: str, says: str) -> None:
    with pytest.raises(TrackingError) as caught, opened(url) as storage:
        open_study(storage, url, "any", None)
    assert says in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_study_that_is_not_there_is_named_beside_those_that_are(done: Session, project: Project) -> None:
    url = storage_url(project, None)
    with (
        pytest.raises(TrackingError, match=rf"no study 'none'\. There are: {done.study.study_name}"),
        opened(url) as storage,
    ):
        open_study(storage, url, "none", None, make=False)


@pytest.mark.slow
def test_a_study_in_postgresql(project: Project, database: str) -> None:
    for _ in range(2):
        with open_session(project, PARAMS, plan(), SEARCH, ("scorecard",), url=database, trials=1) as session:
            session.run(silent)
    assert len(session.study.get_trials()) == 2
