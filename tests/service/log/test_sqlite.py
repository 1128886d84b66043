import os
import sqlite3
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from creditrisk.errors import ServiceError
from creditrisk.service.identifiers import Identifiers
from creditrisk.service.log.sqlite import Writer, connect, locked
from creditrisk.service.record import Conflict, Earlier, Event, Group, Idempotency, Outdated, Stored
from creditrisk.service.records import local

MAKE = Identifiers()


def event(number: int, protected: bytes | None = None, applicant: str = "A") -> Event:
    name = MAKE.make(1_700_000_000_000_000_000 + number)
    return Event(name, "decision", None, number, None, applicant, "approve", "decision", "1@d", b"{}", b"{}", protected)


def repeat(key: str, digest: bytes, answer: bytes) -> Idempotency:
    return Idempotency("key", key, digest, answer, 1)


def written(
    path: Path, groups: Sequence[tuple[Sequence[Event], Idempotency | None]], again: bool = False
) -> list[Stored]:
    writer = Writer(connect(path), path)
    try:
        return writer.write([Group(events, repeated, lambda _: None) for events, repeated in groups], again)
    finally:
        writer.close()


def rows(path: Path, query: str = "SELECT id FROM events ORDER BY seq") -> list[tuple[object, ...]]:
    connection = connect(path, read_only=True)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def test_every_event_is_in_the_file_in_order_when_the_log_is_closed(tmp_path: Path) -> None:
    events = [event(number) for number in range(2_000)]
    results = written(tmp_path / "log.db", [([one], None) for one in events])
    assert results == [None] * 2_000
    assert rows(tmp_path / "log.db") == [(one.id,) for one in events]


