"""The process that writes records: what it says, and what becomes of a batch when it ends by itself."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import pytest
import uvloop
from service.events import event, local_rows, repeat

from creditrisk.errors import ServiceError
from creditrisk.service.http.hot import not_stored
from creditrisk.service.log.sqlite import INSERTS, locked
from creditrisk.service.log.writerprocess import WriterProcess
from creditrisk.service.log.writing import HEAD, Fate, Report, framed, order_of, read_report, work, writer_of
from creditrisk.service.record import Conflict, Earlier, Group, NotWrittenError, Stored, UnsureError

IDS = "SELECT id FROM events ORDER BY seq"


class Saying:
    """A socket that first says something else than what came."""

    def __init__(self, real: socket.socket, wrong: list[bytes]) -> None:
        self._real, self._wrong = real, wrong

    def recv(self, size: int) -> bytes:
        found = self._real.recv(size)
        return self._wrong.pop() if found and self._wrong else found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


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


LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
Work = Callable[[Desk], Awaitable[None]]
Run = Callable[[Path, Work], None]


@pytest.fixture(params=LOOPS)
def run(request: pytest.FixtureRequest) -> Run:
    """A function that works with a process, which must end well."""

    def working(path: Path, work: Work) -> None:
        async def whole() -> None:
            desk = Desk(path)
            await desk.writes.ready()
            await work(desk)
            process = desk.writes._process
            assert process is not None
            await asyncio.wait_for(desk.writes.close(), 60)
            assert process.returncode == 0

        with asyncio.Runner(loop_factory=LOOPS[request.param]) as runner:
            runner.run(whole())

    return working


@pytest.fixture
def steady(monkeypatch: pytest.MonkeyPatch) -> None:
    """No process has ended too soon."""
    monkeypatch.setattr("creditrisk.service.log.writerprocess.STEADY_SECONDS", 0.0)


def test_each_group_gets_its_own_answer(tmp_path: Path, run: Run) -> None:
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


def test_a_batch_larger_than_any_buffer_arrives_whole(tmp_path: Path, run: Run) -> None:
    large = [event(number)._replace(request=bytes([number]) * 3_000_000) for number in range(4)]

    async def work(desk: Desk) -> None:
        assert await desk.written([Group(large, None, lambda _: None)]) == [None]

    run(tmp_path / "log.db", work)
    assert local_rows(tmp_path / "log.db", "SELECT request FROM events ORDER BY seq") == [(e.request,) for e in large]


def test_signals_that_end_the_worker_are_not_for_this_process(tmp_path: Path, run: Run) -> None:
    async def work(desk: Desk) -> None:
        assert desk.writes.pid is not None
        for number in (signal.SIGINT, signal.SIGTERM):
            os.kill(desk.writes.pid, number)
        assert await desk.written([group(1)]) == [None]

    run(tmp_path / "log.db", work)


def test_one_that_was_killed_is_started_again(tmp_path: Path, run: Run) -> None:
    async def work(desk: Desk) -> None:
        assert await desk.written([group(1)]) == [None]
        await desk.killed()
        assert await desk.written([group(2)]) == [None]

    run(tmp_path / "log.db", work)
    assert len(local_rows(tmp_path / "log.db", IDS)) == 2


@pytest.mark.usefixtures("steady")
def test_a_batch_that_was_committed_and_not_reported_is_not_written_twice(tmp_path: Path, run: Run) -> None:
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


def test_a_batch_that_may_be_in_the_log_is_asked_for_also_after_a_pause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    monkeypatch.setattr("creditrisk.service.log.writerprocess.STEADY_SECONDS", 1e9)
    path, one = tmp_path / "log.db", event(1)

    async def work(desk: Desk) -> None:
        await desk.killed()  # the next end is one too soon
        with locked(path):
            desk.give([Group([one], None, lambda _: None)])
            connection = sqlite3.connect(path, isolation_level=None)
            connection.execute(INSERTS[1], one[:-1])
            connection.close()
            await desk.killed()
        assert await desk.results() == [None]

    run(path, work)
    assert local_rows(path, IDS) == [(one.id,)]


@pytest.mark.usefixtures("steady")
def test_of_a_batch_by_which_two_processes_ended_nobody_is_sure_and_the_next_one_is_written(
    tmp_path: Path, run: Run
) -> None:
    path, next_one = tmp_path / "log.db", event(2)

    async def work(desk: Desk) -> None:
        with locked(path):
            desk.give([group(1)])
            await desk.killed()
            await desk.killed()
            (result,) = await desk.results()
        assert isinstance(result, UnsureError)
        assert not_stored(result).kind == "record-unknown"
        assert await desk.written([Group([next_one], None, lambda _: None)]) == [None]

    run(path, work)
    assert local_rows(path, IDS) == [(next_one.id,)]


@pytest.mark.usefixtures("steady")
def test_what_a_second_process_cannot_write_the_first_may_have_written(tmp_path: Path, run: Run) -> None:
    path = tmp_path / "log.db"

    async def work(desk: Desk) -> None:
        with locked(path):
            desk.give([group(1)])
            connection = sqlite3.connect(path, isolation_level=None)
            connection.execute("CREATE TRIGGER no BEFORE INSERT ON events BEGIN SELECT RAISE(ABORT, 'no'); END")
            connection.close()
            await desk.killed()
        (result,) = await desk.results()
        assert isinstance(result, UnsureError), "to say that nothing was decided would be a guess"
        assert isinstance((await desk.written([group(2)]))[0], NotWrittenError)

    run(path, work)


@pytest.mark.usefixtures("steady")
def test_one_that_was_killed_while_it_was_told_is_told_again(tmp_path: Path, run: Run) -> None:
    path = tmp_path / "log.db"
    large = [event(number)._replace(request=bytes([number]) * 3_000_000) for number in range(4)]

    async def work(desk: Desk) -> None:
        assert desk.writes.pid is not None
        os.kill(desk.writes.pid, signal.SIGSTOP)  # so that it takes in what its socket holds, and no more
        desk.give([Group(large, None, lambda _: None)])
        await asyncio.sleep(0.05)
        await desk.killed()
        assert await desk.results() == [None]

    run(path, work)
    assert local_rows(path, IDS) == [(one.id,) for one in large]


@pytest.fixture
def looking(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process is looked at all the time."""
    monkeypatch.setattr("creditrisk.service.log.writerprocess.LOOK_SECONDS", 0.05)


