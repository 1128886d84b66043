"""Remove what is older than ``retention_days``: here only what PostgreSQL has, where there is one; then there too."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from creditrisk.errors import ServiceError
from creditrisk.service.identifiers import lowest
from creditrisk.service.postgres.database import SCHEMA, driver, sentence
from creditrisk.service.postgres.migrate import opened
from creditrisk.service.records import local
from creditrisk.service.records.erasure import remove_remotely

if TYPE_CHECKING:
    from psycopg import Connection

DAY_MS = 86_400_000
ERASURE_DAYS = 90
"""For how long a machine may be away and still learn whom it has to erase."""
_OLD = f"""SELECT id FROM {SCHEMA}.events WHERE kind <> 'erasure' AND (id < %(limit)s OR subject < %(limit)s)
LIMIT {local.CHUNK * 10}""".encode()
_OLD_CHUNKS = f"DELETE FROM {SCHEMA}.file_chunks WHERE file_id < %s".encode()
_FORGET = f"DELETE FROM {SCHEMA}.erasures WHERE at < %s".encode()


class Pruned(NamedTuple):
    """How many rows were removed, and files' records."""

    here: int
    files: int


def oldest(days: int, now_ms: int | None = None) -> str:
    """The lowest identifier that is kept."""
    return lowest((time.time_ns() // 1_000_000 if now_ms is None else now_ms) - days * DAY_MS)


def prune_here(
    state: Path, path: Path, limit: str, copied_only: bool, going_on: Callable[[], bool] = lambda: True
) -> Pruned:
    """Remove what is older than an identifier on this machine, a few hundred rows at a time; workers write in between.

    What is about a removed decision goes with it. What was said of erasures stays.

    Args:
        copied_only: keep what PostgreSQL does not have yet.
        going_on: asked after each step; False ends the work early.

    Raises:
        ServiceError: the log cannot be changed, or is being read so that removed rows stay in its write-ahead log.
    """
    count = 0
    if path.exists():
        with local.opened(path) as connection:
            last = local.cursor(connection) if copied_only else (1 << 62)
            # The two ways are looked up one after the other: with OR, no index would serve.
            for column in ("id", "subject"):
                query = (
                    f"SELECT id FROM events WHERE {column} < ? AND kind <> 'erasure' AND seq <= ? LIMIT {local.CHUNK}"
                )
                while going_on():
                    with local.transaction(connection, path):
                        ids = [row[0] for row in connection.execute(query, (limit, last))]
                        local.remove(connection, ids)
                    count += len(ids)
                    if len(ids) < local.CHUNK:
                        break
            local.empty(connection, path)
    if not (state / "files").is_dir():
        return Pruned(count, 0)
    from creditrisk.service.files.chunks import folders

    old = folders(state, limit)
    for folder in old:
        shutil.rmtree(folder, ignore_errors=True)
    return Pruned(count, len(old))


def prune_remotely(
    connection: Connection[tuple[Any, ...]], limit: str, going_on: Callable[[], bool] = lambda: True
) -> int:
    """Remove what is older than an identifier in PostgreSQL."""
    connection.execute(_OLD_CHUNKS, (limit,))
    count = 0
    while going_on():
        with connection.transaction():
            ids = [row[0] for row in connection.execute(_OLD, {"limit": limit})]
            remove_remotely(connection, ids)
        count += len(ids)
        if len(ids) < local.CHUNK * 10:
            break
    return count


def prune_database(url: str, limit: str) -> int:
    """Remove what is older than an identifier in the database of an address.

    Raises:
        ServiceError: it does not answer.
    """
    error_of_driver = driver().Error
    try:
        with opened(url) as connection:
            return prune_remotely(connection, limit)
    except error_of_driver as error:
        raise ServiceError(f"PostgreSQL does not remove old records: {sentence(error, url)}. Repeat it.") from None


def forget_erasures(connection: Connection[tuple[Any, ...]]) -> None:
    """Drop the hashes of those who were erased, once every machine has had the time to follow."""
    connection.execute(_FORGET, (time.time_ns() // 1_000 - ERASURE_DAYS * DAY_MS * 1_000,))
