from __future__ import annotations

import contextlib
import shutil
import signal
import threading
import time
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import RDBStorage
from optuna.storages._heartbeat import HeartbeatThread
from optuna.trial import TrialState

from creditrisk.errors import TrackingError
from creditrisk.paths import Project
from creditrisk.search.storage import HEARTBEAT_SECONDS, Storage, opened, storage_url


def url_of(folder: Path) -> str:
    return f"sqlite:///{folder / 'studies.db'}"


def a_trial(storage: Storage) -> int:
    study = optuna.create_study(storage=storage)
    return storage.create_new_trial(study._study_id)


def test_a_waiting_trial_is_claimed_by_one_process_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other tries between the moment in which the first read that it waits and the one in which it writes."""
    claimed: list[bool] = []
    with opened(url_of(tmp_path)) as one, opened(url_of(tmp_path)) as other:
        study = optuna.create_study(storage=one)
        study.enqueue_trial({"x": 1.0})
        (trial,) = study.get_trials()
        rival = threading.Thread(
            target=lambda: claimed.append(other.set_trial_state_values(trial._trial_id, TrialState.RUNNING))
        )
        check = one.check_trial_is_updatable

        def slowly(*arguments: Any) -> None:
            if not rival.ident:
                rival.start()
                rival.join(timeout=0.5)
            check(*arguments)

        monkeypatch.setattr(one, "check_trial_is_updatable", slowly)
        claimed.append(one.set_trial_state_values(trial._trial_id, TrialState.RUNNING))
        rival.join(timeout=60)
    assert sorted(claimed) == [False, True]


def test_an_interruption_leaves_the_database_to_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(url_of(tmp_path)) as one, opened(url_of(tmp_path)) as other:
        trial = a_trial(one)
        monkeypatch.setattr(one, "check_trial_is_updatable", lambda *arguments: signal.raise_signal(signal.SIGINT))
        with pytest.raises(KeyboardInterrupt):
            one.set_trial_user_attr(trial, "note", "of one")
        monkeypatch.undo()
        assert other.get_trial(trial).user_attrs == {"note": "of one"}
        other.set_trial_user_attr(trial, "more", "of the other")
        assert one.get_trial(trial).user_attrs == {"note": "of one", "more": "of the other"}


# Python ends a thread that raises SystemExit without a word; pytest warns of it.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_interruption_leaves_no_thread_behind(tmp_path: Path) -> None:
    """It falls between the thread's start and the moment from which Optuna would stop it."""
    with contextlib.suppress(KeyboardInterrupt), opened(url_of(tmp_path)) as storage:
        beating = HeartbeatThread(a_trial(storage), storage)
        beating.start()
        raise KeyboardInterrupt
    thread = beating._thread
    assert thread is not None
    thread.join(timeout=60)
    assert not thread.is_alive()


def test_a_trial_is_said_to_be_alive_now_and_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[tuple[int, float]] = []
    now = 1_000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    monkeypatch.setattr(RDBStorage, "record_heartbeat", lambda self, trial: written.append((trial, now)))
    with opened(url_of(tmp_path)) as storage:
        for trial in (7, 8):
            for _ in range(2 * HEARTBEAT_SECONDS):
                storage.record_heartbeat(trial)
                now += 1
    assert written == [
        (trial, at) for trial, at in zip((7, 7, 8, 8), (1_000.0, 1_020.0, 1_040.0, 1_060.0), strict=True)
    ]


def test_a_file_is_the_same_wherever_its_address_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    project = Project(tmp_path)
    for given in ("sqlite:///mine.db", "sqlite+pysqlite:///mine.db"):
        assert storage_url(project, given) == f"sqlite:///{tmp_path / 'mine.db'}"
    assert storage_url(project, f"sqlite:///{tmp_path / 'mine.db'}") == f"sqlite:///{tmp_path / 'mine.db'}"
    assert storage_url(project, "postgresql://a@b/c") == "postgresql://a@b/c"


@pytest.mark.parametrize(
    "url",
    [
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite:///file:a.db?uri=true",
        "sqlite:///file::memory:?uri=true",
    ],
)
def test_a_study_that_other_processes_would_not_find_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(TrackingError, match="expected sqlite:///FILE, so that every process finds the same file"):
        storage_url(Project(tmp_path), url)


def test_what_is_no_address_is_said(tmp_path: Path) -> None:
    with pytest.raises(TrackingError, match="not an address of a database"):
        storage_url(Project(tmp_path), "nonsense")


def test_a_database_of_mlflow_is_refused_and_left_as_it_was(tmp_path: Path, migrated: Path) -> None:
    path = tmp_path / "mlflow.db"
    shutil.copy(migrated, path)
    before = path.read_bytes()
    with pytest.raises(TrackingError, match="the database is another program's"), opened(f"sqlite:///{path}"):
        raise AssertionError
    assert path.read_bytes() == before
