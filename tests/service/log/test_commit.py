from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from service.events import event, local_rows

from creditrisk.errors import ServiceError
from creditrisk.paths import Project
from creditrisk.service.log.commit import GroupCommit, postgres_log, sqlite_log
from creditrisk.service.log.writerprocess import Written
from creditrisk.service.record import Group, Stored
from creditrisk.service.service import Service
from creditrisk.service.settings import ServiceSettings

QUICK, SLOW = 0.0, 1e9
"""Seconds that a write takes, as it is told."""


class Disk:
    """Takes some turns of the loop for each batch, and notes how many groups it was given at once."""

    def __init__(self, seconds: float = QUICK) -> None:
        self.seconds, self.turns = seconds, 1
        self.given: list[int] = []
        self.closed = False

    def write(self, batch: Sequence[Group], written: Written) -> None:
        self.given.append(len(batch))
        self._turn(self.turns, len(batch), written)

    def _turn(self, left: int, groups: int, written: Written) -> None:
        if left:
            asyncio.get_running_loop().call_soon(self._turn, left - 1, groups, written)
        else:
            written([None] * groups, self.seconds)

    async def ready(self) -> None:
        """At once."""

    async def close(self) -> None:
        self.closed = True


def test_for_how_long_a_batch_has_been_written_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> None:
        disk = Disk()
        disk.turns = 3
        log = GroupCommit(disk, asyncio.get_running_loop(), 10)
        answer = asyncio.create_task(asked(log))
        while not disk.given:
            assert log.waited == 0.0
            await asyncio.sleep(0)
        assert 0.0 < log.waited < 10.0
        await answer
        assert log.waited == 0.0

    asyncio.run(work())


async def asked(log: GroupCommit, times: int = 1, after: int = 0) -> list[Stored]:
    """A client that asks so many times, each when it was answered, after so many turns of the loop."""
    results: list[Stored] = []
    for number in range(times):
        for _ in range(after):
            await asyncio.sleep(0)
        arrived = asyncio.get_running_loop().create_future()
        assert log.submit(Group([event(number)], None, arrived.set_result))
        results.append(await arrived)
    return results


def sizes(disk: Disk, clients: int, times: int, apart: bool = True) -> list[int]:
    """How many groups each batch had when so many clients asked."""

    async def work() -> None:
        log = GroupCommit(disk, asyncio.get_running_loop(), 100, apart)
        results = await asyncio.gather(*(asked(log, times) for _ in range(clients)))
        assert results == [[None] * times] * clients
        await log.close()

    asyncio.run(work())
    assert disk.closed
    assert sum(disk.given) == clients * times
    return disk.given


@pytest.mark.parametrize(("seconds", "apart"), [(SLOW, True), (SLOW, False), (QUICK, False)])
def test_where_the_disk_is_slow_or_no_core_is_left_for_it_all_clients_share_a_write(
    monkeypatch: pytest.MonkeyPatch, seconds: float, apart: bool
) -> None:
    monkeypatch.setattr("creditrisk.service.log.commit.COMING_SECONDS", 60.0)
    assert sizes(Disk(seconds), 8, 5, apart) == [8] * 5


def test_where_the_disk_is_quick_one_half_is_written_while_the_other_is_worked_for() -> None:
    given = sizes(Disk(QUICK), 8, 10)
    assert given[0] == 8
    assert given[1:-1] == [4] * (len(given) - 2)


@pytest.mark.parametrize("seconds", [[QUICK], [SLOW], [QUICK, QUICK, QUICK, SLOW]])
def test_a_lone_client_waits_for_nobody(seconds: list[float]) -> None:
    async def work() -> None:
        disk, loop = Disk(), asyncio.get_running_loop()
        log = GroupCommit(disk, loop, 100)
        await asked(log)
        for number in range(20):
            disk.seconds = seconds[number % len(seconds)]
            arrived = loop.create_future()
            assert log.submit(Group([event(number)], None, arrived.set_result))
            assert len(disk.given) == number + 2, "it goes out at once"
            await arrived

    asyncio.run(work())


def test_clients_out_of_step_come_to_share_a_write_where_the_disk_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("creditrisk.service.log.commit.COMING_SECONDS", 60.0)
    disk = Disk(SLOW)

    async def work() -> None:
        log = GroupCommit(disk, asyncio.get_running_loop(), 100)
        await asked(log, 3)
        disk.turns = 3
        await asyncio.gather(asked(log, 10), asked(log, 10, after=1))
        await log.close()

    asyncio.run(work())
    assert disk.given[:4] == [1] * 4
    assert disk.given[-6:-1] == [2] * 5


