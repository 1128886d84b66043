"""The watch: a child process that follows the registry's champion, so that MLflow is never imported in a worker.

It fetches a new version, verifies it, replays its golden rows, asks whether it may take over, and only then points
``champion.json`` at it; what it saw of the registry stands in ``registry.json``. A worker runs it as
``python -m creditrisk.service.following.watch``.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import os
import signal
import sys
import time

from creditrisk.errors import CreditRiskError, LedgerError, TrackingError
from creditrisk.params import Params
from creditrisk.paths import Project
from creditrisk.service.following.follow import followers, prune_copies
from creditrisk.service.following.pointer import stamp_of
from creditrisk.service.following.report import LOOK_FILE, REPORT_FILE, Listed, Report, read_report, write_report
from creditrisk.service.processes.child import end_with_parent
from creditrisk.service.settings import ServiceSettings
from creditrisk.service.telemetry.journal import NAME
from creditrisk.service.telemetry.output import take_over
from creditrisk.tracking.registry import CHALLENGER, Standing, Version, alarm, standing
from creditrisk.tracking.store import sqlite_file, tracking_uri

LISTED = 1_000
"""Versions that a report names, the newest ones."""


class Watch:
    """Looks at the registry again and again.

    Args:
        settings: with the portfolio named where it shall not be that of params.yaml.
    """

    def __init__(self, project: Project, settings: ServiceSettings) -> None:
        self._project, self._settings, self._state = project, settings, settings.state
        self._portfolio = settings.portfolio or Params.from_yaml(project.params).portfolio
        self._champion, self._challenger = followers(project, settings, self._portfolio)
        last = read_report(self._state / REPORT_FILE)
        self._last = last if last is not None and last.portfolio == self._portfolio else None

    def run(self) -> None:
        """Look, report, wait, until this process is ended."""
        while True:
            seen = stamp_of(self._state / LOOK_FILE)
            self._last = self.look()
            write_report(self._state / REPORT_FILE, self._last)
            due = time.monotonic() + self._settings.watch_seconds
            while time.monotonic() < due and stamp_of(self._state / LOOK_FILE) == seen:
                time.sleep(min(0.5, self._settings.watch_seconds))

    def look(self) -> Report:
        """Look once; follow what has changed."""
        try:
            params = Params.from_yaml(self._project.params).model_copy(update={"portfolio": self._portfolio})
            found = self._standing(params)
        except LedgerError as error:
            return self._report(None, {"ledger": self._champion.plain(error)})
        except CreditRiskError as error:
            return self._report(None, {}, self._champion.plain(error))
        alerts = {"champion": None, "ledger": None, "challenger": None} | self._follow(found, params)
        prune_copies(self._settings, self._champion, self._challenger)
        return self._report(found, {kind: text for kind, text in alerts.items() if text})

    def _follow(self, found: Standing, params: Params) -> dict[str, str | None]:
        alerts: dict[str, str | None] = {}
        try:
            alarm(found)
            alerts["champion"] = self._champion.follow(found.champion, params) if found.champion else None
        except LedgerError as error:
            alerts["ledger"] = self._champion.plain(error)
        challenger = _challenger(found) if self._settings.shadow else None
        if challenger is None:
            self._challenger.clear()
        else:
            alerts["challenger"] = self._challenger.follow(challenger, params)
        return alerts

    def _standing(self, params: Params) -> Standing:
        store = sqlite_file(tracking_uri(self._project))
        if store is not None and not store.is_file():  # asking would make an empty one
            raise TrackingError(f"tracking store {store.name}: the file is not there; main.py run makes the first.")
        return standing(self._project, params)

    def _report(self, found: Standing | None, alerts: dict[str, str], error: str | None = None) -> Report:
        last, reachable, now = self._last, error is None, dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        since = last.since if last is not None and last.reachable == reachable else now
        common = (self._portfolio, reachable, since, time.time(), os.getpid(), error)
        if found is None:
            kept = (last.model, last.champion, last.challenger, last.versions) if last else ()
            return Report(*common, None, alerts, *kept)
        number = found.champion.version if found.champion else None
        challenger = _challenger(found)
        return Report(
            *common,
            None if number else self._no_champion(found),
            alerts,
            found.model,
            number,
            challenger.version if challenger else None,
            tuple(_listed(item) for item in found.versions[-LISTED:]),
        )

    def _no_champion(self, found: Standing) -> str:
        there = f"version {found.versions[-1].version} waits for main.py promote" if found.versions else ""
        run = f"type main.py run --portfolio {self._portfolio}"
        return f"Portfolio {self._portfolio!r} has no champion yet: {there or run}, or serve a bundle with --bundle."


def _challenger(found: Standing) -> Version | None:
    return next((item for item in reversed(found.versions) if CHALLENGER in item.aliases), None)


def _listed(item: Version) -> Listed:
    created = dt.datetime.fromtimestamp(item.created / 1_000, dt.UTC).isoformat(timespec="seconds")
    try:
        gates = dict(json.loads(item.tags.get("readiness_gates", "{}")))
    except ValueError:  # cut at the registry's limit
        gates = {}
    readiness, reason = item.tags.get("readiness"), item.tags.get("readiness_reason")
    return Listed(item.version, item.aliases, item.digest, item.family, created, readiness, reason, gates)


def main() -> int:
    """Run the watch; what is set up wrongly is said in one sentence."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C goes to the whole group; the parent ends us
    take_over()
    end_with_parent()
    project = Project.find()
    try:
        Watch(project, ServiceSettings.from_environment(project)).run()
    except (CreditRiskError, OSError) as error:
        logging.getLogger(NAME).error("watch of the registry: %s", error)
    return 1


if __name__ == "__main__":
    sys.exit(main())
