"""Look-ups in the records: own log, PostgreSQL, scored files. They block: run them in a thread."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import msgspec

from creditrisk.errors import ServiceError
from creditrisk.service.identifiers import is_identifier
from creditrisk.service.log.sqlite import connect
from creditrisk.service.postgres import asked, database
from creditrisk.service.problem import Problem
from creditrisk.service.record import COLUMNS, Event
from creditrisk.service.settings import ServiceSettings

if TYPE_CHECKING:
    from psycopg import Connection

Run = Callable[[str, Sequence[Any]], list[tuple[Any, ...]]]
"""Run a query written with ``?`` and ``{events}``."""
Status = Literal["approve", "refer", "decline", "pending", "reviewed"]
"""Of decisions: what was decided; pending: referred and not reviewed; reviewed: referred and reviewed since."""
REFUSED = "refused"
"""Stands in the place of a decision where a row of a file could not be scored; its verdict says why."""
CHUNK = 500
_COLUMNS = ", ".join(COLUMNS)
_REVIEWED = "EXISTS (SELECT 1 FROM {events} r WHERE r.subject = e.id AND r.kind = 'review')"
_WHERE: dict[Status | None, str] = {
    None: "",
    "approve": " AND status = 'approve'",
    "refer": " AND status = 'refer'",
    "decline": " AND status = 'decline'",
    "pending": f" AND status = 'refer' AND purpose = 'decision' AND NOT {_REVIEWED}",
    "reviewed": f" AND status = 'refer' AND {_REVIEWED}",
}


class Found(NamedTuple):
    """A decision and what was said about it since, oldest first."""

    decision: Event
    about: list[Event]
    complete: bool
    """False where PostgreSQL is away: reviews and outcomes recorded on other machines may be missing."""


class Page(NamedTuple):
    """Decisions, newest first, each with its last review; and from where the next page goes on."""

    decisions: list[tuple[Event, Event | None]]
    cursor: str | None
    complete: bool


class Records:
    """Look-ups over all places where a record may lie.

    Args:
        settings: the service's.
        path: the machine's own log.
    """

    def __init__(self, settings: ServiceSettings, path: Path) -> None:
        self._settings, self._path = settings, path

    def many(self, ids: Sequence[str]) -> dict[str, Event]:
        """Decisions by their ids; those that are nowhere are left out.

        Raises:
            Problem: 503 where one may be in PostgreSQL, which is away.
        """
        ids = [one for one in ids if is_identifier(one.partition(".")[0])]
        found = self._in_files([one for one in ids if "." in one])
        missing = [one for one in ids if "." not in one]
        for place in self._places() if missing else []:
            with place() as run:
                found |= {event.id: event for event in _select(run, "kind = 'decision' AND id IN", missing)}
            if not (missing := [one for one in missing if one not in found]):
                break
        if found and self._settings.audit == "postgres":
            # Who was erased there is not to be named in it again by what is said of a decision that lies here still;
            # this machine's own log is erased last, with all that was said in it by then.
            with _connected(self._settings.database_url) as connection:
                return _without_erased(connection, found)
        return found

    def looked_up(self, ids: Sequence[str]) -> tuple[dict[str, Event], int]:
        """Decisions as ``many`` gives them, and a number for the erasures that the log knew of before.

        Raises:
            Problem: 503 where a database is away.
        """
        if self._settings.audit == "postgres":
            with _connected(self._settings.database_url) as connection:
                (erasures,) = connection.execute(asked.ERASURES).fetchone() or (0,)
        elif self._path.exists():
            with _here(self._path) as run:
                ((erasures,),) = run("SELECT count(*) FROM erased", ())
        else:
            erasures = 0
        return self.many(ids), erasures

    def one(self, name: str) -> Found | None:
        """A decision with all that was said about it; None where there is none.

        Raises:
            Problem: 503 where it may be in PostgreSQL, which is away.
        """
        decision = self.many([name]).get(name)
        if decision is None:
            return None
        about, complete = self._everywhere(lambda run: _select(run, "subject IN", [name]))
        return Found(decision, sorted({event.id: event for event in about}.values()), complete)

    def file(self, file_id: str) -> list[Event]:
        """What is known of a scored file: that it was begun, and ended where it came to its end."""
        begun, _ = self._everywhere(lambda run: _select(run, "kind = 'file' AND id IN", [file_id]))
        said, _ = self._everywhere(lambda run: _select(run, "kind = 'file' AND subject IN", [file_id]))
        return sorted({event.id: event for event in (*begun, *said)}.values())

    def page(self, low: str, high: str, status: Status | None, limit: int) -> Page:
        """The newest decisions with identifiers from ``low`` and below ``high``."""
        where = f"kind = 'decision' AND id >= ? AND id < ?{_WHERE[status]} ORDER BY id DESC LIMIT ?"
        query = f"SELECT {_COLUMNS} FROM {{events}} e WHERE {where}"
        rows, complete = self._everywhere(lambda run: [Event(*row) for row in run(query, (low, high, limit + 1))])
        events = sorted({event.id: event for event in rows}.values(), reverse=True)
        more, events = len(events) > limit, events[:limit]
        last = events[-1].id if more else None
        names = [event.id for event in events]
        reviews, _ = self._everywhere(lambda run: _select(run, "kind = 'review' AND subject IN", names))
        latest = {str(review.subject): review for review in sorted(reviews)}
        pairs = [(event, latest.get(event.id)) for event in events]
        if status == "pending":  # one place may not know what another one does
            pairs = [pair for pair in pairs if pair[1] is None]
        return Page(pairs, last, complete)

    def _places(self) -> list[Callable[[], AbstractContextManager[Run]]]:
        places: list[Callable[[], AbstractContextManager[Run]]] = []
        if self._path.exists():
            places.append(lambda: _here(self._path))
        if self._settings.database_url:
            places.append(lambda: _there(self._settings.database_url))
        return places

    def _everywhere(self, ask: Callable[[Run], list[Event]]) -> tuple[list[Event], bool]:
        found: list[Event] = []
        complete = True
        for place in self._places():
            try:
                with place() as run:
                    found += ask(run)
            except Problem:
                if self._settings.audit == "postgres":
                    raise
                complete = False
        return found, complete

    def _in_files(self, names: Sequence[str]) -> dict[str, Event]:
        """Rows of scored files: of those on this disk first, so that they are found while PostgreSQL is away."""
        rows: dict[str, dict[str, Any]] = {}
        if names and (self._settings.state / "files").is_dir():
            from creditrisk.service.files import chunks as filerecords

            rows = filerecords.find(self._settings.state, names)
        found = {name: _of_file(name, row) for name, row in rows.items()}
        if self._settings.database_url and (missing := [name for name in names if name not in found]):
            from creditrisk.service.files import postgres as filechunks

            with _connected(self._settings.database_url) as connection:
                there = filechunks.find(connection, missing)
                found |= _without_erased(connection, {name: _of_file(name, row) for name, row in there.items()})
        return found


def _without_erased(connection: Connection[tuple[Any, ...]], found: dict[str, Event]) -> dict[str, Event]:
    """Decisions but those of applicants whose erasure was asked for: it takes its time to come to all places."""
    erasures = asked.asked_for(connection) if found else []
    return {
        name: event
        for name, event in found.items()
        if not any(event.at <= one.at and one.concerns(event.applicant_id) for one in erasures)
    }


def _of_file(name: str, row: dict[str, Any]) -> Event:
    """A scored file's row in the form of a single application's record."""
    given = {key.removeprefix("field:"): value for key, value in row.items() if key.startswith("field:")}
    said = {key.removeprefix("answer:"): value for key, value in row.items() if key.startswith("answer:")}
    reasons = [
        {"characteristic": said.get(f"characteristic_{number}"), "text": text}
        for number in range(1, 5)
        if (text := said.get(f"reason_{number}"))
    ]
    answer = {key: said.get(key) for key in ("pd", "score", "band", "decision", "verdict")} | {"reasons": reasons}
    answer["application_date"] = row.get("_day")
    request = msgspec.json.encode({"application": given})
    status, applicant = said.get("decision") or REFUSED, row["_applicant_id"]
    fixed = (row["_at"], row["_key_id"], applicant, status, row["_purpose"], row["_version"])
    return Event(name, "decision", None, *fixed, request, msgspec.json.encode(answer))


def _select(run: Run, condition: str, ids: Sequence[str]) -> list[Event]:
    found: list[Event] = []
    for start in range(0, len(ids), CHUNK):
        part = ids[start : start + CHUNK]
        marks = ", ".join("?" * len(part))
        found += [Event(*row) for row in run(f"SELECT {_COLUMNS} FROM {{events}} WHERE {condition} ({marks})", part)]
    return found


@contextmanager
def _here(path: Path) -> Iterator[Run]:
    try:
        connection = connect(path, read_only=True)
    except ServiceError as error:
        raise _away() from error
    try:
        yield lambda query, values: connection.execute(query.format(events="events"), values).fetchall()
    except sqlite3.Error as error:
        raise _away() from error
    finally:
        connection.close()


@contextmanager
def _there(url: str | None) -> Iterator[Run]:
    with _connected(url) as connection:

        def run(query: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
            plain = query.format(events=f"{database.SCHEMA}.events").replace("?", "%s")
            return connection.execute(plain.encode(), values).fetchall()

        yield run


@contextmanager
def _connected(url: str | None) -> Iterator[Connection[tuple[Any, ...]]]:
    try:
        with database.connect(url) as connection:
            yield connection
    except ServiceError as error:
        raise _away() from error
    except database.driver().Error as error:
        raise _away() from error


def _away() -> Problem:
    detail = "The record may lie in a database that does not answer; try again later."
    return Problem(503, "records-away", detail, headers={"Retry-After": "10"})
