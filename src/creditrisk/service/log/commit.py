"""Group commit: one fsync for all groups that wait.

The event loop owns the list of what waits; one batch at a time goes to the process that writes, and when it is durable
all of it is called back. How many are gathered for a batch depends on which is slower, the disk or the work.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from creditrisk.service.log.sqlite import connect
from creditrisk.service.log.writerprocess import WriterProcess, Written
from creditrisk.service.postgres.database import check
from creditrisk.service.record import Group, Stored

BATCH_GROUPS = 512
GATHER_SHARE, GATHER_SECONDS, COMING_SECONDS = 0.5, 0.002, 0.01
"""How long a batch waits for the clients of the one before it, which are about to ask again: while each turn of the
loop brings some of them, at most ``COMING_SECONDS``, and half as long as that batch took to write where a turn brings
none, as PostgreSQL advises for its ``commit_delay``. A lone client never waits."""
CLOCK_SECONDS = 0.001
"""What uvloop's clock can tell apart; for less, the loop's turns go round."""
_LOGGER = logging.getLogger("creditrisk.service")


class Writes(Protocol):
    """Makes batches durable elsewhere than on the event loop."""

    def write(self, batch: Sequence[Group], written: Written) -> None:
        """Have a batch made durable; ``written`` is called on the loop when it is, or cannot be."""
        ...

    async def ready(self) -> None:
        """Wait until the first batch can be written.

        Raises:
            ServiceError: it never can be.
        """
        ...

    async def close(self) -> None:
        """Nothing more will be written."""
        ...


class GroupCommit:
    """The log of one worker, whatever it is written to.

    Args:
        writes: makes batches durable.
        loop: the event loop that submits, and on which groups are called back.
        limit: groups that may wait at once.
        apart: whether a core is left for the writing, so that it and the work can go on at once.
    """

    def __init__(self, writes: Writes, loop: asyncio.AbstractEventLoop, limit: int, apart: bool = True) -> None:
        self._writes = writes
        self._loop, self._limit, self._apart = loop, limit, apart
        self._groups: list[Group] = []
        self._batch: list[Group] = []
        """What is being written."""
        self._given = 0.0
        """When it was handed over."""
        self.commit_seconds = 0.0
        self.failures, self.unwritten = 0, False
        self._handing: asyncio.Handle | None = None
        self._wanted = self._seen = 0
        self._halves, self._other = False, 0
        """Whether one half of the clients is written while the other is worked for, and how many the other half are."""
        self._until = self._latest = 0.0
        self._released = self._last = 0.0
        """When a batch was called back, and when the last group came."""
        self._came, self._each = 0, 0.0
        """How many groups have come since then, and how many seconds apart they came the time before."""
        self._empty = asyncio.Event()

    @property
    def waiting(self) -> int:
        """Groups taken in that are not durable yet."""
        return len(self._groups) + len(self._batch)

    @property
    def waited(self) -> float:
        """For how many seconds the batch has been written that is being written now; 0 where there is none."""
        return time.perf_counter() - self._given if self._batch else 0.0

    def submit(self, group: Group) -> bool:
        """Take a group in; it goes out with others that come about now."""
        if len(self._groups) >= self._limit:
            return False
        self._groups.append(group)
        self._came, self._last = self._came + 1, time.perf_counter()
        if not self._batch:
            if len(self._groups) == self._wanted:
                self._hand_over()
            elif self._handing is None:
                self._soon()
        return True

    async def ready(self) -> None:
        """Wait until groups can be written; to be called before the first is submitted.

        Raises:
            ServiceError: they never can be.
        """
        await self._writes.ready()

    async def close(self) -> None:
        """Write what is waiting, then close."""
        while self.waiting:
            self._empty.clear()
            await self._empty.wait()
        await self._writes.close()

    def _soon(self) -> None:
        """Hand over at the end of this turn of the loop, or a few turns later while the last batch's clients return."""
        self._seen = 0
        self._handing = self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        here, now = len(self._groups), time.perf_counter()
        coming = here > self._seen and now < self._latest
        if here < self._wanted and (coming or now < self._until):
            self._seen = here
            wait = 0.0 if coming else self._until - now
            loop = self._loop
            self._handing = loop.call_later(wait, self._turn) if wait >= CLOCK_SECONDS else loop.call_soon(self._turn)
        else:
            self._hand_over()

    def _hand_over(self) -> None:
        if self._handing is not None:
            self._handing.cancel()
            self._handing = None
        self._batch, self._groups = self._groups[:BATCH_GROUPS], self._groups[BATCH_GROUPS:]
        self._given = time.perf_counter()
        self._writes.write(self._batch, self._release)

    def _release(self, results: Sequence[Stored], seconds: float) -> None:
        """Hand the next batch over, so that the disk works meanwhile, and call this one back."""
        batch, self._batch = self._batch, []
        self.commit_seconds = seconds
        if self._came and self._released:
            self._each = (self._last - self._released) / self._came
        now = self._released = time.perf_counter()
        self._came = 0
        self._until, self._latest = now + min(seconds * GATHER_SHARE, GATHER_SECONDS), now + COMING_SECONDS
        # Where a write takes less than the work for all clients, half of them wait for it while the other half is
        # worked for, and neither stands still. Where it takes longer, the halves would wait for each other's writes and
        # pay for two; together, for one. So they would where no core is left to write while others work.
        here = len(batch) + len(self._groups)
        both = max(here, len(batch) + self._other)
        halved, self._halves = self._halves, self._apart and seconds <= self._each * both
        self._other = len(batch) if halved and self._halves else 0
        self._wanted = (both + 1) // 2 if self._halves else here
        if len(self._groups) >= self._wanted:
            self._hand_over()
        elif self._groups:
            self._soon()
        else:
            self._empty.set()
        for group, result in zip(batch, results, strict=True):
            self.unwritten = isinstance(result, Exception)
            self.failures += self.unwritten
            try:
                group.done(result)
            except Exception:  # one answer that cannot be sent must not keep the others back
                _LOGGER.exception("a call back of the decision log failed")


def sqlite_log(path: Path, loop: asyncio.AbstractEventLoop, limit: int, apart: bool = True) -> GroupCommit:
    """The log of one worker in the machine's SQLite database; ``limit`` and ``apart`` as ``GroupCommit`` has them.

    Raises:
        ServiceError: it cannot be opened, or is no database.
    """
    connect(path).close()
    return GroupCommit(WriterProcess(["sqlite", str(path)], loop), loop, limit, apart)


def postgres_log(url: str | None, loop: asyncio.AbstractEventLoop, limit: int, apart: bool = True) -> GroupCommit:
    """The log of one worker in PostgreSQL (``AUDIT=postgres``); ``limit`` and ``apart`` as ``GroupCommit`` has them.

    Raises:
        ServiceError: there is no address, or no driver.
    """
    check(url)
    return GroupCommit(WriterProcess(["postgres"], loop, {"DATABASE_URL": url or ""}), loop, limit, apart)
