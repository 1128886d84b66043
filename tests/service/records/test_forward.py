from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from postgres import Postgres
from service.events import event, fill, local_rows, remote_rows, repeat, until

from creditrisk.service.log.sqlite import Writer, connect
from creditrisk.service.record import Group
from creditrisk.service.records import local, status
from creditrisk.service.records.erasure import erase
from creditrisk.service.records.forward import Forwarder
from creditrisk.service.records.forwarder import Work
from creditrisk.service.records.keeper import Keeper
from creditrisk.service.settings import ServiceSettings

if TYPE_CHECKING:
    from psycopg import Connection

pytestmark = pytest.mark.slow
COPIED = "SELECT id, seq FROM creditrisk.events ORDER BY seq"
KEPT = "SELECT id, seq FROM events ORDER BY seq"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "decisions.db"


@pytest.fixture
def forwarder(path: Path, database: str) -> Iterator[Forwarder]:
    found = Forwarder(path, database)
    yield found
    found.close()


def test_everything_is_copied_in_order_with_what_lies_beside_it(
    path: Path, database: str, forwarder: Forwarder
) -> None:
    groups = [
        ([event(n, protected=b"{}" if n % 3 == 0 else None)], repeat(f"k{n}") if n % 5 == 0 else None)
        for n in range(1_200)
    ]
    fill(path, groups)
    with local.opened(path) as log:
        steps = []
        while count := forwarder.step(log):
            steps.append(count)
        assert steps == [500, 500, 200]
        assert (local.backlog(log), local.cursor(log)) == (0, 1_200)
    assert remote_rows(database, COPIED) == local_rows(path, KEPT)
    for table, columns in {"protected": "id, attributes", "idempotency": "key_id, key, digest, answer, at"}.items():
        query = f"SELECT {columns} FROM {{}}{table} ORDER BY 1, 2"
        assert remote_rows(database, query.format("creditrisk.")) == local_rows(path, query.format(""))


def test_a_batch_that_comes_a_second_time_changes_nothing(path: Path, database: str, forwarder: Forwarder) -> None:
    fill(path, [([event(n)], None) for n in range(20)])
    with local.opened(path) as log:
        assert forwarder.step(log) == 20
        local.advance(log, path, 5)  # as though the process had died before it wrote down how far it was
        assert forwarder.step(log) == 15
    assert remote_rows(database, COPIED) == local_rows(path, KEPT)


def test_who_is_erased_while_a_batch_waits_to_be_copied_is_not_copied(path: Path, database: str) -> None:
    """The erasure has come to its end everywhere before the batch that was read before it is written."""
    fill(path, [([event(1, "Somebody")], None), ([event(2, "other")], None)])

    class Late(Forwarder):
        erased = False

        def connected(self) -> Connection[tuple[Any, ...]]:
            if not self.erased:
                self.erased = True
                assert erase(settings(path.parent, database), "Somebody", "officer").decisions == 1
            return super().connected()

    with local.opened(path) as log, closing(Late(path, database)) as forwarder:
        while forwarder.step(log):
            pass
    query = "SELECT kind, applicant_id FROM {}events ORDER BY id"
    assert remote_rows(database, query.format("creditrisk.")) == local_rows(path, query.format(""))
    assert remote_rows(database, "SELECT id FROM creditrisk.events WHERE applicant_id = 'Somebody'") == []


def settings(state: Path, url: str | None, days: int | None = None) -> ServiceSettings:
    return ServiceSettings(state=state, database_url=url, retention_days=days)


def test_with_postgresql_stopped_and_started_under_load_each_event_arrives_once(
    path: Path, database: str, postgres: Postgres
) -> None:
    ended = threading.Event()

    def load() -> None:
        writer = Writer(connect(path), path)
        for number in range(100_000):
            assert writer.write([Group([event(number)], None, lambda _: None)]) == [None]
            if ended.wait(0.002):
                break
        writer.close()

    def copied() -> int:
        found = status.read(path.parent)
        return found.seq if found else 0

    def waits() -> bool:
        found = status.read(path.parent)
        return found is not None and found.error is not None and found.backlog > 50

    keeper = Keeper(settings(path.parent, database))
    writers = [threading.Thread(target=load) for _ in range(2)]
    for thread in writers:
        thread.start()
    keeper.start()
    for _ in range(2):
        until(lambda: copied() > 0)
        postgres.stop()
        until(
            lambda: (found := status.read(path.parent)) is not None and found.error is not None and found.backlog > 50
        )
        before = copied()
        postgres.start()
        until(lambda before=before: copied() > before)  # type: ignore[misc]
    ended.set()
    for thread in writers:
        thread.join()
    keeper.stop()  # what waits is copied before the process ends
    assert remote_rows(database, COPIED) == local_rows(path, KEPT)
    found = status.read(path.parent)
    assert found is not None
    assert (found.backlog, found.error, found.since) == (0, None, None)


