"""The decision log in SQLite, shared by the workers of a machine.

A batch of groups is one transaction (``synchronous=FULL``: the write-ahead log is on the disk when COMMIT returns).
Workers take turns by a file lock, since SQLite's own waiting sleeps for up to a tenth of a second.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

from creditrisk.errors import ServiceError
from creditrisk.service.log.tables import prepare
from creditrisk.service.processes.locks import take
from creditrisk.service.record import COLUMNS, Conflict, Earlier, Event, Group, Idempotency, Outdated, Stored

ROW = f"({', '.join('?' * len(COLUMNS))})"
INSERT = f"INSERT INTO events ({', '.join(COLUMNS)}) VALUES "
ONE_STATEMENT = 64
KNOWN = "SELECT 1 FROM events WHERE id = ?"
INSERTS = [INSERT + ", ".join([ROW] * rows) for rows in range(ONE_STATEMENT + 1)]


def connect(path: Path, read_only: bool = False) -> sqlite3.Connection:
    """Open the log; made where it does not exist, unless it shall only be read.

    Raises:
        ServiceError: it cannot be opened, is no database, has tables of another form, or is held by another process.
    """
    try:
        if read_only:
            # As an address that is quoted: a folder's name may hold what means something there.
            address = f"{path.absolute().as_uri()}?mode=ro"
            connection = sqlite3.connect(address, uri=True, isolation_level=None, timeout=5.0)
            connection.execute("PRAGMA query_only=ON")
            return connection
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, isolation_level=None, timeout=10.0)
        try:
            _make_ready(connection, path)
        except BaseException:
            connection.close()
            raise
        return connection
    except (OSError, sqlite3.Error) as error:
        raise ServiceError(
            f"decision log {path}: cannot be opened: {error}. Free or unlock it, or set CREDITRISK_SERVICE_STATE."
        ) from error


def _make_ready(connection: sqlite3.Connection, path: Path) -> None:
    with locked(path):
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA secure_delete=ON")  # what is erased leaves no trace in free pages
        prepare(connection, path)
    # What a process wrote that was killed before it could sync is read from now on: it must be on the disk, too.
    with contextlib.suppress(FileNotFoundError):
        _sync(path.with_name(f"{path.name}-wal"))
    _sync(path.parent)  # a new file's name


@contextlib.contextmanager
def locked(path: Path, seconds: float | None = None) -> Iterator[None]:
    """Hold the log's lock: one writer of this machine at a time, woken up as soon as it is free.

    Args:
        seconds: how long to wait for it; ``LOCK_SECONDS`` where absent.

    Raises:
        ServiceError: another process holds it for longer.
    """
    lock = path.with_name(f"{path.name}.lock")
    with lock.open("ab") as file:
        try:
            take(file, seconds)
        except TimeoutError:
            raise ServiceError(
                f"{path}: another process holds its lock, {lock.name}, and was waited for in vain. fuser {lock} shows "
                "which: let it come to its end, or end it where it was stopped (state T in ps), and repeat this."
            ) from None
        yield


def _sync(path: Path) -> None:
    """Make what a file or folder holds durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class Writer:
    """Inserts and commits batches of groups; belongs to one thread.

    Args:
        connection: to the log.
        path: the log's.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._lock = path.with_name(f"{path.name}.lock").open("ab")

    def write(self, batch: Sequence[Group], again: bool = False) -> list[Stored]:
        """Make a batch durable. A group whose write failed is not in the log and gets the exception.

        Args:
            batch: what to write.
            again: whether it may have been written before; what is in the log then stays as it is.

        Raises:
            TimeoutError: another process holds the log for long; nothing was written.
        """
        take(self._lock)
        try:
            return self._once_more(batch) if again else self._commit(batch)
        except sqlite3.OperationalError as error:  # the disk is full or broken: no group fares better alone
            self._undo()
            return [error] * len(batch)
        except Exception as error:  # one group that cannot be written must not take the others with it
            self._undo()
            return [error] if len(batch) == 1 else [self._alone(group, again) for group in batch]
        finally:
            fcntl.flock(self._lock, fcntl.LOCK_UN)

    def _alone(self, group: Group, again: bool) -> Stored:
        try:
            return (self._once_more([group]) if again else self._commit([group]))[0]
        except Exception as error:
            self._undo()
            return error

    def _once_more(self, batch: Sequence[Group]) -> list[Stored]:
        """Write what is not there; groups are there as a whole or not at all."""
        missing = [g for g in batch if self._connection.execute(KNOWN, (g.events[0].id,)).fetchone() is None]
        results = iter(self._commit(missing) if missing else ())
        absent = {id(group) for group in missing}
        return [next(results) if id(group) in absent else None for group in batch]

    def _undo(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    def close(self) -> None:
        """Close the database; the write-ahead log is folded into it."""
        self._connection.close()
        self._lock.close()

    def _commit(self, batch: Sequence[Group]) -> list[Stored]:
        """Insert what is about nobody who was erased; the lock keeps erasures away."""
        if not any(group.guarded for group in batch):
            return self._insert(batch)
        current = [self._current(group) for group in batch]
        kept = [group for group, well in zip(batch, current, strict=True) if well]
        results = iter(self._insert(kept) if kept else ())
        return [next(results) if well else Outdated() for well in current]

    def _current(self, group: Group) -> bool:
        """Whether nobody was erased since a group's decisions were looked up, or a shadow's decision is there."""
        execute = self._connection.execute
        if group.looked_up is not None:
            return bool(execute("SELECT count(*) = ? FROM erased", (group.looked_up,)).fetchone()[0])
        return not group.guarded or bool(execute(KNOWN, (group.events[0].subject,)).fetchone())

    def _insert(self, batch: Sequence[Group]) -> list[Stored]:
        """One statement in autocommit where it suffices, which is the quickest."""
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
