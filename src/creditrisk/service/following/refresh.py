"""A worker's side of the watch: load what the pointer files name, swap it in, say what stands in the way."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import time
from typing import TYPE_CHECKING, Any

from creditrisk.errors import BundleError, CreditRiskError, ServiceError
from creditrisk.params import Params
from creditrisk.service.following.acceptance import objection
from creditrisk.service.following.loading import load
from creditrisk.service.following.pointer import (
    CHALLENGER_FILE,
    CHAMPION_FILE,
    Pointer,
    Stamp,
    read_pointer,
    stamp_of,
)
from creditrisk.service.following.report import REPORT_FILE, Report, read_report
from creditrisk.service.processes.child import Child
from creditrisk.service.redact import without_places
from creditrisk.service.scoring.live import Live, ModelNamed
from creditrisk.service.scoring.shadow import Shadow
from creditrisk.service.telemetry.journal import where

if TYPE_CHECKING:
    from creditrisk.service.service import Service

TICK_SECONDS = 1.0
SHARED = "another service uses this folder for portfolio {!r}; set CREDITRISK_SERVICE_STATE to one of its own"
SILENT_SECONDS, HANG_SECONDS = 60.0, 600.0
"""What a watch may take for one look beyond three times the usual, before somebody is told, and before it is ended: a
registry that does not answer is waited for more than a minute, and a large bundle may be fetched over a slow line. One
that was stopped by a signal is ended at once (``creditrisk.service.processes.child``)."""
LOADING = "the champion is being loaded"
NOT_YET = "the registry has not been looked at yet"
WATCHED = ("registry", "ledger", "champion", "challenger")
"""Alerts that are the watch's own; ``swap`` and ``shadow`` are this worker's."""


class Refresh:
    """Follows the pointer files of the service's folder; the worker that leads runs the watch as well."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._state = service.settings.state
        self._portfolio = service.settings.portfolio or Params.from_yaml(service.project.params).portfolio
        named = service.settings.model_copy(update={"portfolio": self._portfolio})
        self.environment = os.environ | named.to_environment() | {"CREDITRISK_ROOT": str(service.project.root)}
        """Of child processes that look at the registry for this service."""
        self.changing = asyncio.Lock()
        """Held while this worker promotes or rolls back."""
        self._child = Child("creditrisk.service.following.watch", self._state / "watch.lock", self.environment)
        self._told: tuple[Report, ModelNamed] | None = None
        self._stamps: dict[str, Stamp | None] = {}
        self.report: Report | None = None
        """What the watch last saw; None before it has looked."""
        self.silent = False
        """Whether that was so long ago that nothing is known of the registry now."""
        self._began, self._heard = time.time(), 0.0

    def first(self) -> None:
        """Load the last verified copy, where there is one; the registry is not asked."""
        path = self._state / CHAMPION_FILE
        self._stamps[CHAMPION_FILE] = stamp_of(path)
        try:
            pointer = read_pointer(path)
            if pointer is not None:
                self._service.swap(self._load(pointer))
        except CreditRiskError as error:
            self._service.alert("swap", self._plain(error))
        self._look_at_report()

    def registry(self) -> dict[str, Any]:
        """Whether the registry answers, for people."""
        report = self.report
        if report is None:
            return {"reachable": False, "since": None, "error": NOT_YET}
        if self.silent:
            return {"reachable": False, "since": report.seen, "error": f"the registry was last looked at {report.seen}"}
        return {"reachable": report.reachable, "since": report.since, "error": report.error}

    async def run(self) -> None:
        """Look once a second until cancelled."""
        while True:
            try:
                await self.look()
                self._service.alert("refresh", None)
            except (CreditRiskError, OSError) as error:
                self._service.alert("refresh", self._plain(error))
            except Exception as error:  # a fault of ours must not end the looking for good
                self._service.alert("refresh", f"what the watch reports could not be followed: {where(error)}")
            await asyncio.sleep(TICK_SECONDS)

    async def look(self) -> None:
        """Look once."""
        self._child.tend()
        await self._champion()
        if self._service.settings.shadow:
            await self._challenger()
        self._look_at_report()

    async def stop(self) -> None:
        """End the watch where this worker runs it."""
        await asyncio.get_running_loop().run_in_executor(None, self._child.stop)

    async def _champion(self) -> None:
        if not self._changed(CHAMPION_FILE):
            return
        service, present = self._service, self._service.model
        try:
            pointer = read_pointer(self._state / CHAMPION_FILE)
            if pointer is None:
                return
            if present is None or (present.named.version, present.named.digest) != (pointer.version, pointer.digest):
                service.swap(await asyncio.get_running_loop().run_in_executor(None, self._load, pointer, present))
            service.alert("swap", None)
        except CreditRiskError as error:
            if stamp_of(self._state / CHAMPION_FILE) == self._stamps[CHAMPION_FILE]:
                service.alert("swap", self._plain(error))

    async def _challenger(self) -> None:
        service, hot = self._service, self._service.hot
        if hot is None or not self._changed(CHALLENGER_FILE):
            return
        loop, live = asyncio.get_running_loop(), None
        try:
            pointer = read_pointer(self._state / CHALLENGER_FILE)
            if pointer is not None:
                live = await loop.run_in_executor(None, self._load, pointer)
            service.alert("shadow", None)
        except CreditRiskError as error:
            if stamp_of(self._state / CHALLENGER_FILE) == self._stamps[CHALLENGER_FILE]:
                service.alert("shadow", self._plain(error))
        before, hot.shadow = hot.shadow, Shadow(live, hot.log, loop, hot.counts) if live else None
        if before is not None:
            before.close()

    def _load(self, pointer: Pointer, present: Live | None = None) -> Live:
        """Load a pointer's copy; refused where it must not take over from the present model.

        Raises:
            ServiceError: it is another portfolio's; BundleError: it was changed or would refuse what was valid.
        """
        if pointer.portfolio != self._portfolio:
            raise ServiceError(
                f"version {pointer.version} of {pointer.name} was made for portfolio {pointer.portfolio!r}, not for "
                f"{self._portfolio!r}; it is refused."
            )
        live = load(pointer, self._state)
        if present is not None and (reason := objection(present, live, self._service.log_path)):
            raise BundleError(reason)
        return live

    def _changed(self, name: str) -> bool:
        """Whether a file is not the one that was looked at last; from now on it is."""
        stamp = stamp_of(self._state / name)
        changed = stamp != self._stamps.get(name)
        self._stamps[name] = stamp
        return changed

    def _look_at_report(self) -> None:
        if self._changed(REPORT_FILE):
            self.report = read_report(self._state / REPORT_FILE) or self.report
        service, report = self._service, self.report
        service.alert("watch", self._watch_over(report))
        if report is not None and report.portfolio != self._portfolio:
            shared = not self._child.leads  # else it is an old one, which our own watch will replace
            service.alert("state", SHARED.format(report.portfolio) if shared else None)
            report = self.report = None
        alerts = {} if report is None else report.alerts | ({"registry": report.error} if report.error else {})
        for kind in WATCHED:
            service.alert(kind, alerts.get(kind))
        self._tell(report)
        if service.model is None:
            waiting = (report.waiting or LOADING) if report else None
            reasons = [service.alerts.get("swap"), service.alerts.get("state"), *alerts.values(), waiting, NOT_YET]
            service.trouble = next(reason for reason in reasons if reason)

    def _watch_over(self, report: Report | None) -> str | None:
        """What is wrong with the watch, in words; one that has been silent for very long is ended, to begin anew."""
        child, usual, now = self._child, 3 * self._service.settings.watch_seconds, time.time()
        if report is not None:
            self._heard = report.checked
        quiet = now - self._heard
        self.silent = quiet > usual + SILENT_SECONDS
        if min(quiet, child.age) > usual + HANG_SECONDS:
            child.kill()
        if self.silent and now - self._began > usual + SILENT_SECONDS:
            return f"the watch of the registry has said nothing since {report.seen if report else 'the start'}"
        if child.ended is not None and (report is None or report.pid != child.pid):
            return f"the watch of the registry ended with {child.ended}; started anew"
        return None

    def _tell(self, report: Report | None) -> None:
        """Put what the registry knows of the model that answers where the card and the metrics find it."""
        service, model = self._service, self._service.model
        if report is None or model is None or self._told == (report, model.named):
            return
        self._told = (report, model.named)
        found = next((item for item in report.versions if item.version == model.named.version), None)
        if found is not None and found.digest == model.named.digest:
            service.evidence = {"readiness": found.readiness, "reason": found.readiness_reason, "gates": found.gates}
            service.model_made = dt.datetime.fromisoformat(found.created).timestamp()

    def _plain(self, error: Exception) -> str:
        return without_places(str(error), self._state, self._service.project.root)
