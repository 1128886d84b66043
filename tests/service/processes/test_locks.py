"""Waiting for a file's lock."""

from __future__ import annotations

import fcntl
import signal
from pathlib import Path
from typing import IO

import pytest

from creditrisk.service.processes.locks import take


def test_a_lock_that_comes_as_the_time_ends_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who was told that there is none does not give it back, and would keep all others from it."""
    lock, flock = tmp_path / "lock", fcntl.flock

    def waited_for(file: IO[bytes], how: int) -> None:
        if how == fcntl.LOCK_EX | fcntl.LOCK_NB:
            raise BlockingIOError
        flock(file, how)
        if how == fcntl.LOCK_EX:
            signal.raise_signal(signal.SIGALRM)

    monkeypatch.setattr(fcntl, "flock", waited_for)
    with lock.open("ab") as ours, lock.open("ab") as others:
        with pytest.raises(TimeoutError, match="another process holds the lock"):
            take(ours)
        flock(others, fcntl.LOCK_EX | fcntl.LOCK_NB)