def test_why_nothing_moves_is_said_without_the_password(tmp_path: Path) -> None:
    fill(tmp_path / "decisions.db", [([event(1)], None)])
    work = Work(settings(tmp_path, "postgresql://lender:geheim@127.0.0.1:1/none"), threading.Event())
    with local.opened(tmp_path / "decisions.db") as log:
        first, second = work.turn(log), work.turn(log)
    found = status.read(tmp_path)
    assert second > first
    assert found is not None
    assert found.backlog == 1
    assert "connection failed" in str(found.error)
    assert "geheim" not in str(found)
    assert found.since is not None


def test_what_is_too_old_is_removed_without_a_database_too(tmp_path: Path) -> None:
    path = tmp_path / "decisions.db"
    fill(path, [([event(1)], None)])
    with local.opened(path) as log:
        Work(settings(tmp_path, None, days=1), threading.Event()).turn(log)
    assert local_rows(path, KEPT) == []


def test_while_somebody_reads_the_log_its_removal_of_old_rows_waits_and_nothing_else_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("creditrisk.service.records.forwarder.AGAIN_SECONDS", 0.0)
    monkeypatch.setattr(local, "PAUSE_SECONDS", 0.0)
    path = tmp_path / "decisions.db"
    fill(path, [([event(1)], None)])
    reader = connect(path)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM events").fetchall()
    work = Work(settings(tmp_path, None, days=1), threading.Event())
    wal = path.with_name("decisions.db-wal")
    with local.opened(path) as log:
        work.turn(log)
        found = status.read(tmp_path)
        assert found is not None
        assert found.error is None
        assert wal.stat().st_size
        reader.close()
        work.turn(log)
        assert not wal.stat().st_size
    assert local_rows(path, KEPT) == []


WORKER = """
import sys, time
from pathlib import Path
from creditrisk.service.records.keeper import Keeper
from creditrisk.service.settings import ServiceSettings
keeper = Keeper(ServiceSettings(state=Path(sys.argv[1]), database_url=sys.argv[2]))
keeper.start()
while True:
    print(keeper.process_id or 0, flush=True)
    time.sleep(0.05)
"""


def begin(state: Path, url: str) -> tuple[subprocess.Popen[str], int]:
    """A worker, and the forwarder that it started."""
    worker = subprocess.Popen([sys.executable, "-c", WORKER, str(state), url], stdout=subprocess.PIPE, text=True)
    assert worker.stdout is not None
    child = 0
    while not child:
        child = int(worker.stdout.readline())
    return worker, child


def alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{process}/stat")  # a container without init leaves orphans as zombies
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"


def test_the_forwarder_dies_with_its_worker_and_another_worker_takes_over(path: Path, database: str) -> None:
    fill(path, [([event(n)], None) for n in range(10)])
    worker, child = begin(path.parent, database)
    other = Keeper(settings(path.parent, database))
    try:
        until(lambda: status.read(path.parent) is not None)
        other.start()
        assert other.process_id is None
        worker.kill()
        worker.communicate()
        until(lambda: not alive(child))
        until(lambda: other.process_id is not None)
    finally:
        worker.kill()
        worker.wait()
        other.stop()
    assert remote_rows(database, COPIED) == local_rows(path, KEPT)


@pytest.mark.parametrize("way", [signal.SIGKILL, signal.SIGSTOP], ids=["ended", "was stopped"])
def test_a_forwarder_that_works_no_more_is_started_again(path: Path, database: str, way: signal.Signals) -> None:
    keeper = Keeper(settings(path.parent, database))
    keeper.start()
    try:
        until(lambda: status.read(path.parent) is not None)
        first = keeper.process_id
        assert first is not None
        os.kill(first, way)
        until(lambda: keeper.process_id not in (first, None))
    finally:
        keeper.stop()


def test_a_forwarder_that_cannot_start_is_tried_again(path: Path, database: str) -> None:
    """As on a full disk, or with too many files open, when the worker starts."""
    fill(path, [([event(1)], None)])
    lock = path.with_name("forwarder.lock")
    lock.mkdir()
    keeper = Keeper(settings(path.parent, database))
    keeper.start()
    try:
        keeper._thread.join(0.2)
        assert keeper.process_id is None
        lock.rmdir()
        until(lambda: status.read(path.parent) is not None or not keeper._thread.is_alive())
        assert keeper.process_id is not None
        until(lambda: (found := status.read(path.parent)) is not None and found.seq == 1)
    finally:
        keeper.stop()
    assert remote_rows(database, COPIED) == local_rows(path, KEPT)
