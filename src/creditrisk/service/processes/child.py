"""Child processes of a machine's service: one of a kind whatever the number of workers, ended when its worker ends.

The worker that holds a lock file leads and runs the child. The child's standard input is a pipe that only this worker
holds open: when the worker ends, by kill -9 too, the pipe ends and so does the child; another worker takes the lead.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

from creditrisk.service.processes.stopped import Standing

FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0
"""Seconds before a child that ended is started again; doubled each time until it has lived for the longest."""
END_SECONDS = 5.0
STOPPED_LOOKS = 10
"""How often a child may be found standing still; then it is killed, and started again as one that ended."""


class Child:
    """A Python module run as a child by whichever worker leads.

    Args:
        module: what ``python -m`` runs; it must call ``end_with_parent``.
        lock: the file whose lock makes a worker the leader.
        environment: the child's.
        clock: a monotonic time in seconds.
    """

    def __init__(
        self, module: str, lock: Path, environment: Mapping[str, str], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._command = [sys.executable, "-m", module]
        self._lock, self._environment, self._clock = lock, dict(environment), clock
        self._held: IO[bytes] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._standing = Standing(STOPPED_LOOKS)
        self._started = self._due = 0.0
        self._wait = FIRST_WAIT
        self.ended: int | None = None
        """The status with which the last child ended by itself; None while there is one."""

    @property
    def pid(self) -> int | None:
        """The child of this worker that runs now."""
        return self._process.pid if self._process else None

    @property
    def leads(self) -> bool:
        """Whether this worker holds the lock."""
        return self._held is not None

    @property
    def age(self) -> float:
        """For how many seconds the child has run; 0 where this worker has none."""
        return self._clock() - self._started if self._process else 0.0

    def tend(self) -> None:
        """Take the lead where nobody has it; see that the child runs. To be called about once a second."""
        if self._held is None and not self._take_lead():
            return
        if self._process is not None and self._process.poll() is not None:
            self._buried(self._process.returncode)
        if self._process is not None and self._standing.too_long(self._process):
            self.kill()
        if self._process is None and self._clock() >= self._due:
            self._process = subprocess.Popen(
                self._command, env=self._environment, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
            )
            self._started, self._standing = self._clock(), Standing(STOPPED_LOOKS)

    def kill(self) -> None:
        """End a child that is of no use; it is started again as one that ended."""
        if self._process is not None:
            self._process.kill()

    def stop(self) -> None:
        """End the child and give up the lead."""
        if self._process is not None:
            _close(self._process)
            try:
                self._process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
        if self._held is not None:
            self._held.close()
            self._held = None

    def _take_lead(self) -> bool:
        self._lock.parent.mkdir(parents=True, exist_ok=True)
        file = self._lock.open("ab")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            return False
        self._held = file
        return True

    def _buried(self, status: int) -> None:
        assert self._process is not None
        _close(self._process)
        self._process, self.ended = None, status
        now = self._clock()
        wait = FIRST_WAIT if now - self._started >= LONGEST_WAIT else self._wait
        self._due, self._wait = now + wait, min(wait * 2, LONGEST_WAIT)


def _close(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(OSError):
        assert process.stdin is not None
        process.stdin.close()


def end_with_parent() -> None:
    """In the child: end this process as soon as the worker that started it is gone."""
    threading.Thread(target=_until_parent_ends, args=(os.getppid(),), name="parent", daemon=True).start()


def _until_parent_ends(parent: int) -> None:
    while True:
        ready, _, _ = select.select([0], [], [], 1.0)
        if (ready and not os.read(0, 4_096)) or os.getppid() != parent:
            os._exit(0)