def test_what_is_said_of_a_decision_is_not_written_when_somebody_was_erased_since(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    writer = Writer(connect(path), path)
    one, early, late = event(1), event(2), event(3)._replace(kind="outcome")
    item = repeat("k", b"x", b"first")

    def nobody(result: Stored) -> None:
        del result

    assert writer.write([Group([one], None, nobody), Group([early], None, nobody, 0)]) == [None, None]
    with local.opened(path) as connection:
        connection.execute("INSERT INTO erased VALUES ('another')")
    batch = [Group([late], item, nobody, 0), Group([event(4)], None, nobody)]
    assert writer.write(batch) == [Outdated(), None]
    assert writer.write(batch[:1], again=True) == [Outdated()]
    assert writer.write([Group([late], item, nobody, 1)]) == [None]
    writer.close()
    assert (late.id,) in rows(path)


def test_a_shadows_score_is_not_written_where_its_decision_is_gone(tmp_path: Path) -> None:
    one = event(1)
    shadows = [event(2)._replace(kind="shadow", subject=subject) for subject in (one.id, event(9).id)]
    groups = [([found], None) for found in (one, *shadows)]
    assert written(tmp_path / "log.db", groups[:1]) == [None]
    assert written(tmp_path / "log.db", groups[1:]) == [None, Outdated()]
    assert rows(tmp_path / "log.db") == [(one.id,), (shadows[0].id,)]


def test_protected_attributes_lie_in_a_table_of_their_own(tmp_path: Path) -> None:
    one = event(1, protected=b'{"sex":"f"}')
    written(tmp_path / "log.db", [([one], None)])
    assert rows(tmp_path / "log.db", "SELECT * FROM protected") == [(one.id, b'{"sex":"f"}')]


def test_a_repeated_request_gets_the_first_answer_and_leaves_no_second_record(tmp_path: Path) -> None:
    first, second = event(1), event(2)
    groups = [([first], repeat("k", b"x", b"first")), ([second], repeat("k", b"x", b"second"))]
    assert written(tmp_path / "log.db", groups) == [None, Earlier(b"first")]
    again = written(tmp_path / "log.db", [([second], repeat("k", b"x", b"third"))])
    assert again == [Earlier(b"first")]
    assert rows(tmp_path / "log.db") == [(first.id,)]


def test_the_same_key_for_another_body_is_a_conflict(tmp_path: Path) -> None:
    groups = [([event(1)], repeat("k", b"x", b"first")), ([event(2)], repeat("k", b"y", b"second"))]
    assert written(tmp_path / "log.db", groups) == [None, Conflict()]


def test_one_that_cannot_be_written_does_not_take_the_others_with_it(tmp_path: Path) -> None:
    twice = event(1)
    results = written(tmp_path / "log.db", [([twice], None), ([twice], None), ([event(2)], None)])
    assert results[0] is None
    assert isinstance(results[1], sqlite3.IntegrityError)
    assert results[2] is None
    assert len(rows(tmp_path / "log.db")) == 2


def test_what_was_written_before_stays_and_the_rest_is_added(tmp_path: Path) -> None:
    path, one, both, new, other = tmp_path / "log.db", event(1), [event(2), event(3)], event(4), event(5)
    kept, twice = repeat("k", b"x", b"mine"), repeat("l", b"x", b"another's")
    assert written(path, [([one], None), (both, kept), ([other], twice)]) == [None] * 3
    groups = [([new], None), (both, kept), ([event(6)], twice), ([one], None)]
    assert written(path, groups, again=True) == [None, None, Earlier(b"another's"), None]
    assert rows(path) == [(found.id,) for found in (one, *both, other, new)]


def test_one_that_cannot_be_written_again_does_not_take_the_others_with_it(tmp_path: Path) -> None:
    path, one, new = tmp_path / "log.db", event(1), event(3)
    bad = event(2)._replace(kind=None)  # type: ignore[arg-type]
    assert written(path, [([one], None)]) == [None]
    results = written(path, [([one], None), ([bad], None), ([new], None)], again=True)
    assert (results[0], type(results[1]), results[2]) == (None, sqlite3.IntegrityError, None)
    assert rows(path) == [(one.id,), (new.id,)]


def test_the_write_ahead_log_is_synced_at_each_commit(tmp_path: Path) -> None:
    connection = connect(tmp_path / "log.db")
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
    connection.close()


def test_what_a_killed_process_left_in_the_write_ahead_log_is_synced_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, one, fsync = tmp_path / "log.db", event(1), os.fsync
    synced: list[os.stat_result] = []

    def noted(handle: int) -> None:
        synced.append(os.fstat(handle))
        fsync(handle)

    writer = Writer(connect(path), path)
    assert writer.write([Group([one], None, lambda _: None)]) == [None]  # and is not closed: the log stays as it is
    monkeypatch.setattr("creditrisk.service.log.sqlite.os.fsync", noted)
    again = Writer(connect(path), path)
    log = path.with_name("log.db-wal").stat()
    assert log.st_size > 0
    assert any(os.path.samestat(found, log) for found in synced)
    assert again.write([Group([one], None, lambda _: None)], again=True) == [None]
    again.close()
    writer.close()


def test_two_workers_write_one_log(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    writers = [Writer(connect(path), path) for _ in range(2)]
    results = [writers[n % 2].write([Group([event(n)], None, lambda _: None)]) for n in range(20)]
    for writer in writers:
        writer.close()
    assert results == [[None]] * 20
    assert len(rows(path)) == 20


@pytest.mark.parametrize("content", [b"no database at all" * 100])
def test_a_file_that_is_no_database_is_said(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "log.db").write_bytes(content)
    with pytest.raises(ServiceError, match=r"log\.db: cannot be opened"):
        connect(tmp_path / "log.db")


@pytest.mark.parametrize("name", ["a#b", "a?mode=rwc&x=b", "a%41b", "a b", "ü"])
def test_a_folder_may_have_any_name(tmp_path: Path, name: str) -> None:
    path, one = tmp_path / name / "log.db", event(1)
    assert written(path, [([one], None)]) == [None]
    assert rows(path) == [(one.id,)]
    assert [found.name for found in tmp_path.iterdir()] == [name]


def test_who_only_reads_makes_no_log(tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match="cannot be opened"):
        connect(tmp_path / "log?.db", read_only=True)
    assert not list(tmp_path.iterdir())


def test_a_log_that_another_process_holds_is_waited_for_only_so_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "log.db"
    connect(path).close()
    monkeypatch.setattr("creditrisk.service.processes.locks.LOCK_SECONDS", 0.1)
    said = r"another process holds its lock, log\.db\.lock.*fuser"
    with locked(path), ThreadPoolExecutor(1) as elsewhere:
        with pytest.raises(ServiceError, match=said):
            connect(path)
        with pytest.raises(ServiceError, match=said):
            elsewhere.submit(connect, path).result()
    connect(path).close()
