"""The machine's SQLite log as the forwarder, retention and erasure see it: what waits, and how rows are removed."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from creditrisk.errors import ServiceError
from creditrisk.service.log.sqlite import connect, locked
from creditrisk.service.processes.locks import LONG_SECONDS
from creditrisk.service.record import COLUMNS, Event, Idempotency
from creditrisk.service.records.traces import contains

CHUNK = 500
TRIES, PAUSE_SECONDS = 40, 0.2
"""How often, and with what pauses, those who read the log are waited for."""
_EVENT = ", ".join(f"e.{name}" for name in COLUMNS)


class Batch(NamedTuple):
    """Events to be copied, each with its place in the log, and the idempotency keys that belong to them."""

    seqs: list[int]
    events: list[Event]
    idempotency: list[Idempotency]
    links: list[tuple[str, str, str]]


@contextlib.contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """The log, to be changed by others than its writers; their commits stay as durable as they are.

    Raises:
        ServiceError: the file cannot be opened, or what is done with it fails.
    """
    connection = connect(path)
    try:
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA temp_store=MEMORY")
        yield connection
    except sqlite3.Error as error:
        raise ServiceError(f"{path}: {error}. Free the disk or unlock the file, and repeat it.") from error
    finally:
        connection.close()


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection, path: Path) -> Iterator[None]:
    """Change the log while no worker writes; all of it or nothing."""
    with locked(path):
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            if connection.in_transaction:  # a full disk has rolled it back already
                connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")


def cursor(connection: sqlite3.Connection) -> int:
    """The last place that was copied to PostgreSQL."""
    found = connection.execute("SELECT seq FROM forwarded").fetchone()
    return int(found[0]) if found else 0


def advance(connection: sqlite3.Connection, path: Path, seq: int) -> None:
    """Say that everything up to a place was copied. Losing this costs a second copy, which changes nothing."""
    with transaction(connection, path):
        connection.execute("INSERT OR REPLACE INTO forwarded VALUES (1, ?)", (seq,))


def backlog(connection: sqlite3.Connection) -> int:
    """Events that were not copied yet; at most, since numbers may be missing."""
    last = connection.execute("SELECT max(seq) FROM events").fetchone()[0]
    return max(0, int(last or 0) - cursor(connection))


def batch_after(connection: sqlite3.Connection, seq: int, limit: int = CHUNK) -> Batch:
    """The next events in the order of the log."""
    query = f"SELECT e.seq, {_EVENT}, p.attributes FROM events e LEFT JOIN protected p ON p.id = e.id"
    rows = connection.execute(f"{query} WHERE e.seq > ? ORDER BY e.seq LIMIT ?", (seq, limit)).fetchall()
    events = [Event(*row[1:]) for row in rows]
    links = _in_chunks(connection, "SELECT id, key_id, key FROM idempotency_events WHERE id IN", [e.id for e in events])
    keys = list(dict.fromkeys((key_id, key) for _, key_id, key in links))
    found = (
        connection.execute("SELECT key_id, key, digest, answer, at FROM idempotency WHERE key_id = ? AND key = ?", key)
        for key in keys
    )
    items = [Idempotency(*row) for one in found for row in one]
    return Batch([row[0] for row in rows], events, items, links)


def remove(connection: sqlite3.Connection, ids: Sequence[str]) -> list[str]:
    """Remove events and everything kept beside them, within a transaction; returns their idempotency keys."""
    links = _in_chunks(connection, "SELECT id, key_id, key FROM idempotency_events WHERE id IN", ids)
    keys = list({(key_id, key) for _, key_id, key in links})
    connection.executemany("DELETE FROM idempotency WHERE key_id = ? AND key = ?", keys)
    for table in ("idempotency_events", "protected", "events"):
        connection.executemany(f"DELETE FROM {table} WHERE id = ?", [(one,) for one in ids])
    return [key for _, key in keys]


def about(connection: sqlite3.Connection, ids: Sequence[str]) -> list[str]:
    """Events that are about others: reviews and outcomes."""
    return [row[0] for row in _in_chunks(connection, "SELECT id FROM events WHERE subject IN", ids)]


def scrub(connection: sqlite3.Connection, path: Path, needles: Iterable[str]) -> None:
    """Leave no trace of removed rows in the log's files.

    Removed content is overwritten with zeros (``secure_delete``) and the write-ahead log is emptied. A copy can remain
    where SQLite once moved a row from one page to another; where the bytes are found, the file is rewritten, and the
    workers wait for it.

    Raises:
        ServiceError: somebody reads the log all the time, so that its write-ahead log cannot be emptied.
    """
    # One at a time: another could not empty the write-ahead log while this one reads, and would wait with all workers.
    with locked(path.with_name(f"{path.name}.scrub"), LONG_SECONDS):
        with emptied(connection, path):
            connection.execute("BEGIN")
            connection.execute("SELECT count(*) FROM forwarded").fetchall()
        # The workers write on meanwhile. They cannot bring back what was erased: SQLite leaves the file as it is while
        # somebody reads from it with the write-ahead log empty. So what is searched is the whole log as it was after
        # the removal, and later pages are made of nothing but its bytes and new rows.
        try:
            found = contains(path, needles)
        finally:
            connection.execute("ROLLBACK")
        if found:
            with locked(path):
                connection.execute("VACUUM")
            empty(connection, path)


def empty(connection: sqlite3.Connection, path: Path) -> None:
    """Fold the write-ahead log, in which removed rows still stand, into the log.

    Raises:
        ServiceError: somebody reads it all the time.
    """
    with emptied(connection, path):
        return


@contextlib.contextmanager
def emptied(connection: sqlite3.Connection, path: Path) -> Iterator[None]:
    """Hold the lock once the write-ahead log, in which removed rows still stand, is folded into the log.

    Who reads is waited for without the lock: the workers, and all answers, would wait with us.

    Raises:
        ServiceError: somebody reads it all the time.
    """
    for _ in range(TRIES):
        with locked(path):
            connection.execute("PRAGMA busy_timeout=50")
            busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            connection.execute("PRAGMA busy_timeout=10000")
            if not busy:
                yield
                return
        time.sleep(PAUSE_SECONDS)
    raise ServiceError(f"{path}: the write-ahead log is being read and could not be emptied; repeat it.")


def _in_chunks(connection: sqlite3.Connection, query: str, ids: Sequence[str]) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = []
    for start in range(0, len(ids), CHUNK):
        part = ids[start : start + CHUNK]
        rows += connection.execute(f"{query} ({', '.join('?' * len(part))})", part).fetchall()
    return rows
