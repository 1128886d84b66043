"""One worker's parts, from start to stop: log, keys, counts and the model that answers."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from pathlib import Path

from creditrisk.errors import BundleError, CreditRiskError
from creditrisk.paths import Project
from creditrisk.service.hot import Hot
from creditrisk.service.keys import Gate, KeyStore
from creditrisk.service.live import Live
from creditrisk.service.log import SqliteLog
from creditrisk.service.record import Log, Off
from creditrisk.service.records.database import postgres_log
from creditrisk.service.records.keeper import Keeper
from creditrisk.service.refresh import Refresh
from creditrisk.service.settings import ServiceSettings
from creditrisk.service.telemetry import Counts


class Service:
    """What one worker process is made of; ``start`` and ``stop`` run on its event loop."""

    def __init__(self, settings: ServiceSettings, project: Project) -> None:
        self.settings, self.project = settings, project
        self.counts = Counts()
        self.gate = Gate(KeyStore(settings.state / "keys.json"), settings.keys == "required" or not settings.loopback)
        self.hot: Hot | None = None
        self.keeper: Keeper | None = None
        """Looks after the forwarder; None where nothing is to be forwarded or pruned."""
        self.trouble = "the service is starting"
        """Why there is no model, in words; empty where there is one."""
        self.alerts: dict[str, str] = {}
        """What somebody should look at though the service may answer: a kind, and a sentence without places."""
        self.refresh: Refresh | None = None
        """Follows the registry; None where a local bundle is served."""
        self._following: asyncio.Task[None] | None = None

    @property
    def log_path(self) -> Path:
        """The decision log of this machine."""
        return self.settings.state / "decisions.db"

    @property
    def model(self) -> Live | None:
        """The model that answers now."""
        return self.hot.model if self.hot else None

    async def start(self) -> None:
        """Open the log, load the model.

        Raises:
            ServiceError: the log cannot be opened.
        """
        loop = asyncio.get_running_loop()
        self.hot = Hot(self._log(loop), self.gate, self.counts)
        if self.settings.audit != "off" and (self.settings.database_url or self.settings.retention_days):
            self.keeper = Keeper(self.settings)
            self.keeper.start()
        await loop.run_in_executor(None, self._first_model)
        if self.refresh is not None:
            self._following = asyncio.create_task(self.refresh.run())

    async def stop(self) -> None:
        """Finish what began, then close."""
        if self._following is not None and self.refresh is not None:
            self._following.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._following
            await self.refresh.stop()
        if self.hot is not None:
            if self.hot.shadow is not None:
                self.hot.shadow.close()
            await self.hot.log.close()
        if self.keeper is not None:
            await asyncio.get_running_loop().run_in_executor(None, self.keeper.stop)

    def swap(self, model: Live) -> None:
        """Answer with another model from the next request on; requests under way keep the one they began with."""
        assert self.hot is not None
        self.hot.model, self.trouble = model, ""

    def alert(self, kind: str, sentence: str | None) -> None:
        """Raise or clear an alert; a new one is logged."""
        if sentence is None:
            self.alerts.pop(kind, None)
        elif self.alerts.get(kind) != sentence:
            self.alerts[kind] = sentence
            logging.getLogger("creditrisk.service").warning("%s: %s", kind, sentence)

    def _log(self, loop: asyncio.AbstractEventLoop) -> Log:
        if self.settings.audit == "off":
            return Off()
        if self.settings.audit == "postgres":
            return postgres_log(self.settings.database_url, loop, self.settings.max_waiting)
        return SqliteLog(self.log_path, loop, self.settings.max_waiting)

    def _first_model(self) -> None:
        try:
            if self.settings.bundle is not None:
                self.swap(Live.load(self.settings.bundle, self.settings.bundle.name, "local"))
            else:
                self.refresh = Refresh(self)
                self.refresh.first()
        except (BundleError, CreditRiskError) as error:
            self.trouble = str(error)