@pytest.mark.usefixtures("steady", "looking")
def test_one_that_hangs_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    monkeypatch.setattr("creditrisk.service.log.writerprocess.HANG_SECONDS", 0.5)
    path, one = tmp_path / "log.db", event(1)

    async def work(desk: Desk) -> None:
        before = desk.writes.pid
        with locked(path):
            desk.give([Group([one], None, lambda _: None)])
            while desk.writes.pid == before:
                await asyncio.sleep(0.01)
        assert await desk.results() == [None]

    run(path, work)
    assert local_rows(path, IDS) == [(one.id,)]


@pytest.mark.usefixtures("steady", "looking")
def test_one_that_was_stopped_is_killed_soon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    monkeypatch.setattr("creditrisk.service.log.writerprocess.STOPPED_SECONDS", 0.2)
    path, one = tmp_path / "log.db", event(1)

    async def work(desk: Desk) -> None:
        assert desk.writes.pid is not None
        os.kill(desk.writes.pid, signal.SIGSTOP)
        assert await desk.written([Group([one], None, lambda _: None)]) == [None]

    run(path, work)
    assert local_rows(path, IDS) == [(one.id,)]


@pytest.mark.usefixtures("looking")
def test_one_that_takes_long_is_not_mistaken_for_one_that_was_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    monkeypatch.setattr("creditrisk.service.log.writerprocess.STOPPED_SECONDS", 0.1)
    path = tmp_path / "log.db"

    async def work(desk: Desk) -> None:
        before = desk.writes.pid
        with locked(path):  # as slow as a disk
            desk.give([group(1)])
            await asyncio.sleep(0.5)
        assert await desk.results() == [None]
        assert desk.writes.pid == before

    run(path, work)


