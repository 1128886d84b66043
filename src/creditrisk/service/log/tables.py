"""The tables of the decision log in SQLite: made where they are not there, refused where they are of another form."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from creditrisk.errors import ServiceError

VERSION = 1
"""Of the tables' form, kept as SQLite's ``user_version``; 0 stands in logs that were made before it was kept."""
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
_COLUMNS = """SELECT t.name, c.name FROM sqlite_master t, pragma_table_info(t.name) c
WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%' ORDER BY t.name, c.cid"""
_REMEDY = "Move it away, with its -wal and -shm files, and the service begins a new one"


def prepare(connection: sqlite3.Connection, path: Path) -> None:
    """See that the log has the tables that this version writes; its lock must be held.

    Raises:
        ServiceError: they are of another form, so that no record could be written.
    """
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > VERSION:
        raise ServiceError(
            f"decision log {path}: its tables have the form {version}, and this version of the service knows {VERSION} "
            f"at most. Start the newer version that made it. {_REMEDY}."
        )
    with closing(sqlite3.connect(":memory:")) as model:
        model.executescript(SCHEMA)
        wanted = _columns(model)
    found = _columns(connection)
    for table, columns in wanted.items():
        if table in found and found[table] != columns:
            raise ServiceError(
                f"decision log {path}: its table {table} has the columns {', '.join(found[table])}, expected were "
                f"{', '.join(columns)}: another version of the service made it. Start that version. {_REMEDY}."
            )
    named = f"PRAGMA user_version={VERSION};" if version != VERSION else ""
    connection.executescript(f"BEGIN; {SCHEMA} {named} COMMIT;")  # one sync and not one for each table, on a slow disk


def _columns(connection: sqlite3.Connection) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for table, column in connection.execute(_COLUMNS):
        found.setdefault(table, []).append(column)
    return found
