import asyncio
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest

from creditrisk.service.identifiers import Identifiers
from creditrisk.service.log import GroupCommit, SqliteLog, Writer, connect
from creditrisk.service.record import Conflict, Earlier, Event, Group, Idempotency, Stored

MAKE = Identifiers()


def event(number: int, protected: bytes | None = None, applicant: str = "A") -> Event:
    name = MAKE.make(1_700_000_000_000_000_000 + number)
    return Event(name, "decision", None, number, None, applicant, "approve", "decision", "1@d", b"{}", b"{}", protected)


def repeat(key: str, digest: bytes, answer: bytes) -> Idempotency:
    return Idempotency("key", key, digest, answer, 1)


async def submitted(path: Path, groups: Sequence[tuple[Sequence[Event], Idempotency | None]]) -> list[Stored]:
    log = SqliteLog(path, asyncio.get_running_loop(), 10_000)
    results: list[Stored] = []
    for events, idempotency in groups:
        assert log.submit(Group(events, idempotency, results.append))
    await log.close()
    return results


def rows(path: Path, query: str = "SELECT id FROM events ORDER BY seq") -> list[tuple[object, ...]]:
    connection = connect(path, read_only=True)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def test_every_event_is_in_the_file_in_order_when_the_log_is_closed(tmp_path: Path) -> None:
    events = [event(number) for number in range(2_000)]
    results = asyncio.run(submitted(tmp_path / "log.db", [([one], None) for one in events]))
    assert results == [None] * 2_000
    assert rows(tmp_path / "log.db") == [(one.id,) for one in events]


def test_protected_attributes_lie_in_a_table_of_their_own(tmp_path: Path) -> None:
    one = event(1, protected=b'{"sex":"f"}')
    asyncio.run(submitted(tmp_path / "log.db", [([one], None)]))
    assert rows(tmp_path / "log.db", "SELECT * FROM protected") == [(one.id, b'{"sex":"f"}')]


def test_a_repeated_request_gets_the_first_answer_and_leaves_no_second_record(tmp_path: Path) -> None:
    first, second = event(1), event(2)
    groups = [([first], repeat("k", b"x", b"first")), ([second], repeat("k", b"x", b"second"))]
    assert asyncio.run(submitted(tmp_path / "log.db", groups)) == [None, Earlier(b"first")]
    again = asyncio.run(submitted(tmp_path / "log.db", [([second], repeat("k", b"x", b"third"))]))
    assert again == [Earlier(b"first")]
    assert rows(tmp_path / "log.db") == [(first.id,)]


def test_the_same_key_for_another_body_is_a_conflict(tmp_path: Path) -> None:
    groups = [([event(1)], repeat("k", b"x", b"first")), ([event(2)], repeat("k", b"y", b"second"))]
    assert asyncio.run(submitted(tmp_path / "log.db", groups)) == [None, Conflict()]


def test_one_that_cannot_be_written_does_not_take_the_others_with_it(tmp_path: Path) -> None:
    twice = event(1)
    results = asyncio.run(submitted(tmp_path / "log.db", [([twice], None), ([twice], None), ([event(2)], None)]))
    assert results[0] is None
    assert isinstance(results[1], sqlite3.IntegrityError)
    assert results[2] is None
    assert len(rows(tmp_path / "log.db")) == 2


def test_too_many_that_wait_are_not_taken_in(tmp_path: Path) -> None:
    async def overfill() -> tuple[list[bool], list[Stored]]:
        log = SqliteLog(tmp_path / "log.db", asyncio.get_running_loop(), 3)
        results: list[Stored] = []
        taken = [log.submit(Group([event(number)], None, results.append)) for number in range(5)]
        await log.close()
        return taken, results

    taken, results = asyncio.run(overfill())
    assert taken == [True, True, True, False, False]
    assert results == [None] * 3
    assert len(rows(tmp_path / "log.db")) == 3


def test_clients_that_come_back_are_gathered_and_one_that_comes_alone_is_written(tmp_path: Path) -> None:
    async def turns() -> list[Stored]:
        log = SqliteLog(tmp_path / "log.db", asyncio.get_running_loop(), 100)
        results: list[Stored] = []
        number = 0
        for clients in (8, 8, 1, 1, 3, 0, 2):
            arrived = [asyncio.get_running_loop().create_future() for _ in range(clients)]
            for future in arrived:
                number += 1
                assert log.submit(Group([event(number)], None, future.set_result))
            results += await asyncio.gather(*arrived)
        await log.close()
        return results

    assert asyncio.run(turns()) == [None] * 23
    assert len(rows(tmp_path / "log.db")) == 23


class Sizes:
    """A writer that notes how many groups it was given at once."""

    def __init__(self) -> None:
        self.given: list[int] = []

    def write(self, batch: Sequence[Group]) -> list[Stored]:
        self.given.append(len(batch))
        return [None] * len(batch)

    def close(self) -> None:
        pass


@pytest.mark.parametrize(("seconds", "together"), [(60.0, True), (0.0, False)])
def test_clients_that_come_back_one_a_turn_share_a_write_for_as_long_as_is_bearable(
    monkeypatch: pytest.MonkeyPatch, seconds: float, together: bool
) -> None:
    monkeypatch.setattr("creditrisk.service.log.COMING_SECONDS", seconds)
    monkeypatch.setattr("creditrisk.service.log.GATHER_SECONDS", 0.0)

    async def turns() -> list[int]:
        loop, sizes = asyncio.get_running_loop(), Sizes()
        log = GroupCommit(sizes, loop, 100)
        for pause in (0, 1):
            arrived = []
            for number in range(8):
                arrived.append(loop.create_future())
                assert log.submit(Group([event(number)], None, arrived[-1].set_result))
                if pause:
                    await asyncio.sleep(0)
            await asyncio.gather(*arrived)
        await log.close()
        return sizes.given

    given = asyncio.run(turns())
    assert given[0] == 8
    assert (given[1:] == [8]) is together
    assert sum(given) == 16


class Faulty(Sizes):
    """A writer with a fault that nobody foresaw, once."""

    def write(self, batch: Sequence[Group]) -> list[Stored]:
        if not self.given:
            self.given.append(0)
            raise OSError("no locks available")
        return super().write(batch)


def test_a_fault_of_the_writer_costs_one_batch_and_neither_the_next_nor_the_end() -> None:
    async def turns() -> tuple[list[Stored], int]:
        log, results = GroupCommit(Faulty(), asyncio.get_running_loop(), 100), []
        for number in range(2):
            arrived = asyncio.get_running_loop().create_future()
            assert log.submit(Group([event(number)], None, arrived.set_result))
            results.append(await asyncio.wait_for(arrived, 20))
        await asyncio.wait_for(log.close(), 20)
        return results, log.failures

    results, failures = asyncio.run(turns())
    assert isinstance(results[0], OSError)
    assert (results[1], failures) == (None, 1)


def test_the_write_ahead_log_is_synced_at_each_commit(tmp_path: Path) -> None:
    connection = connect(tmp_path / "log.db")
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
    connection.close()


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
    from creditrisk.errors import ServiceError

    (tmp_path / "log.db").write_bytes(content)
    with pytest.raises(ServiceError, match=r"log\.db: cannot be opened"):
        connect(tmp_path / "log.db")
