"""The process that writes records: what it says, and what becomes of a batch when it ends by itself."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from service.events import event, local_rows, repeat

from creditrisk.service.log import INSERTS, locked
from creditrisk.service.record import Conflict, Earlier, Group, NotWrittenError, Stored
from creditrisk.service.writerprocess import WriterProcess

IDS = "SELECT id FROM events ORDER BY seq"


class Desk:
    """A process that writes to a log, and what came of the batch that it was given last."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.writes = WriterProcess(["sqlite", str(path)], asyncio.get_running_loop())
        self._arrived: asyncio.Future[list[Stored]] = asyncio.get_running_loop().create_future()

    def give(self, batch: Sequence[Group]) -> None:
        self._arrived = asyncio.get_running_loop().create_future()
        self.writes.write(batch, lambda results, _: self._arrived.set_result(results))

    async def results(self) -> list[Stored]:
        return await asyncio.wait_for(asyncio.shield(self._arrived), 60)

    async def written(self, batch: Sequence[Group]) -> list[Stored]:
        self.give(batch)
        return await self.results()

    async def killed(self) -> None:
        """Kill the process and wait until the worker's side has seen it."""
        before = self.writes.pid
        assert before is not None
        os.kill(before, signal.SIGKILL)
        while self.writes.pid == before:
            await asyncio.sleep(0.005)


def group(number: int) -> Group:
    return Group([event(number)], None, lambda _: None)


def run(path: Path, work: Callable[[Desk], Awaitable[None]]) -> None:
    """Work with a process, which must end well."""

    async def whole() -> None:
        desk = Desk(path)
        await desk.written([])  # the log is made
        await work(desk)
        process = desk.writes._process
        await asyncio.wait_for(desk.writes.close(), 60)
        assert process is None or process.returncode == 0

    asyncio.run(whole())


def test_each_group_gets_its_own_answer(tmp_path: Path) -> None:
    first, twice = event(1, protected=b'{"sex":"f"}'), event(2)
    batch = [
        Group([first], repeat("k", b"x", b"first"), lambda _: None),
        Group([event(3)], repeat("k", b"x", b"second"), lambda _: None),
        Group([event(4)], repeat("k", b"y", b"third"), lambda _: None),
    ]

    async def work(desk: Desk) -> None:
        assert await desk.written(batch) == [None, Earlier(b"first"), Conflict()]
        results = await desk.written([Group([twice], None, lambda _: None)] * 2)
        assert results[0] is None
        assert isinstance(results[1], NotWrittenError)
        assert str(results[1]) == "IntegrityError"  # and no value of the record

    run(tmp_path / "log.db", work)
    assert local_rows(tmp_path / "log.db", IDS) == [(first.id,), (twice.id,)]
    assert local_rows(tmp_path / "log.db", "SELECT * FROM protected") == [(first.id, b'{"sex":"f"}')]


def test_a_batch_larger_than_any_buffer_arrives_whole(tmp_path: Path) -> None:
    large = [event(number)._replace(request=bytes([number]) * 3_000_000) for number in range(4)]

    async def work(desk: Desk) -> None:
        assert await desk.written([Group(large, None, lambda _: None)]) == [None]

    run(tmp_path / "log.db", work)
    assert local_rows(tmp_path / "log.db", "SELECT request FROM events ORDER BY seq") == [(e.request,) for e in large]


def test_signals_that_end_the_worker_are_not_for_this_process(tmp_path: Path) -> None:
    async def work(desk: Desk) -> None:
        assert desk.writes.pid is not None
        for number in (signal.SIGINT, signal.SIGTERM):
            os.kill(desk.writes.pid, number)
        assert await desk.written([group(1)]) == [None]

    run(tmp_path / "log.db", work)


def test_one_that_was_killed_is_started_again(tmp_path: Path) -> None:
    async def work(desk: Desk) -> None:
        assert await desk.written([group(1)]) == [None]
        await desk.killed()
        assert await desk.written([group(2)]) == [None]

    run(tmp_path / "log.db", work)
    assert len(local_rows(tmp_path / "log.db", IDS)) == 2


def test_a_batch_that_was_committed_and_not_reported_is_not_written_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("creditrisk.service.writerprocess.STEADY_SECONDS", 0.0)
    path, one, two = tmp_path / "log.db", event(1), event(2)

    async def work(desk: Desk) -> None:
        with locked(path):  # the process waits with the batch in its hands
            desk.give([Group([one], None, lambda _: None), Group([two], None, lambda _: None)])
            connection = sqlite3.connect(path, isolation_level=None)
            connection.execute(INSERTS[1], one[:-1])  # as if it had come so far
            connection.close()
            await desk.killed()
        assert await desk.results() == [None, None]

    run(path, work)
    assert local_rows(path, IDS) == [(one.id,), (two.id,)]


def test_a_batch_by_which_two_processes_ended_is_given_up_and_the_next_one_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("creditrisk.service.writerprocess.STEADY_SECONDS", 0.0)
    path, next_one = tmp_path / "log.db", event(2)

    async def work(desk: Desk) -> None:
        with locked(path):
            desk.give([group(1)])
            await desk.killed()
            await desk.killed()
            (result,) = await desk.results()
        assert isinstance(result, NotWrittenError)
        assert await desk.written([Group([next_one], None, lambda _: None)]) == [None]

    run(path, work)
    assert local_rows(path, IDS) == [(next_one.id,)]


def test_one_that_cannot_start_costs_answers_and_is_tried_again_after_a_pause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, start, started = tmp_path / "log.db", subprocess.Popen, 0

    def failing(command: list[str], **options: Any) -> subprocess.Popen[bytes]:
        nonlocal started
        started += 1
        return start([sys.executable, "-c", ""], **options)

    monkeypatch.setattr("creditrisk.service.writerprocess.subprocess.Popen", failing)

    async def work() -> None:
        desk, given = Desk(path), 0
        while started < 4:
            given += 1
            (result,) = await desk.written([group(given)])
            assert isinstance(result, NotWrittenError)
        assert given > 4  # most are refused without another process
        await desk.writes.close()

    asyncio.run(work())


def test_it_ends_when_its_worker_is_killed(tmp_path: Path) -> None:
    code = """
import asyncio, os, signal, sys
from creditrisk.service.writerprocess import WriterProcess
async def work():
    print(WriterProcess(["sqlite", sys.argv[1]], asyncio.get_running_loop()).pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(work())
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "log.db")], stdout=subprocess.PIPE, text=True, check=False
    )
    assert done.returncode == -signal.SIGKILL
    limit = time.monotonic() + 60
    while alive(int(done.stdout)):
        assert time.monotonic() < limit
        time.sleep(0.02)


def alive(process: int) -> bool:
    """Whether a process runs that nobody of us waits for."""
    try:
        state = subprocess.run(["ps", "-o", "stat=", "-p", str(process)], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return Path(f"/proc/{process}").exists()
    return bool(state.stdout.strip()) and not state.stdout.startswith("Z")