@pytest.mark.usefixtures("steady", "looking")
def test_one_that_cannot_even_be_killed_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("creditrisk.service.log.writerprocess.HANG_SECONDS", 0.5)
    monkeypatch.setattr("creditrisk.service.log.writerprocess.END_SECONDS", 0.1)
    path, one = tmp_path / "log.db", event(1)

    async def work() -> None:
        desk = Desk(path)
        await desk.writes.ready()
        process = desk.writes._process
        assert process is not None
        process.send_signal(signal.SIGSTOP)
        with monkeypatch.context() as patch:
            patch.setattr(process, "kill", lambda: None)  # as where the kernel does not let go of it
            assert await desk.written([Group([one], None, lambda _: None)]) == [None]
            await asyncio.wait_for(desk.writes.close(), 60)
            assert process.poll() is None
        process.kill()
        process.wait()

    asyncio.run(work())
    assert local_rows(path, IDS) == [(one.id,)]


def test_a_batch_of_which_no_process_can_tell_any_more_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("creditrisk.service.log.writerprocess.HANG_SECONDS", 0.5)
    path = tmp_path / "log.db"

    async def work() -> None:
        desk = Desk(path)
        await desk.writes.ready()
        with locked(path):
            desk.give([group(1)])
            monkeypatch.setattr("creditrisk.service.log.writerprocess.sys.executable", str(tmp_path / "gone"))
            process = desk.writes._process
            assert process is not None
            process.kill()
            (result,) = await desk.results()
        assert isinstance(result, UnsureError)
        await asyncio.wait_for(desk.writes.close(), 60)

    asyncio.run(work())


def test_a_batch_waits_for_another_process_only_so_long_and_is_surely_not_written_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, one = tmp_path / "log.db", event(1)
    writer = writer_of("sqlite", [str(path)])
    monkeypatch.setattr("creditrisk.service.processes.locks.LOCK_SECONDS", 0.05)
    with locked(path), pytest.raises(TimeoutError):
        writer.write([Group([one], None, lambda _: None)])
    assert local_rows(path, IDS) == []
    assert writer.write([Group([one], None, lambda _: None)]) == [None]
    writer.close()
    assert local_rows(path, IDS) == [(one.id,)]


def test_only_one_batch_is_under_way(tmp_path: Path, run: Run) -> None:
    async def work(desk: Desk) -> None:
        desk.give([group(1)])
        with pytest.raises(RuntimeError, match="one batch at a time"):
            desk.writes.write([group(2)], lambda *_: None)
        assert await desk.results() == [None]

    run(tmp_path / "log.db", work)


