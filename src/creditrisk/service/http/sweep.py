"""One timer for all connections of a worker, in the place of one that is set and cancelled for each request."""

from __future__ import annotations

import asyncio
from collections.abc import Set
from typing import TYPE_CHECKING, Any, cast
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from uvicorn.server import ServerState

    from creditrisk.service.http.connection import Connection

SECONDS = 1.0
"""How often connections are looked at; what a limit in seconds is exact to."""
_SWEEPERS: WeakKeyDictionary[ServerState, Sweeper] = WeakKeyDictionary()


class Sweeper:
    """Asks each connection, while there is one, whether it has waited too long.

    Args:
        connections: those of the worker, as uvicorn keeps them.
        loop: the worker's event loop.
        seconds: between two looks.
    """

    def __init__(self, connections: Set[Any], loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        self._connections, self._loop, self._seconds = connections, loop, seconds
        self._running = False
        self.now = loop.time()
        """The time of the last look: what the connections use as a clock."""

    @classmethod
    def of(cls, state: ServerState, loop: asyncio.AbstractEventLoop, shortest: float) -> Sweeper:
        """The worker's own; ``shortest`` is the shortest limit that it shall see to, in seconds."""
        found = _SWEEPERS.get(state)
        if found is None:
            found = _SWEEPERS[state] = cls(state.connections, loop, min(SECONDS, shortest / 4))
        return found

    def start(self) -> None:
        """Look from now on until no connection is left."""
        if not self._running:
            self._running = True
            self.now = self._loop.time()
            self._loop.call_later(self._seconds, self._sweep)

    def _sweep(self) -> None:
        self.now = self._loop.time()
        for connection in tuple(self._connections):
            cast("Connection", connection).overdue(self.now)
        self._running = bool(self._connections)
        if self._running:
            self._loop.call_later(self._seconds, self._sweep)
