"""A worker's side of the forwarder: one worker of a machine starts it and takes it along at the end."""

from __future__ import annotations

import fcntl
import logging
import os
import subprocess
import sys
import threading
from typing import BinaryIO

from creditrisk.service.processes.stopped import Standing
from creditrisk.service.settings import ServiceSettings

LOOK_SECONDS = 1.0
LONGEST_PAUSE = 30.0
MODULE = "creditrisk.service.records.forwarder"
_LOGGER = logging.getLogger("creditrisk.service")


class Keeper:
    """Keeps a forwarder running while this worker is the one that holds the machine's lock.

    The child inherits the lock, so that there are never two, not even for a moment after a worker was killed.
    """

    def __init__(self, settings: ServiceSettings) -> None:
        self._settings = settings
        self._stopping = threading.Event()
        self._changing = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._run, name="forwarder", daemon=True)

    @property
    def process_id(self) -> int | None:
        """The child's, where this worker has one."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Begin to look after the forwarder."""
        self._settings.state.mkdir(parents=True, exist_ok=True)
        self._thread.start()

    def stop(self) -> None:
        """Let the child copy what waits, a few seconds at most, and wait for its end."""
        with self._changing:
            self._stopping.set()
            self._let_go()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                with (self._settings.state / "forwarder.lock").open("ab") as lock:
                    self._stand_by(lock)
            except OSError as error:  # the disk is full, or too many files are open; there may be room later
                _LOGGER.error("the forwarder cannot be started: %s", error.strerror)
                self._stopping.wait(LOOK_SECONDS)

    def _stand_by(self, lock: BinaryIO) -> None:
        """Look after the child once no other worker does."""
        while not self._stopping.is_set():
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._stopping.wait(LOOK_SECONDS)
            else:
                self._look_after(lock)

    def _look_after(self, lock: BinaryIO) -> None:
        """Run the child until this worker stops."""
        pause = 1.0
        while not self._stopping.is_set():
            try:
                if not self._begin(lock):
                    return
            except OSError as error:  # no memory or no process to be had now; there may be later
                _LOGGER.error("the forwarder cannot be started: %s", error.strerror)
            else:
                self._until_it_ends()
                self._let_go()
            self._stopping.wait(pause)
            pause = min(LONGEST_PAUSE, pause * 2)

    def _until_it_ends(self) -> None:
        """Wait; one that was stopped by a signal is killed: it may hold the lock of the log, and all workers wait."""
        process, standing = self._process, Standing()
        assert process is not None
        while True:
            try:
                process.wait(LOOK_SECONDS)
                return
            except subprocess.TimeoutExpired:
                pass
            if standing.too_long(process):
                _LOGGER.error("the forwarder was stopped by a signal and is killed")
                process.kill()

    def _begin(self, lock: BinaryIO) -> bool:
        with self._changing:
            if self._stopping.is_set():
                return False
            self._process = subprocess.Popen(
                [sys.executable, "-m", MODULE],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                env=os.environ | self._settings.to_environment(),
                pass_fds=(lock.fileno(),),
                start_new_session=True,
            )
            return True

    def _let_go(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