@pytest.mark.parametrize(("seconds", "together"), [(60.0, True), (0.0, False)])
def test_clients_that_come_back_one_a_turn_share_a_write_for_as_long_as_is_bearable(
    monkeypatch: pytest.MonkeyPatch, seconds: float, together: bool
) -> None:
    monkeypatch.setattr("creditrisk.service.log.commit.COMING_SECONDS", seconds)
    monkeypatch.setattr("creditrisk.service.log.commit.GATHER_SECONDS", 0.0)
    disk = Disk(SLOW)

    async def turns() -> None:
        log = GroupCommit(disk, asyncio.get_running_loop(), 100)
        await asyncio.gather(*(asked(log) for _ in range(8)))
        await asyncio.gather(*(asked(log, after=number) for number in range(8)))
        await log.close()

    asyncio.run(turns())
    assert disk.given[0] == 8
    assert (disk.given[1:] == [8]) is together
    assert sum(disk.given) == 16


def test_clients_that_stay_away_are_not_waited_for_for_long() -> None:
    disk = Disk(SLOW)

    async def turns() -> None:
        log = GroupCommit(disk, asyncio.get_running_loop(), 100)
        for clients in (8, 8, 1, 1, 3, 2):
            await asyncio.gather(*(asked(log) for _ in range(clients)))
        await log.close()

    asyncio.run(asyncio.wait_for(turns(), 60))
    assert sum(disk.given) == 23


def test_too_many_that_wait_are_not_taken_in() -> None:
    async def overfill() -> tuple[list[bool], list[Stored]]:
        log = GroupCommit(Disk(), asyncio.get_running_loop(), 3)
        results: list[Stored] = []
        taken = [log.submit(Group([event(number)], None, results.append)) for number in range(5)]
        await log.close()
        return taken, results

    assert asyncio.run(overfill()) == ([True, True, True, False, False], [None] * 3)


def test_a_call_back_that_fails_keeps_no_other_back() -> None:
    async def work() -> list[Stored]:
        log = GroupCommit(Disk(), asyncio.get_running_loop(), 9)
        results: list[Stored] = []

        def broken(_: Stored) -> None:
            raise OSError("the connection is gone")

        for done in (broken, results.append, broken, results.append):
            assert log.submit(Group([event(1)], None, done))
        await log.close()
        return results

    assert asyncio.run(work()) == [None, None]


def test_the_log_of_a_worker_is_the_machines_database(tmp_path: Path) -> None:
    path, events = tmp_path / "log.db", [event(number) for number in range(700)]

    async def work() -> list[Stored]:
        log = sqlite_log(path, asyncio.get_running_loop(), 1_000)
        results: list[Stored] = []
        for one in events:
            assert log.submit(Group([one], None, results.append))
        await log.close()
        assert (log.waiting, log.failures, log.unwritten) == (0, 0, False)
        assert log.commit_seconds > 0
        return results

    assert asyncio.run(work()) == [None] * 700
    assert local_rows(path, "SELECT id FROM events ORDER BY seq") == [(one.id,) for one in events]


def test_a_log_that_cannot_be_opened_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "log.db").write_bytes(b"no database at all" * 100)

    async def make() -> None:
        sqlite_log(tmp_path / "log.db", asyncio.get_running_loop(), 1)

    with pytest.raises(ServiceError, match=r"log\.db: cannot be opened"):
        asyncio.run(make())


def test_a_log_without_an_address_is_a_sentence() -> None:
    async def make() -> None:
        postgres_log(None, asyncio.get_running_loop(), 1)

    with pytest.raises(ServiceError, match=r"DATABASE_URL is not set.*Expected postgresql://"):
        asyncio.run(make())


@pytest.mark.parametrize(("workers", "apart"), [(1, True), (2, False)])
def test_a_service_halves_its_clients_where_it_leaves_a_core(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int, apart: bool
) -> None:
    given: list[bool] = []
    monkeypatch.setattr("creditrisk.service.service.cores", lambda: 2)
    monkeypatch.setattr(
        "creditrisk.service.service.sqlite_log", lambda _path, _loop, _limit, found: given.append(found)
    )
    service = Service(ServiceSettings(state=tmp_path, workers=workers), Project(tmp_path))

    async def make() -> None:
        service._log(asyncio.get_running_loop())

    asyncio.run(make())
    assert given == [apart]
