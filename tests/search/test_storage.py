from __future__ import annotations

import contextlib
import time
from pathlib import Path

import optuna
import pytest
from optuna.storages import RDBStorage
from optuna.storages._heartbeat import HeartbeatThread

from creditrisk.search.storage import HEARTBEAT_SECONDS, Storage, opened


def url_of(folder: Path) -> str:
    return f"sqlite:///{folder / 'studies.db'}"


def a_trial(storage: Storage) -> int:
    study = optuna.create_study(storage=storage)
    return storage.create_new_trial(study._study_id)


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
