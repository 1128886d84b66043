from __future__ import annotations

import fcntl
import time
from pathlib import Path

import pytest
from service.events import NOW_MS, event, fill, local_rows, remote_rows, repeat, said_of

from creditrisk.errors import ServiceError
from creditrisk.service.identifiers import lowest
from creditrisk.service.log.sqlite import Writer, connect
from creditrisk.service.record import Group, Stored
from creditrisk.service.records import local
from creditrisk.service.records.forward import Forwarder
from creditrisk.service.records.retention import DAY_MS, oldest, prune_database, prune_here

IDS = "SELECT id FROM {}events ORDER BY id"


def test_the_oldest_that_is_kept_is_so_many_days_old() -> None:
    assert oldest(3, NOW_MS) == lowest(NOW_MS - 3 * DAY_MS)


def test_old_rows_go_with_what_lies_beside_them_and_erasures_stay_written(tmp_path: Path) -> None:
    path = tmp_path / "decisions.db"
    old = [event(n, protected=b"{}") for n in range(1_100)]
    new = event(5_000)
    about_old, about_new = said_of(old[0], "outcome", "bad", 6_000), said_of(new, "outcome", "good", 6_001)
    tombstone = event(1)._replace(kind="erasure")
    groups = [([one], repeat(one.id)) for one in old]
    fill(path, [*groups, *(([one], None) for one in (tombstone, new, about_old, about_new))])
    assert prune_here(tmp_path, path, lowest(NOW_MS + 4_000), copied_only=False).here == 1_101
    assert local_rows(path, IDS.format("")) == [(one.id,) for one in (tombstone, new, about_new)]
    for table in ("protected", "idempotency", "idempotency_events"):
        assert local_rows(path, f"SELECT * FROM {table}") == []


def test_old_rows_leave_the_write_ahead_log_of_workers_that_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "decisions.db"
    open_elsewhere = connect(path)
    old = event(1, applicant="Wilhelmine-4711", protected=b'{"sex":"weiblich"}')
    fill(path, [([old], repeat("key-of-old"))])
    files = [path, path.with_name("decisions.db-wal")]
    marks = (b"Wilhelmine-4711", b"weiblich", b"key-of-old")
    assert any(mark in file.read_bytes() for mark in marks for file in files)
    prune_here(tmp_path, path, lowest(NOW_MS + 4_000), copied_only=False)
    assert not any(mark in file.read_bytes() for mark in marks for file in files)
    open_elsewhere.execute("SELECT 1 FROM events").fetchall()
    open_elsewhere.execute("BEGIN")
    open_elsewhere.execute("SELECT 1 FROM events").fetchall()
    fill(path, [([event(2)], None)])
    monkeypatch.setattr(local, "PAUSE_SECONDS", 0.0)
    with pytest.raises(ServiceError, match="is being read"):
        prune_here(tmp_path, path, lowest(NOW_MS + 4_000), copied_only=False)
    open_elsewhere.close()


def test_workers_write_on_while_those_who_read_are_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, written = tmp_path / "decisions.db", list[Stored]()
    fill(path, [([event(1)], None)])
    reader, writer = connect(path), Writer(connect(path), path)
    reader.execute("BEGIN")
    reader.execute("SELECT 1 FROM events").fetchall()
    writer.write([Group([event(10_000)], None, lambda _: None)])

    def meanwhile(seconds: float) -> None:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(lock, fcntl.LOCK_UN)
        written.extend(writer.write([Group([event(20_000)], None, lambda _: None)]))
        reader.execute("COMMIT")

    monkeypatch.setattr(time, "sleep", meanwhile)
    with path.with_name("decisions.db.lock").open("ab") as lock:
        assert prune_here(tmp_path, path, lowest(NOW_MS + 4_000), copied_only=False).here == 1
    assert written == [None]
    assert not path.with_name("decisions.db-wal").stat().st_size
    reader.close()
    writer.close()


def test_what_was_not_copied_yet_stays(tmp_path: Path) -> None:
    path = tmp_path / "decisions.db"
    events = [event(n) for n in range(10)]
    fill(path, [([one], None) for one in events])
    with local.opened(path) as log:
        local.advance(log, path, 6)
    assert prune_here(tmp_path, path, lowest(NOW_MS + 4_000), copied_only=True).here == 6
    assert local_rows(path, IDS.format("")) == [(one.id,) for one in events[6:]]


def test_a_scored_files_records_go_as_a_whole(tmp_path: Path) -> None:
    for number in (1, 5_000):
        (tmp_path / "files" / event(number).id).mkdir(parents=True)
    assert prune_here(tmp_path, tmp_path / "decisions.db", lowest(NOW_MS + 4_000), False) == (0, 1)
    assert len(list((tmp_path / "files").iterdir())) == 1


@pytest.mark.slow
def test_old_rows_go_in_postgresql_too(tmp_path: Path, database: str) -> None:
    path = tmp_path / "decisions.db"
    old, new = event(1, protected=b"{}"), event(5_000)
    about = said_of(old, "review", "approve", 6_000)
    fill(path, [([old], repeat("k")), ([new], None), ([about], None)])
    with local.opened(path) as log:
        forwarder = Forwarder(path, database)
        assert forwarder.step(log) == 3
        forwarder.close()
    assert prune_database(database, lowest(NOW_MS + 4_000)) == 2
    assert remote_rows(database, IDS.format("creditrisk.")) == [(new.id,)]
    assert remote_rows(database, "SELECT * FROM creditrisk.protected") == []
    assert remote_rows(database, "SELECT * FROM creditrisk.idempotency") == []
