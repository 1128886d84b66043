"""Events and groups for the tests of the records."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from creditrisk.service.identifiers import Identifiers
from creditrisk.service.log.sqlite import Writer, connect
from creditrisk.service.record import Event, Group, Idempotency, Log, Stored

MAKE = Identifiers()
NOW_MS = 1_700_000_000_000


def event(number: int, applicant: str | None = "A", protected: bytes | None = None, status: str = "approve") -> Event:
    """A decision made ``number`` milliseconds after a certain moment."""
    name = MAKE.make((NOW_MS + number) * 1_000_000)
    request = json.dumps({"application": {"n": number}, "applicant_id": applicant}).encode()
    answer = json.dumps({"decision_id": name, "pd": 0.25, "reasons": [{"text": "The income is low"}]}).encode()
    at = (NOW_MS + number) * 1_000
    return Event(name, "decision", None, at, "key", applicant, status, "decision", "1@d", request, answer, protected)


def said_of(decision: Event, kind: str, status: str, number: int) -> Event:
    """A review or outcome of a decision."""
    name = MAKE.make((NOW_MS + number) * 1_000_000)
    return decision._replace(id=name, kind=kind, subject=decision.id, status=status, protected=None)


def repeat(key: str, digest: bytes = b"x", answer: bytes = b"first") -> Idempotency:
    return Idempotency("key", key, digest, answer, 1)


async def written(log: Log, groups: Sequence[tuple[Sequence[Event], Idempotency | None]]) -> list[Stored]:
    """What becomes of groups that are all submitted at once; the log is closed then."""
    results: list[Stored] = []
    for events, idempotency in groups:
        assert log.submit(Group(events, idempotency, results.append))
    await log.close()
    return results


def fill(path: Path, groups: Sequence[tuple[Sequence[Event], Idempotency | None]]) -> list[Stored]:
    """Write groups to a SQLite log."""
    writer = Writer(connect(path), path)
    try:
        return writer.write([Group(events, idempotency, lambda _: None) for events, idempotency in groups])
    finally:
        writer.close()


def local_rows(path: Path, query: str) -> list[tuple[Any, ...]]:
    connection = connect(path, read_only=True)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def remote_rows(url: str, query: str) -> list[tuple[Any, ...]]:
    import psycopg

    with psycopg.connect(url) as connection:
        return connection.execute(query.encode()).fetchall()


def until(true: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait for something to come about."""
    limit = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < limit, "it did not come about"
        time.sleep(0.05)
