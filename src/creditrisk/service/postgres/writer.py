"""``AUDIT=postgres``: the decision log in PostgreSQL, committed there before an answer leaves.

For machines whose disk dies with them. One connection and one transaction at a time; all groups that wait go into
the next one. While the server is away a group fails at once, and connecting is tried again ever more slowly.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from typing import Any

import psycopg

from creditrisk.service.postgres.asked import ERASURES, WRITING
from creditrisk.service.postgres.database import SCHEMA, node
from creditrisk.service.postgres.insert import Link, insert_events, insert_idempotency, insert_links
from creditrisk.service.postgres.migrate import opened
from creditrisk.service.record import Conflict, Earlier, Event, Group, Idempotency, Outdated, Stored, UnsureError

LONGEST_PAUSE = 5.0
CONNECTION_LOST = "08"
"""Class of the codes that a pooler between here and the server gives, where it is its connection that was lost."""
_THERE = f"SELECT id FROM {SCHEMA}.events WHERE id = ANY(%s)".encode()
_FOUND = f"""SELECT key_id, key, digest, answer FROM {SCHEMA}.idempotency
JOIN unnest(%s::text[], %s::text[]) AS wanted (key_id, key) USING (key_id, key)""".encode()


class PostgresWriter:
    """Commits batches of groups; connects when the first one comes, and again when the server was away.

    Args:
        url: as DATABASE_URL.
        clock: a monotonic time in seconds.
    """

    def __init__(self, url: str | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._url, self._clock, self._node = url, clock, node()
        self._connection: psycopg.Connection[tuple[Any, ...]] | None = None
        self._pause, self._not_before = 0.0, 0.0
        self._trouble: Exception | None = None
        self._sent = False
        """Whether there was a connection to give the last batch to."""

    def write(self, batch: Sequence[Group], again: bool = False) -> list[Stored]:
        """Make a batch durable. A group whose write failed is not in the log and gets the exception.

        Args:
            batch: what to write.
            again: whether it may have been written before; what is there then stays as it is.
        """
        try:
            return self._commit(batch, again)
        except psycopg.OperationalError as error:
            return self._once_more(batch, self._perhaps_there(error))
        except psycopg.Error as error:  # one group that cannot be written must not take the others with it
            return [error] if len(batch) == 1 else [self._alone(group, again) for group in batch]
        except Exception as error:  # not set up, or no tables: nothing can be written
            return [error] * len(batch)

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()

    def _once_more(self, batch: Sequence[Group], perhaps_there: bool) -> list[Stored]:
        """The connection was lost, perhaps after the commit: what is there already is passed over."""
        try:
            return self._commit(batch, again=True)
        except Exception as error:
            unsure = perhaps_there or self._perhaps_there(error)
            return [UnsureError(type(error).__name__) if unsure else error] * len(batch)

    def _perhaps_there(self, error: Exception) -> bool:
        """Whether a batch may be committed all the same: it was sent, and not the server but the connection failed."""
        if not self._sent or not isinstance(error, psycopg.OperationalError):
            return False
        return error.sqlstate is None or error.sqlstate.startswith(CONNECTION_LOST)

    def _alone(self, group: Group, again: bool) -> Stored:
        try:
            return self._commit([group], again)[0]
        except Exception as error:
            return UnsureError(type(error).__name__) if self._perhaps_there(error) else error

    def _connected(self) -> psycopg.Connection[tuple[Any, ...]]:
        if self._connection is not None and not self._connection.closed:
            return self._connection
        if self._trouble is not None and self._clock() < self._not_before:
            raise self._trouble
        try:
            connection = opened(self._url)
        except Exception as error:
            self._pause = min(LONGEST_PAUSE, self._pause * 2 or 0.1)
            self._trouble, self._not_before = error, self._clock() + self._pause
            raise
        self._connection, self._pause, self._trouble = connection, 0.0, None
        return connection

    def _commit(self, batch: Sequence[Group], again: bool) -> list[Stored]:
        self._sent = False
        connection = self._connected()
        self._sent = True
        try:
            results: list[Stored]
            if any(group.idempotency or group.guarded for group in batch):
                with connection.transaction():
                    current = _current(connection, batch, again)
                    claimed = iter(_claim(connection, [g for g, well in zip(batch, current, strict=True) if well]))
                    results = [next(claimed) if well else Outdated() for well in current]
                    self._insert(connection, batch, results, again)
                return results
            results = [None] * len(batch)
            with connection.pipeline(), connection.transaction():
                self._insert(connection, batch, results, again)
            return results
        except psycopg.OperationalError:
            # Whatever broke, a connection in an unknown state is not used again.
            with contextlib.suppress(psycopg.Error):
                connection.close()
            raise

    def _insert(
        self,
        connection: psycopg.Connection[tuple[Any, ...]],
        batch: Sequence[Group],
        results: list[Stored],
        again: bool,
    ) -> None:
        events: list[Event] = []
        links: list[Link] = []
        for group, result in zip(batch, results, strict=True):
            if result is None:
                events += group.events
                if repeat := group.idempotency:
                    links += [(event.id, repeat.key_id, repeat.key) for event in group.events]
        if events:
            insert_events(connection, events, self._node, [None] * len(events), unless_there=again)
        insert_links(connection, links)


def _current(connection: psycopg.Connection[tuple[Any, ...]], batch: Sequence[Group], again: bool) -> list[bool]:
    """Whether nobody was erased since each group's decisions were looked up, or a shadow's decision is there.

    What was written before is as good as it was then: it was erased with the others, or stays.
    """
    if not any(group.guarded for group in batch):
        return [True] * len(batch)
    connection.execute(WRITING)  # who erases waits for this transaction, or is seen here
    (known,) = connection.execute(ERASURES).fetchone() or (0,)
    guarded = [group for group in batch if group.guarded]
    asked = [group.events[0].subject for group in guarded if group.looked_up is None]
    asked += [group.events[0].id for group in guarded if again]
    there = {row[0] for row in connection.execute(_THERE, (asked,))} if asked else set()

    def well(group: Group) -> bool:
        first = group.events[0]
        if not group.guarded or (again and first.id in there):
            return True
        return first.subject in there if group.looked_up is None else group.looked_up == known

    return [well(group) for group in batch]


def _claim(connection: psycopg.Connection[tuple[Any, ...]], batch: Sequence[Group]) -> list[Stored]:
    """For each group: None where its events shall be written, else what became of the request it repeats."""
    first: dict[tuple[str, str], Idempotency] = {}
    for group in batch:
        if item := group.idempotency:
            first.setdefault((item.key_id, item.key), item)
    mine = insert_idempotency(connection, list(first.values()))
    known = {key: (item.digest, item.answer) for key, item in first.items() if key in mine}
    if old := [key for key in first if key not in mine]:
        # A statement of its own sees what another log has committed while the one before waited for it.
        rows = connection.execute(_FOUND, [[key_id for key_id, _ in old], [key for _, key in old]])
        known |= {(key_id, key): (digest, answer) for key_id, key, digest, answer in rows}
    results: list[Stored] = []
    for group in batch:
        item = group.idempotency
        if item is None or (item is first[item.key_id, item.key] and (item.key_id, item.key) in mine):
            results.append(None)
        elif (found := known.get((item.key_id, item.key))) is None:
            results.append(RuntimeError("the first answer was erased at this moment"))
        else:
            results.append(Earlier(found[1]) if found[0] == item.digest else Conflict())
    return results
