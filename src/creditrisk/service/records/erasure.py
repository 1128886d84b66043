"""Forget an applicant: every record of theirs, wherever it lies. What remains says that one was erased, not who."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from creditrisk.errors import ServiceError
from creditrisk.service.files.uploads import worked_on
from creditrisk.service.identifiers import Identifiers, is_identifier, lowest, made_at
from creditrisk.service.log.sqlite import Writer, connect, locked
from creditrisk.service.postgres.asked import Asked, asked_for, digest_of
from creditrisk.service.postgres.database import SCHEMA, driver, node, sentence, text
from creditrisk.service.postgres.database import connect as connect_postgres
from creditrisk.service.processes.leftovers import inside, remove_leftovers
from creditrisk.service.processes.locks import LONG_SECONDS
from creditrisk.service.record import Event, Group
from creditrisk.service.records import local
from creditrisk.service.records.erasing import Erased
from creditrisk.service.records.traces import forms, telling

if TYPE_CHECKING:
    from psycopg import Connection

    from creditrisk.service.settings import ServiceSettings

NAME = "decisions.db"
_NOT_SAID = "The applicant was erased, but that it was done could not be written down"
_THEIRS_HERE = "SELECT id, kind FROM events WHERE applicant_id = ? AND (at <= ? OR subject < ?)"
"""What was said of a decision goes with it, also where it was said after the erasure was asked for."""
_LOCK = f"LOCK TABLE {SCHEMA}.events IN SHARE ROW EXCLUSIVE MODE".encode()
_THEIRS = f"SELECT id, kind FROM {SCHEMA}.events WHERE applicant_id = %s AND (at <= %s OR subject < %s)".encode()
_ABOUT = f"SELECT id FROM {SCHEMA}.events WHERE subject = ANY(%s)".encode()
_KEYS = f"""DELETE FROM {SCHEMA}.idempotency i USING {SCHEMA}.idempotency_events l
WHERE l.id = ANY(%s) AND i.key_id = l.key_id AND i.key = l.key""".encode()
_NEWEST = f"""SELECT greatest((SELECT max(id) FROM {SCHEMA}.events),
(SELECT max(file_id) FROM {SCHEMA}.file_chunks))""".encode()
_REMEMBER = f"INSERT INTO {SCHEMA}.erasures VALUES (%s, %s, %s, %s)".encode()


def erase(settings: ServiceSettings, applicant_id: str, who: str, key_id: str | None = None) -> Erased:
    """Erase an applicant in PostgreSQL, in this machine's log and in its scored files; write down that it was done.

    Other machines erase their own logs before they copy anything further. It may be repeated. An id with blanks around
    it stands without them in scored files' records, so that both are erased, each as an erasure of its own.

    Raises:
        ServiceError: the erasure is not complete and must be repeated.
    """
    if not applicant_id:
        raise ServiceError("No applicant is named.")
    done = _erase(settings, applicant_id, who, key_id)
    if (plain := applicant_id.strip()) not in ("", applicant_id):
        bare = _erase(settings, plain, who, key_id)
        added = {name: getattr(done, name) + getattr(bare, name) for name in ("decisions", "others", "file_rows")}
        done = msgspec.structs.replace(done, **added)
    return done


def was_copied(settings: ServiceSettings) -> bool:
    """Whether records of this machine's log were ever copied to PostgreSQL."""
    path = settings.state / NAME
    if not path.exists():
        return False
    with local.opened(path) as connection:
        return local.cursor(connection) > 0


def _erase(settings: ServiceSettings, applicant_id: str, who: str, key_id: str | None) -> Erased:
    now = time.time_ns()
    name, at, path = Identifiers().make(now), now // 1_000, settings.state / NAME
    until = _or_newest(at, _newest_here(settings.state, path))
    theirs: set[str] = set()
    others: set[str] = set()
    rows = 0
    if settings.database_url:
        salt = os.urandom(16)
        asked = Asked(name, at, salt, digest_of(salt, applicant_id))
        rows = _erase_remotely(settings.database_url, applicant_id, asked, theirs, others)
    try:
        # Files come first: of a row that is found after the log was dealt with, more could be said in the log.
        rows += erase_from_files(settings.state, lambda one: one == applicant_id, until)
    finally:
        if path.exists() or settings.audit == "sqlite":
            with local.opened(path) as connection:
                _erase_here(connection, path, lambda: [applicant_id], until, name, theirs, others)
    done = Erased(name, len(theirs - others), len(others), rows)
    said = msgspec.json.encode({"who": who, "node": node()})
    _write_down(
        settings,
        Event(name, "erasure", None, at, key_id, None, "done", "decision", "", said, msgspec.json.encode(done)),
    )
    return done


