"""One worker's parts, from start to stop: log, keys, counts and the model that answers."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
from pathlib import Path
from typing import Any

from creditrisk.errors import BundleError, CreditRiskError
from creditrisk.in_order import cores
from creditrisk.model.bundle import MANIFEST
from creditrisk.paths import Project
from creditrisk.service.access.exposure import check_keys
from creditrisk.service.access.gate import Gate
from creditrisk.service.access.keys import KeyStore
from creditrisk.service.access.rates import Rates
from creditrisk.service.files.uploads import Uploads
from creditrisk.service.following.refresh import Refresh
from creditrisk.service.http.hot import Hot
from creditrisk.service.log.commit import postgres_log, sqlite_log
from creditrisk.service.processes.workers import Seat
from creditrisk.service.record import Log, Off
from creditrisk.service.records.keeper import Keeper
from creditrisk.service.redact import without_places
from creditrisk.service.scoring.live import Live
from creditrisk.service.settings import ServiceSettings
from creditrisk.service.telemetry.counts import Counts
from creditrisk.service.telemetry.journal import Journal, configure
from creditrisk.service.telemetry.snapshot import Keeper as Snapshots

COUNT_SECONDS = 1.0
"""How often a worker writes what it has counted; a killed one loses no more than this much of it."""
SWEEP_SECONDS = 60.0
COLLECTIONS = 10_000, 20, 20
"""New objects that set off Python's search for cycles, and how many searches of the younger set off one of the older.
Its own first threshold is 700, a few dozen answers, and each search holds up all of them."""
LATE_SECONDS = 3.0
LATE = (
    f"Records have waited for more than {LATE_SECONDS:g} seconds to be written, and no answer leaves before. Does the "
    "disk or the database hesitate, or does another process hold the log?"
)
UNWRITTEN = (
    "The last record could not be written, so it got no answer. Is the disk full, the database away, or does another "
    "process hold the log?"
)


def _made(model: Live) -> float | None:
    try:
        return (model.folder / MANIFEST).stat().st_mtime
    except OSError:
        return None


class Service:
    """What one worker process is made of; ``start`` and ``stop`` run on its event loop."""

    def __init__(self, settings: ServiceSettings, project: Project) -> None:
        self.settings, self.project = settings, project
        self.counts = Counts()
        self.journal = Journal(settings.log_every)
        required = settings.keys == "required" or not settings.loopback
        self.gate = Gate(KeyStore(settings.state / "keys.json"), required, per_minute=settings.rate_per_minute)
        self.uploads = Uploads(settings.state, settings.max_files)
        self.seat: Seat | None = None
        self._thresholds: tuple[int, int, int] | None = None
        self.alerts: dict[str, str] = {}
        """What needs a person, by a short name that a metric shows, in words."""
        self.evidence: dict[str, Any] = {}
        """Metrics and gates of the model that answers, where the registry knows them."""
        self.model_made: float | None = None
        """When the version that answers was made, in seconds since 1970."""
        self.hot: Hot | None = None
        self.keeper: Keeper | None = None
        """Looks after the forwarder; None where nothing is to be forwarded or pruned."""
        self.trouble = "the service is starting"
        """Why there is no model, in words; empty where there is one."""
        self.refresh: Refresh | None = None
        """Follows the registry; None where a local bundle is served."""
        self._following: asyncio.Task[None] | None = None

    @property
    def log_path(self) -> Path:
        """The decision log of this machine."""
        return self.settings.state / "decisions.db"

    @property
    def seats_folder(self) -> Path:
        """Where the workers' seats are."""
        return self.settings.state / "workers"

    @property
    def metrics_folder(self) -> Path:
        """Where each worker writes what it counts."""
        return self.settings.state / "metrics"

    @property
    def model(self) -> Live | None:
        """The model that answers now."""
        return self.hot.model if self.hot else None

    async def start(self) -> None:
        """Open the log, load the model.

        Raises:
            ServiceError: the log cannot be opened or written, or the address is open to others and there is no key.
        """
        check_keys(self.settings, self.gate.has_keys)
        configure(self.settings.log == "info")
        # What is loaded by now stays as long as the worker; a collection, which all answers wait for, need not look at
        # it. Models come and go, so they are loaded afterwards.
        self._thresholds = gc.get_threshold()
        gc.freeze()
        gc.set_threshold(*COLLECTIONS)
        loop = asyncio.get_running_loop()
        self.seat = Seat.take(self.seats_folder)
        self.uploads.sweep()
        self._rates = self.gate.rates = Rates(self.settings.state / "rates", self.seat.number)
        self._snapshots = Snapshots(self.metrics_folder, self.seat.number, self.counts)
        self.hot = Hot(self._log(loop), self.gate, self.counts, journal=self.journal)
        self._counting, self._sweeping = loop.create_task(self._count()), loop.create_task(self._sweep())
        if self.settings.audit != "off" and (self.settings.database_url or self.settings.retention_days):
            self.keeper = Keeper(self.settings)
            self.keeper.start()
        await loop.run_in_executor(None, self._first_model)
        await self.hot.log.ready()
        if self.refresh is not None:
            self._following = asyncio.create_task(self.refresh.run())

    async def stop(self) -> None:
        """Finish what began, then close."""
        if self._thresholds is not None:
            gc.unfreeze()
            gc.set_threshold(*self._thresholds)
        if self._following is not None and self.refresh is not None:
            self._following.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._following
            await self.refresh.stop()
        if self.hot is None:
            return
        if self.hot.shadow is not None:
            self.hot.shadow.close()
        await self.hot.log.close()
        self._counting.cancel()
        self._sweeping.cancel()
        await self.write_counts()
        self.gate.rates = None
        self._rates.close()
        if self.keeper is not None:
            await asyncio.get_running_loop().run_in_executor(None, self.keeper.stop)
        if self.seat is not None:
            self.seat.leave()

    def swap(self, model: Live) -> None:
        """Answer with another model from the next request on; requests under way keep the one they began with."""
        assert self.hot is not None
        self.counts.watch(model.label, model.scorer.reference["pd"]["edges"])
        self.evidence, self.model_made = {}, _made(model)  # until the registry tells
        self.hot.model, self.trouble = model, ""

    def alert(self, kind: str, sentence: str | None) -> None:
        """Raise or clear an alert; a new one is logged."""
        if sentence is None:
            self.alerts.pop(kind, None)
        elif self.alerts.get(kind) != sentence:
            self.alerts[kind] = sentence
            logging.getLogger("creditrisk.service").warning("%s: %s", kind, sentence)

    def heed(self) -> None:
        """Raise or clear the alerts of what this worker sees by itself; nothing here waits."""
        self.gate.look()
        self.alert("keys", self.gate.trouble)
        if self.hot is not None:
            self.alert("records", UNWRITTEN if self.hot.log.unwritten else None)
            self.alert("records-late", LATE if self.hot.log.waited > LATE_SECONDS else None)

    async def write_counts(self) -> None:
        """Write this worker's counts where a scrape finds them; a full disk costs the metrics, not the service."""
        if self.hot is None:
            return
        self.heed()
        log, model = self.hot.log, self.hot.model
        label = model.label if model else None
        self._snapshots.take(log.waiting, log.commit_seconds, log.failures, label, sorted(self.alerts))
        with contextlib.suppress(OSError):  # in a thread: a rename may wait for the journal of the file system
            await asyncio.get_running_loop().run_in_executor(None, self._snapshots.write)

    async def _count(self) -> None:
        while True:
            await asyncio.sleep(COUNT_SECONDS)
            await self.write_counts()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            await asyncio.get_running_loop().run_in_executor(None, self.uploads.sweep)

    def _log(self, loop: asyncio.AbstractEventLoop) -> Log:
        if self.settings.audit == "off":
            return Off()
        apart = cores() > self.settings.workers
        if self.settings.audit == "postgres":
            return postgres_log(self.settings.database_url, loop, self.settings.max_waiting, apart)
        return sqlite_log(self.log_path, loop, self.settings.max_waiting, apart)

    def _first_model(self) -> None:
        try:
            if self.settings.bundle is not None:
                self.swap(Live.load(self.settings.bundle, self.settings.bundle.name, "local"))
            else:
                self.refresh = Refresh(self)
                self.refresh.first()
        except (BundleError, CreditRiskError) as error:
            self.trouble = without_places(str(error), self.settings.state, self.project.root)
            logging.getLogger("creditrisk.service").error("no model: %s", self.trouble)
