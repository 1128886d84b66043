import sqlite3
from pathlib import Path

import pytest

from creditrisk.errors import ServiceError
from creditrisk.service.log.sqlite import connect
from creditrisk.service.log.tables import SCHEMA, VERSION


def made(path: Path, *statements: str) -> None:
    """A log as some version of the service made it."""
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in statements:
        connection.executescript(statement)
    connection.close()


def version_of(path: Path) -> int:
    connection = connect(path)
    try:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])
    finally:
        connection.close()


def test_a_new_log_says_its_form(tmp_path: Path) -> None:
    assert version_of(tmp_path / "log.db") == VERSION


def test_a_log_with_the_right_columns_is_taken_as_it_is_and_says_its_form_from_now_on(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    made(path, SCHEMA, "INSERT INTO erased VALUES ('kept'); DROP TABLE forwarded")
    assert version_of(path) == VERSION
    connection = connect(path)
    assert connection.execute("SELECT id FROM erased").fetchall() == [("kept",)]
    assert connection.execute("SELECT * FROM forwarded").fetchall() == []
    connection.close()


@pytest.mark.parametrize("change", ["DROP COLUMN purpose", "ADD COLUMN mood TEXT", "RENAME COLUMN at TO moment"])
def test_a_log_with_other_columns_is_refused_and_stays_as_it_is(tmp_path: Path, change: str) -> None:
    path = tmp_path / "log.db"
    made(path, SCHEMA, f"ALTER TABLE events {change}")
    with pytest.raises(
        ServiceError, match=r"log\.db: its table events has the columns seq, .* Move it away"
    ) as refused:
        connect(path)
    assert "expected were seq, id, kind, subject, at," in str(refused.value)
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA user_version").fetchone() == (0,)
    connection.close()


def test_a_log_of_a_later_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    made(path, SCHEMA, f"PRAGMA user_version={VERSION + 1}")
    with pytest.raises(ServiceError, match=rf"the form {VERSION + 1}.*knows {VERSION} at most"):
        connect(path)