def waiting(connection: Connection[tuple[Any, ...]], done: set[str]) -> list[Asked]:
    """Erasures asked for anywhere that were not carried out here."""
    return [asked for asked in asked_for(connection) if asked.id not in done]


def carried_out(connection: sqlite3.Connection) -> set[str]:
    """Erasures that were carried out in this machine's log."""
    return {row[0] for row in connection.execute("SELECT id FROM erased")}


def carry_out(connection: sqlite3.Connection, path: Path, asked: Asked) -> None:
    """Erase in this machine's log and files whom another machine was asked to erase."""
    erase_from_files(path.parent, asked.concerns, asked.at)  # first: what is not complete is asked for again
    query = "SELECT DISTINCT applicant_id FROM events"
    last = connection.execute("SELECT coalesce(max(seq), 0) FROM events").fetchone()[0]
    named = {row[0] for row in connection.execute(query) if asked.concerns(row[0])}  # while the workers write on

    def concerned() -> list[str]:
        """Whoever was named first since then is among them, such as by an outcome of a file's row."""
        late = connection.execute(f"{query} WHERE seq > ?", (last,))
        return sorted(named | {row[0] for row in late if asked.concerns(row[0])})

    _erase_here(connection, path, concerned, asked.at, asked.id, set(), set())


def _or_newest(at: int, identifier: str | None) -> int:
    """A time, or the newest record's where it is later: the clock was put back, and what is there goes all the same."""
    return at if identifier is None else max(at, made_at(identifier) * 1_000 + 999)


def _newest_here(state: Path, path: Path) -> str | None:
    names = [one.name for folder in ("files", "uploads") for one in inside(state / folder) if is_identifier(one.name)]
    if path.exists():
        with local.opened(path) as connection:
            names += [name for (name,) in connection.execute("SELECT max(id) FROM events") if name]
    return max(names, default=None)


