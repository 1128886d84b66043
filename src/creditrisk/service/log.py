"""The decision log in SQLite: one fsync for all groups that wait (group commit), shared by the workers of a machine.

The event loop owns the list of what waits; one batch at a time goes to a writer thread, which inserts and commits it
(``synchronous=FULL``: the write-ahead log is on the disk when COMMIT returns) and releases all of it with one call
back. Workers take turns by a file lock, since SQLite's own waiting sleeps for up to a tenth of a second.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from queue import SimpleQueue
from typing import Protocol

from creditrisk.errors import ServiceError
from creditrisk.service.record import COLUMNS, Conflict, Earlier, Event, Group, Idempotency, Stored

SCHEMA = """
CREATE TABLE IF NOT EXISTS events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    subject TEXT,
    at INTEGER NOT NULL,
    key_id TEXT,
    applicant_id TEXT,
    status TEXT NOT NULL,
    purpose TEXT NOT NULL,
    version TEXT NOT NULL,
    request BLOB NOT NULL,
    answer BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS events_subject ON events (subject) WHERE subject IS NOT NULL;
CREATE INDEX IF NOT EXISTS events_applicant ON events (applicant_id) WHERE applicant_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS events_refer ON events (id) WHERE status = 'refer';
CREATE TABLE IF NOT EXISTS protected (id TEXT PRIMARY KEY, attributes BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS idempotency (
    key_id TEXT NOT NULL,
    key TEXT NOT NULL,
    digest BLOB NOT NULL,
    answer BLOB NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (key_id, key)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS idempotency_events (
    id TEXT NOT NULL,
    key_id TEXT NOT NULL,
    key TEXT NOT NULL,
    PRIMARY KEY (id, key_id, key)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS forwarded (one INTEGER PRIMARY KEY CHECK (one = 1), seq INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS erased (id TEXT PRIMARY KEY) WITHOUT ROWID;
"""
"""``forwarded`` is how far the log has been copied to PostgreSQL; ``erased`` lists erasures asked for on other machines
that were carried out here."""
ROW = f"({', '.join('?' * len(COLUMNS))})"
INSERT = f"INSERT INTO events ({', '.join(COLUMNS)}) VALUES "
BATCH_GROUPS = 512
GATHER_SHARE, GATHER_SECONDS, COMING_SECONDS = 0.5, 0.002, 0.01
"""How long a batch waits for the clients of the one before it, which are about to ask again: while each turn of the
loop brings some of them, at most ``COMING_SECONDS``, and half as long as that batch took to write where a turn brings
none, as PostgreSQL advises for its ``commit_delay``. Apart, the two halves of the clients would wait for each other's
writes, and pay for two; together, for one. A lone client never waits."""
CLOCK_SECONDS = 0.001
"""What uvloop's clock can tell apart; for less, the loop's turns go round."""
ONE_STATEMENT = 64
INSERTS = [INSERT + ", ".join([ROW] * rows) for rows in range(ONE_STATEMENT + 1)]
_LOGGER = logging.getLogger("creditrisk.service")


def connect(path: Path, read_only: bool = False) -> sqlite3.Connection:
    """Open the log; made where it does not exist, unless it shall only be read.

    Raises:
        ServiceError: it cannot be opened, or is no database.
    """
    try:
        if read_only:
            connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None, timeout=5.0)
            connection.execute("PRAGMA query_only=ON")
            return connection
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, isolation_level=None, timeout=30.0, check_same_thread=False)
        with locked(path):
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("PRAGMA secure_delete=ON")  # what is erased leaves no trace in free pages
            connection.executescript(SCHEMA)
        _sync_folder(path.parent)
        return connection
    except (OSError, sqlite3.Error) as error:
        raise ServiceError(
            f"decision log {path}: cannot be opened: {error}. Free or unlock it, or set CREDITRISK_SERVICE_STATE."
        ) from error


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the log's lock: one writer of this machine at a time, woken up as soon as it is free."""
    with path.with_name(f"{path.name}.lock").open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _sync_folder(folder: Path) -> None:
    """Make a new file's name durable too."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class BatchWriter(Protocol):
    """Makes batches durable; belongs to one thread."""

    def write(self, batch: Sequence[Group]) -> list[Stored]:
        """Make a batch durable. A group whose write failed is not in the log and gets the exception."""
        ...

    def close(self) -> None:
        """Nothing more will be written."""
        ...


class GroupCommit:
    """The log of one worker, whichever database its writer commits in.

    Args:
        writer: what the thread calls.
        loop: the event loop that submits, and on which groups are called back.
        limit: groups that may wait at once.
    """

    def __init__(self, writer: BatchWriter, loop: asyncio.AbstractEventLoop, limit: int) -> None:
        self._writer = writer
        self._loop, self._limit = loop, limit
        self._groups: list[Group] = []
        self._in_flight = 0
        self.commit_seconds = 0.0
        self.failures, self.unwritten = 0, False
        self._handing: asyncio.Handle | None = None
        self._expected, self._seen = 0, 0
        self._until = self._latest = 0.0
        self._batches: SimpleQueue[list[Group] | None] = SimpleQueue()
        self._empty = asyncio.Event()
        self._thread = threading.Thread(target=self._work, name="decision-log", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Groups taken in that are not durable yet."""
        return len(self._groups) + self._in_flight

    def submit(self, group: Group) -> bool:
        """Take a group in; it goes out with all others of this turn of the event loop."""
        if len(self._groups) >= self._limit:
            return False
        self._groups.append(group)
        if not self._in_flight and (self._handing is None or len(self._groups) == self._expected):
            self._soon()
        return True

    async def close(self) -> None:
        """Write what is waiting, then close."""
        while self.waiting:
            self._empty.clear()
            await self._empty.wait()
        self._batches.put(None)
        await self._loop.run_in_executor(None, self._thread.join)

    def _soon(self) -> None:
        """Hand over at the end of this turn of the loop, or a few turns later while the last batch's clients return."""
        if self._handing is not None:
            self._handing.cancel()
        self._seen = 0
        self._handing = self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        here, now = len(self._groups), time.perf_counter()
        coming = here > self._seen and now < self._latest
        if here < self._expected and (coming or now < self._until):
            self._seen = here
            wait = 0.0 if coming else self._until - now
            loop = self._loop
            self._handing = loop.call_later(wait, self._turn) if wait >= CLOCK_SECONDS else loop.call_soon(self._turn)
        else:
            self._hand_over()

    def _hand_over(self) -> None:
        self._handing = None
        batch, self._groups = self._groups[:BATCH_GROUPS], self._groups[BATCH_GROUPS:]
        if batch:
            self._in_flight = len(batch)
            self._batches.put(batch)

    def _work(self) -> None:
        while (batch := self._batches.get()) is not None:
            began = time.perf_counter()
            results = self._written(batch)
            self.commit_seconds = seconds = time.perf_counter() - began
            self._loop.call_soon_threadsafe(self._release, batch, results, seconds)
        self._writer.close()

    def _written(self, batch: list[Group]) -> Sequence[Stored]:
        """What a writer did not foresee costs the answers of one batch and not the thread, which nobody would miss."""
        try:
            return self._writer.write(batch)
        except Exception as error:
            _LOGGER.exception("the writer of the decision log failed")
            return [error] * len(batch)

    def _release(self, batch: list[Group], results: Sequence[Stored], seconds: float) -> None:
        self._in_flight = 0
        self._expected = len(batch) + len(self._groups)
        now = time.perf_counter()
        self._until, self._latest = now + min(seconds * GATHER_SHARE, GATHER_SECONDS), now + COMING_SECONDS
        if self._groups:
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


class SqliteLog(GroupCommit):
    """The log of one worker in the machine's SQLite database."""

    def __init__(self, path: Path, loop: asyncio.AbstractEventLoop, limit: int) -> None:
        super().__init__(Writer(connect(path), path), loop, limit)


class Writer:
    """Inserts and commits batches of groups; belongs to one thread."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._lock = path.with_name(f"{path.name}.lock").open("ab")

    def write(self, batch: Sequence[Group]) -> list[Stored]:
        """Make a batch durable. A group whose write failed is not in the log and gets the exception."""
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        try:
            return self._commit(batch)
        except sqlite3.OperationalError as error:  # the disk is full or broken: no group fares better alone
            self._undo()
            return [error] * len(batch)
        except Exception as error:  # one group that cannot be written must not take the others with it
            self._undo()
            return [error] if len(batch) == 1 else [self._alone(group) for group in batch]
        finally:
            fcntl.flock(self._lock, fcntl.LOCK_UN)

    def _alone(self, group: Group) -> Stored:
        try:
            return self._commit([group])[0]
        except Exception as error:
            self._undo()
            return error

    def _undo(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    def close(self) -> None:
        """Close the database; the write-ahead log is folded into it."""
        self._connection.close()
        self._lock.close()

    def _commit(self, batch: Sequence[Group]) -> list[Stored]:
        """One statement in autocommit where it suffices: each further one hands Python's lock over and back."""
        if len(batch) <= ONE_STATEMENT and all(
            group.idempotency is None and len(group.events) == 1 and group.events[0].protected is None
            for group in batch
        ):
            values: list[object] = []
            for group in batch:
                values += group.events[0][:-1]
            self._connection.execute(INSERTS[len(batch)], values)
            return [None] * len(batch)
        execute = self._connection.execute
        execute("BEGIN IMMEDIATE")
        results: list[Stored] = []
        plain: list[Event] = []
        for group in batch:
            earlier = self._earlier(group.idempotency) if group.idempotency else None
            results.append(earlier)
            if earlier is None:
                plain += group.events
                if group.idempotency:
                    self._remember(group.idempotency, group.events)
        self._connection.executemany(INSERT + ROW, [event[:-1] for event in plain])
        if kept := [(event.id, event.protected) for event in plain if event.protected is not None]:
            self._connection.executemany("INSERT INTO protected VALUES (?, ?)", kept)
        execute("COMMIT")
        return results

    def _earlier(self, wanted: Idempotency) -> Stored:
        found = self._connection.execute(
            "SELECT digest, answer FROM idempotency WHERE key_id = ? AND key = ?", (wanted.key_id, wanted.key)
        ).fetchone()
        if found is None:
            return None
        return Earlier(found[1]) if found[0] == wanted.digest else Conflict()

    def _remember(self, item: Idempotency, events: Sequence[Event]) -> None:
        self._connection.execute("INSERT INTO idempotency VALUES (?, ?, ?, ?, ?)", item)
        links = [(event.id, item.key_id, item.key) for event in events]
        self._connection.executemany("INSERT INTO idempotency_events VALUES (?, ?, ?)", links)
