"""Waiting for a file's lock, but not for ever: a process that was stopped keeps its locks until somebody ends it."""

from __future__ import annotations

import contextlib
import fcntl
import signal
import threading
import time
from collections.abc import Iterator
from typing import IO, NoReturn

LOCK_SECONDS = 20.0
"""How long a lock is waited for. Who holds the log's for longer rewrites a large log, or was stopped."""
LONG_SECONDS = 300.0
"""The same, where whoever holds it is expected to take long: an erasure that reads all scored files."""
_POLL_SECONDS = 0.02


def take(lock: IO[bytes], seconds: float | None = None) -> None:
    """Take a lock; ``LOCK_SECONDS`` are waited for it where nothing else is said.

    Raises:
        TimeoutError: another process holds it for longer.
    """
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        _wait(lock, LOCK_SECONDS if seconds is None else seconds)


def _wait(lock: IO[bytes], seconds: float) -> None:
    """In line with others where a signal can end the wait: who only looks now and then comes last under load."""
    if threading.current_thread() is threading.main_thread():
        try:
            with limited(seconds):
                fcntl.flock(lock, fcntl.LOCK_EX)
        except TimeoutError:
            fcntl.flock(lock, fcntl.LOCK_UN)  # it may have come as the time ended
            raise
        return
    limit = time.monotonic() + seconds
    while True:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        if time.monotonic() > limit:
            _late()
        time.sleep(_POLL_SECONDS)


@contextlib.contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Let the block take so long; then it raises TimeoutError from what it waits for. For a main thread alone."""
    before = signal.signal(signal.SIGALRM, _late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)


def _late(*_: object) -> NoReturn:
    raise TimeoutError("another process holds the lock")