def _first_after(at: int) -> str:
    """The lowest identifier that is made after a time."""
    return lowest(at // 1_000 + 1)


def _beside(found: Sequence[tuple[Any, ...]], about: Sequence[str]) -> list[str]:
    """What is no decision, but said of one: about any that was found, or found itself."""
    return sorted({*about, *(name for name, kind in found if kind != "decision")})


def _erase_here(
    connection: sqlite3.Connection,
    path: Path,
    concerned: Callable[[], Sequence[str]],
    at: int,
    erasure: str,
    theirs: set[str],
    others: set[str],
) -> None:
    """Erase here whom ``concerned`` names, which is asked while nobody writes."""
    with local.transaction(connection, path):
        applicants = concerned()
        found = [row for one in applicants for row in connection.execute(_THEIRS_HERE, (one, at, _first_after(at)))]
        ids = [name for name, _ in found]
        beside = _beside(found, local.about(connection, ids))
        keys = local.remove(connection, [*ids, *beside])
        connection.execute("INSERT OR IGNORE INTO erased VALUES (?)", (erasure,))
    theirs.update(ids)
    others.update(beside)
    if applicants:
        # A short key goes unsearched: its row names a decision or a file too, whose id is looked for.
        named = [form for one in applicants for form in forms(one)] + [key for key in keys if telling(key)]
        local.scrub(connection, path, [*named, *ids, *beside])


def _erase_remotely(url: str, applicant_id: str, asked: Asked, theirs: set[str], others: set[str]) -> int:
    """Returns how many rows of scored files were removed."""
    error_of_driver = driver().Error
    so_far = "Nothing was erased"
    try:
        from creditrisk.service.files import postgres as filechunks
        from creditrisk.service.postgres.migrate import opened

        with opened(url) as connection:
            (newest,) = connection.execute(_NEWEST).fetchone() or (None,)
            until = _or_newest(asked.at, newest)
            with connection.transaction():
                connection.execute(_LOCK)  # nobody is in the middle of writing; whoever comes later reads ``erasures``
                whom = (text(applicant_id), until, _first_after(until))
                found = connection.execute(_THEIRS, whom).fetchall()
                ids = [row[0] for row in found]
                beside = _beside(found, [row[0] for row in connection.execute(_ABOUT, (ids,))])
                remove_remotely(connection, [*ids, *beside])
                connection.execute(_REMEMBER, (asked.id, asked.at, asked.salt, asked.digest))
            # Reading all files' chunks takes long, and all scoring would wait for the lock; here it is held no more.
            # No chunk is missed: whoever was writing one when the lock was asked for had committed it before it was
            # granted, so it is found now; whoever writes one later reads ``erasures`` first and leaves the rows out.
            # Where this ends early, the caller hears it and repeats it; the rest of the chunks is found then.
            so_far = "The applicant was not erased from all files"
            rows = filechunks.erase(connection, text(applicant_id) or "", _first_after(until))
    except error_of_driver as error:
        raise ServiceError(
            f"{so_far}: PostgreSQL says: {sentence(error, url)}. Repeat it when the database answers."
        ) from None
    theirs.update(ids)
    others.update(beside)
    return rows


def remove_remotely(connection: Connection[tuple[Any, ...]], ids: list[str]) -> None:
    """Remove events and everything kept beside them in PostgreSQL, within a transaction."""
    connection.execute(_KEYS, (ids,))
    for table in ("idempotency_events", "protected", "events"):
        connection.execute(f"DELETE FROM {SCHEMA}.{table} WHERE id = ANY(%s)".encode(), (ids,))


def _write_down(settings: ServiceSettings, tombstone: Event) -> None:
    path = settings.state / NAME
    if settings.audit == "postgres":
        from creditrisk.service.postgres.insert import insert_events

        try:
            with connect_postgres(settings.database_url) as connection:
                insert_events(connection, [tombstone], node(), [None], unless_there=True)
        except driver().Error as error:
            raise ServiceError(f"{_NOT_SAID}: {sentence(error, settings.database_url)}. Repeat it.") from None
        return
    with closing(Writer(connect(path), path)) as writer:
        try:
            (result,) = writer.write([Group([tombstone], None, lambda _: None)])
        except TimeoutError as error:
            result = error
    if isinstance(result, Exception):
        raise ServiceError(f"{_NOT_SAID}: {result}. Repeat it.")


def erase_from_files(state: Path, concerns: Callable[[str], bool], at: int) -> int:
    """Take applicants' rows out of the scored files' records up to a time; returns how many there were.

    Raises:
        ServiceError: a chunk cannot be read or written, or a file is still being scored, whose next chunks may name the
            applicant; the others are done already.
    """
    until = _first_after(at)
    try:
        remove_leftovers(state)
    except OSError as error:
        raise ServiceError(f"{state}: what a killed process left cannot be removed: {error}. Repeat it.") from None
    waited_for = worked_on(state, until)
    erased = _erase_from_chunks(state, concerns, until) if (state / "files").is_dir() else 0
    if waited_for:
        raise ServiceError(
            f"The file {waited_for[0]} is still being scored and may name the applicant; all else is erased. "
            "Repeat it when the file has come to its end."
        )
    return erased


def _erase_from_chunks(state: Path, concerns: Callable[[str], bool], until: str) -> int:
    from polars.exceptions import PolarsError

    from creditrisk.service.files.chunks import applicants, erase_applicant

    try:
        with locked(state / "files", LONG_SECONDS):  # two at once would write back what the other took out
            return sum(erase_applicant(state, one, until) for one in applicants(state, until) if concerns(one))
    except (PolarsError, OSError) as error:
        said = " ".join(str(error).split())[:200]
        raise ServiceError(
            f"{state / 'files'}: a file's record cannot be read or written: {said}. Repeat it."
        ) from None