def test_one_that_was_stopped_does_not_keep_its_worker_from_ending(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("creditrisk.service.log.writerprocess.END_SECONDS", 0.1)

    async def work() -> None:
        desk = Desk(tmp_path / "log.db")
        await desk.writes.ready()
        process = desk.writes._process
        assert process is not None
        process.send_signal(signal.SIGSTOP)
        await asyncio.wait_for(desk.writes.close(), 60)
        assert process.returncode == -signal.SIGKILL

    asyncio.run(work())


@pytest.mark.usefixtures("steady")
@pytest.mark.parametrize(
    "said",
    [
        b"\x01\0\0\0\xc1",
        framed(Report(2, 0.1, [Fate("durable")] * 3)),
        framed(Report(2, 0.1, None)) * 2,
        framed(Report(1, 0.1, None)),
    ],
)
def test_one_that_cannot_be_understood_is_replaced(
    tmp_path: Path, said: bytes, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    wrong, path, one = [said], tmp_path / "log.db", event(1)

    async def work(desk: Desk) -> None:
        monkeypatch.setattr(desk.writes, "_channel", Saying(desk.writes._channel, wrong))
        before = desk.writes.pid
        assert await desk.written([Group([one], None, lambda _: None)]) == [None]
        assert desk.writes.pid != before

    run(path, work)
    assert local_rows(path, IDS) == [(one.id,)]


@pytest.mark.parametrize("fault", ["socketpair", "order"])
def test_a_batch_that_cannot_be_given_out_is_called_back_and_the_next_one_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run, fault: str
) -> None:
    path, one = tmp_path / "log.db", event(1)

    def failing(*_: object, **__: object) -> NoReturn:
        raise OSError("too many open files")

    async def work(desk: Desk) -> None:
        with monkeypatch.context() as patch:
            if fault == "order":
                patch.setattr("creditrisk.service.log.writerprocess.order_of", failing)
            else:
                patch.setattr("creditrisk.service.log.writerprocess.socket.socketpair", failing)
                await desk.killed()
            (result,) = await desk.written([group(2)])
            assert isinstance(result, NotWrittenError)
        while isinstance(result, NotWrittenError):  # there may be a pause before it is started again
            (result,) = await desk.written([Group([one], None, lambda _: None)])
        assert result is None

    run(path, work)
    assert local_rows(path, IDS) == [(one.id,)]


def test_one_that_cannot_open_the_log_keeps_the_service_from_starting(tmp_path: Path) -> None:
    (tmp_path / "log.db").write_bytes(b"no database at all" * 100)

    async def work() -> None:
        desk = Desk(tmp_path / "log.db")
        with pytest.raises(ServiceError, match="the process that writes records does not start"):
            await asyncio.wait_for(desk.writes.ready(), 60)
        await desk.writes.close()

    asyncio.run(work())


class Faulty:
    """A writer with a fault that nobody foresaw, once."""

    def __init__(self) -> None:
        self.given: list[int] = []

    def write(self, batch: Sequence[Group], again: bool = False) -> list[Stored]:
        self.given.append(len(batch))
        if len(self.given) == 1:
            raise OSError("no locks available")
        return [None] * (len(batch) - (len(self.given) == 3))  # the third time one too few

    def close(self) -> None:
        """Nothing to close."""


def test_a_fault_of_the_writer_costs_one_batch_and_not_the_process() -> None:
    ours, theirs = socket.socketpair()
    batch = [group(1), group(2)]
    for number in range(3):
        ours.sendall(order_of(number, batch, again=False))
    ours.shutdown(socket.SHUT_WR)
    with ours, theirs:
        work(theirs, Faulty())
        theirs.shutdown(socket.SHUT_WR)
        said = ours.recv(1 << 16)
    results: list[list[type]] = []
    while said:
        end = HEAD + int.from_bytes(said[:HEAD], "little")
        try:
            results.append([type(one) for one in read_report(said[HEAD:end], len(results), batch)[0]])
        except ValueError:
            results.append([])
        said = said[end:]
    nothing = type(None)
    assert results == [[NotWrittenError] * 2, [nothing] * 2, []]


def test_one_that_cannot_start_costs_answers_and_is_tried_again_after_a_pause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, start, started = tmp_path / "log.db", subprocess.Popen, 0

    def failing(command: list[str], **options: Any) -> subprocess.Popen[bytes]:
        nonlocal started
        started += 1
        return start([sys.executable, "-c", ""], **options)

    monkeypatch.setattr("creditrisk.service.log.writerprocess.subprocess.Popen", failing)

    async def work() -> None:
        desk, given = Desk(path), 0
        while started < 4:
            given += 1
            (result,) = await desk.written([group(given)])
            assert isinstance(result, NotWrittenError | UnsureError)
        assert given > 4  # most are refused without another process
        await desk.writes.close()

    asyncio.run(work())


def test_it_ends_when_its_worker_is_killed(tmp_path: Path) -> None:
    code = """
import asyncio, os, signal, sys
from creditrisk.service.log.writerprocess import WriterProcess
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
