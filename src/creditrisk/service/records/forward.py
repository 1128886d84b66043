"""Copy the machine's log to PostgreSQL: in order, in batches, each event once."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any

from creditrisk.service.postgres.asked import WRITING
from creditrisk.service.postgres.database import node
from creditrisk.service.postgres.insert import insert_events, insert_idempotency, insert_links
from creditrisk.service.postgres.migrate import opened
from creditrisk.service.records import erasure, local

if TYPE_CHECKING:
    from psycopg import Connection

IDLE_STEPS = 10
"""With nothing to copy, PostgreSQL is asked for erasures only each so many steps."""


class Forwarder:
    """Copies one machine's log; one process of a machine at a time has one.

    How far it has come is kept in the log itself, after PostgreSQL's commit: a batch copied twice leaves no second row.

    Args:
        path: the log.
        url: as DATABASE_URL.
    """

    def __init__(self, path: Path, url: str) -> None:
        self._path, self._url, self._node = path, url, node()
        self._connection: Connection[tuple[Any, ...]] | None = None
        self._idle = 0

    def step(self, log: sqlite3.Connection) -> int:
        """Copy the next batch; returns how many events it had, 0 where everything is there.

        Raises:
            psycopg.Error: PostgreSQL is away or refuses; the batch comes again with the next step.
            ServiceError: its tables cannot be made.
        """
        done = erasure.carried_out(log)  # before the batch is read, or it may hold whom an erasure removed in between
        batch = local.batch_after(log, local.cursor(log))
        self._idle = 0 if batch.events else self._idle + 1
        if self._idle % IDLE_STEPS > 1:
            return 0
        connection = self.connected()
        with connection.transaction():
            # Who erases waits for this batch, or is seen here: what was erased elsewhere is not copied.
            connection.execute(WRITING)
            asked = erasure.waiting(connection, done)
            if not asked and batch.events:
                if batch.idempotency:
                    insert_idempotency(connection, batch.idempotency)
                insert_events(connection, batch.events, self._node, batch.seqs, unless_there=True)
                insert_links(connection, batch.links)
        if asked:
            for one in asked:
                erasure.carry_out(log, self._path, one)
            return self.step(log)
        if batch.events:
            local.advance(log, self._path, batch.seqs[-1])
        return len(batch.events)

    def connected(self) -> Connection[tuple[Any, ...]]:
        """The connection, opened anew where it was lost."""
        if self._connection is None or self._connection.closed:
            self._connection = opened(self._url)
        return self._connection

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
