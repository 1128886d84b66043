"""Rows into PostgreSQL: one statement for each table, whatever their number."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from creditrisk.service.postgres.database import SCHEMA, text
from creditrisk.service.record import COLUMNS, Event, Idempotency

if TYPE_CHECKING:
    from psycopg import Connection

_TYPES = {"at": "bigint", "seq": "bigint", "request": "bytea", "answer": "bytea", "digest": "bytea"}
_CLEANED = frozenset(COLUMNS) - {"at", "request", "answer"}
UNLESS_THERE = "ON CONFLICT DO NOTHING"
Link = tuple[str, str, str]
"""Which event an idempotency key belongs to: the event's id, key_id, key."""


def _statement(table: str, columns: Iterable[str], ending: str = "") -> bytes:
    columns = list(columns)
    values = ", ".join(f"%s::{_TYPES.get(column, 'text')}[]" for column in columns)
    names = ", ".join(columns)
    return f"INSERT INTO {SCHEMA}.{table} ({names}) SELECT * FROM unnest({values}) {ending}".encode()


_EVENTS = _statement("events", [*COLUMNS, "node", "seq"])
_EVENTS_UNLESS_THERE = _statement("events", [*COLUMNS, "node", "seq"], UNLESS_THERE)
_PROTECTED = f"INSERT INTO {SCHEMA}.protected SELECT * FROM unnest(%s::text[], %s::bytea[]) {UNLESS_THERE}".encode()
_IDEMPOTENCY = _statement("idempotency", Idempotency._fields, f"{UNLESS_THERE} RETURNING key_id, key")
_LINKS = _statement("idempotency_events", ["id", "key_id", "key"], UNLESS_THERE)


def insert_events(
    connection: Connection[tuple[Any, ...]],
    events: Sequence[Event],
    node: str,
    seqs: Sequence[int | None],
    unless_there: bool,
) -> None:
    """Insert events with their protected attributes.

    Args:
        seqs: each event's place in the machine's own log, None where it has none.
        unless_there: pass over those that were inserted before; else one such is an error.
    """
    columns: list[list[Any]] = []
    for index, name in enumerate(COLUMNS):
        values: list[Any] = [event[index] for event in events]
        columns.append([text(value) for value in values] if name in _CLEANED else values)
    statement = _EVENTS_UNLESS_THERE if unless_there else _EVENTS
    connection.execute(statement, [*columns, [node] * len(events), list(seqs)])
    if kept := [(event.id, event.protected) for event in events if event.protected is not None]:
        connection.execute(_PROTECTED, [[name for name, _ in kept], [attributes for _, attributes in kept]])


def insert_idempotency(connection: Connection[tuple[Any, ...]], items: Sequence[Idempotency]) -> set[tuple[str, str]]:
    """Claim idempotency keys, each one once; returns those that nobody had before.

    They go in by order of key, so that two logs which claim the same ones wait for each other and never in a circle.
    """
    if not items:
        return set()
    ordered = sorted(items, key=lambda item: (item.key_id, item.key))
    columns = [list(column) for column in zip(*ordered, strict=True)]
    return {(str(key_id), str(key)) for key_id, key in connection.execute(_IDEMPOTENCY, columns)}


def insert_links(connection: Connection[tuple[Any, ...]], links: Sequence[Link]) -> None:
    """Say which events belong to which idempotency key."""
    if links:
        connection.execute(_LINKS, [list(column) for column in zip(*links, strict=True)])
