"""The forwarder's process: ``python -m creditrisk.service.records.forwarder``, a child of one worker of the machine.

It copies the log to PostgreSQL and removes what is too old. Standard input is a pipe that its worker holds: when the
worker is gone, however it ended, the pipe is closed, what waits is copied for a few seconds more, and the process ends.
"""

from __future__ import annotations

import datetime as dt
import logging
import os
import signal
import sqlite3
import sys
import threading
import time
from typing import NoReturn

from creditrisk.errors import ServiceError
from creditrisk.paths import Project
from creditrisk.service.postgres.database import sentence
from creditrisk.service.records import erasure, local, retention, status
from creditrisk.service.records.forward import Forwarder
from creditrisk.service.settings import ServiceSettings
from creditrisk.service.telemetry.journal import NAME, where
from creditrisk.service.telemetry.output import take_over

IDLE_SECONDS = 0.5
LONGEST_PAUSE = 30.0
LAST_SECONDS = 5.0
PRUNE_SECONDS, AGAIN_SECONDS = 3_600.0, 60.0
BY_THE_DATA = ("22", "23")
"""Classes of PostgreSQL's errors: of a value, and of a constraint."""
_LOGGER = logging.getLogger(NAME)


class Work:
    """The loop: copy, prune, say how it goes.

    Args:
        settings: the service's.
        stop: set when the loop shall end; what waits is copied first.
    """

    def __init__(self, settings: ServiceSettings, stop: threading.Event) -> None:
        self._settings, self._stop = settings, stop
        self._path = settings.state / erasure.NAME
        self._forwarder = Forwarder(self._path, settings.database_url) if settings.database_url else None
        self._error: str | None = None
        self._since: str | None = None
        self._pause = 0.0
        self._pruned = -PRUNE_SECONDS

    def run(self) -> None:
        """Work until told to stop."""
        while not self._stop.is_set():
            try:
                with local.opened(self._path) as log:
                    while not self._stop.is_set():
                        self._stop.wait(self.turn(log))
                    self.turn(log)
            except (ServiceError, OSError) as error:
                self._went(error)
                self._stop.wait(self._pause)
        if self._forwarder is not None:
            self._forwarder.close()

    def turn(self, log: sqlite3.Connection) -> float:
        """Copy everything that waits; returns for how many seconds to rest then."""
        try:
            while self._forwarder is not None and self._forwarder.step(log):
                self._say(log)
            self._prune(time.monotonic())
            self._went(None)
        except Exception as error:
            self._went(error)
        self._say(log)
        return self._pause or IDLE_SECONDS

    def _prune(self, now: float) -> None:
        if now - self._pruned < PRUNE_SECONDS:
            return
        if self._forwarder is not None:
            retention.forget_erasures(self._forwarder.connected())
        if days := self._settings.retention_days:
            limit = retention.oldest(days)
            copied_only = self._forwarder is not None
            try:
                retention.prune_here(self._settings.state, self._path, limit, copied_only, self._going_on)
            except ServiceError as error:  # copying goes on all the same
                _LOGGER.warning("forwarder: old records wait to be removed: %s", error)
                self._pruned = now - PRUNE_SECONDS + AGAIN_SECONDS
                return
            if self._forwarder is not None:
                retention.prune_remotely(self._forwarder.connected(), limit, self._going_on)
        self._pruned = now

    def _going_on(self) -> bool:
        return not self._stop.is_set()

    def _went(self, error: Exception | None) -> None:
        if error is None:
            if self._error is not None:
                _LOGGER.warning("forwarder: records move to PostgreSQL again.")
            self._error, self._since, self._pause = None, None, 0.0
            return
        said = _said(error, self._settings.database_url)
        if self._error is None:
            self._since = _now()
            _LOGGER.error("forwarder: records wait on this machine: %s.", said)
        self._error, self._pause = said, min(LONGEST_PAUSE, self._pause * 2 or 0.25)

    def _say(self, log: sqlite3.Connection) -> None:
        backlog = local.backlog(log) if self._forwarder is not None else 0
        found = status.Forwarding(backlog, local.cursor(log), self._error, self._since, _now())
        status.write(self._settings.state, found)


def _said(error: Exception, url: str | None) -> str:
    """A database's own sentence; an error by the data quotes a record, so that its type and place must do."""
    state = getattr(error, "sqlstate", None)
    if isinstance(error, ServiceError | OSError | sqlite3.Error) or (
        hasattr(error, "sqlstate") and (state is None or state[:2] not in BY_THE_DATA)
    ):
        return sentence(error, url)
    return where(error)


def _now() -> str:
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")


def main() -> None:
    """Run until the worker that started this process is gone."""
    take_over()
    stop = threading.Event()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    settings = ServiceSettings.from_environment(Project.find())
    threading.Thread(target=_until_alone, args=(stop,), daemon=True).start()
    Work(settings, stop).run()


def _until_alone(stop: threading.Event) -> NoReturn:
    sys.stdin.buffer.read()
    stop.set()
    time.sleep(LAST_SECONDS)
    os._exit(0)


if __name__ == "__main__":
    try:
        main()
    except ServiceError as failed:
        _LOGGER.error("forwarder: %s", failed)
        sys.exit(1)
