"""A worker's side of the process that writes its records (``creditrisk.service.log.writing``)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence

from creditrisk.errors import ServiceError
from creditrisk.service.log.writing import HEAD, READ_BYTES, order_of, read_report
from creditrisk.service.processes.stopped import is_stopped
from creditrisk.service.record import Group, NotWrittenError, Stored, UnsureError

Written = Callable[[list[Stored], float], None]
"""Takes what became of each group of a batch, and how many seconds its writing took."""
TRIES = 2
"""How often a batch is given out: a process may end by the very batch that it works on."""
STEADY_SECONDS, FIRST_PAUSE, LONGEST_PAUSE = 1.0, 0.1, 5.0
"""A process that ends sooner than ``STEADY_SECONDS`` is started again at once the first time, then after a pause that
doubles each time."""
LOOK_SECONDS, STOPPED_SECONDS = 1.0, 5.0
"""How often a process is looked at, and how long it may work on one batch where it was stopped by a signal: it holds
the log's lock perhaps, and all workers wait for it. A slow disk is not mistaken for that."""
HANG_SECONDS = 90.0
"""A process that works on one batch for longer is killed, whatever it does. It may wait 20 seconds for the log's lock,
10 for SQLite's own, and for three syncs where the write-ahead log is folded in: 75, where each takes 15. To kill it
would not make such a disk any faster."""
END_SECONDS = 30.0
"""One that does not end within so long is killed too."""
BUFFER_BYTES = 1 << 20
MODULE = "creditrisk.service.log.writing"
_LOGGER = logging.getLogger("creditrisk.service")


class WriterProcess:
    """Gives batches out, one at a time; starts the process again where it ends, and then asks what is there already.

    Args:
        arguments: what to write to, as the process's command line names it.
        loop: the event loop that gives batches out, and on which they are called back.
        environment: variables of the process, beside the worker's own.
    """

    def __init__(
        self, arguments: Sequence[str], loop: asyncio.AbstractEventLoop, environment: Mapping[str, str] | None = None
    ) -> None:
        safe = ["-P"] if getattr(sys.flags, "safe_path", False) else []
        self._command = [sys.executable, *safe, "-m", MODULE]
        self._arguments, self._loop, self._environment = arguments, loop, dict(environment or {})
        self._process: subprocess.Popen[bytes] | None = None
        self._ended: list[subprocess.Popen[bytes]] = []
        """Processes that are gone for us; one may hang in a write for some time yet."""
        self._batch: Sequence[Group] = ()
        self._written: Written | None = None
        self._tries, self._number, self._given = 0, 0, 0.0
        """How often the batch was given out, the number of its order, and when."""
        self._unsent, self._said = memoryview(b""), bytearray()
        self._sending = False
        """Whether the loop calls back when the socket takes more."""
        self._started = self._pause = self._not_before = 0.0
        self._closed = False
        self._start()
        self._watching = loop.call_later(LOOK_SECONDS, self._watch)

    @property
    def pid(self) -> int | None:
        """The process that runs now."""
        return self._process.pid if self._process else None

    async def ready(self) -> None:
        """Wait until the process has opened what it writes to; nothing may be under way.

        Raises:
            ServiceError: it ends before.
        """
        told: asyncio.Future[None] = self._loop.create_future()
        self.write((), lambda _results, _seconds: told.set_result(None))
        await told
        if self._process is None:
            raise ServiceError(
                f"the process that writes records does not start: python -m {MODULE} must be possible in the service's "
                "environment, and what it says stands in the service's log."
            )

    def write(self, batch: Sequence[Group], written: Written) -> None:
        """Have a batch made durable; ``written`` is called when it is, or cannot be.

        Raises:
            RuntimeError: a batch is under way.
        """
        if self._written is not None:
            raise RuntimeError("one batch at a time")
        self._batch, self._written, self._tries = batch, written, 0
        self._give_out()

    async def close(self) -> None:
        """Wait until the process has closed what it wrote to; nothing may be under way."""
        self._closed = True
        self._watching.cancel()
        if self._process is not None:
            self._hang_up()
        for process in self._ended:
            await self._loop.run_in_executor(None, _end, process)
        self._ended = []

    def _start(self) -> bool:
        now = time.monotonic()
        if self._closed or now < self._not_before:
            return False
        self._ended = [process for process in self._ended if process.poll() is None]
        try:
            ours, theirs = socket.socketpair()
        except OSError:  # too many open files
            self._wait_longer()
            return False
        handle = theirs.fileno()
        try:
            ours.setblocking(False)
            for end in (ours, theirs):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)
            self._process = subprocess.Popen(
                [*self._command, str(handle), *self._arguments],
                pass_fds=[handle],
                env=os.environ | self._environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,  # what a terminal sends to all is for the worker
            )
            self._loop.add_reader(ours, self._readable)
        except Exception:  # no memory, or too many processes or files; one without a reader ends with the socket
            ours.close()
            self._forget()
            self._wait_longer()
            return False
        finally:
            theirs.close()
        self._started, self._channel = now, ours
        self._said.clear()
        return True

    def _give_out(self) -> None:
        if self._process is None and not self._start():
            now = time.monotonic()
            if self._tries and not self._closed and now - self._given < HANG_SECONDS:
                # It may be in the log, and only another process can tell.
                self._loop.call_later(max(0.0, self._not_before - now) + 0.001, self._give_out)
            else:
                self._fail_soon("there is no process that writes")
            return
        try:
            self._unsent = memoryview(order_of(self._number + 1, self._batch, again=self._tries > 0))
        except Exception as error:  # a batch that cannot be put into words must not be waited for
            _LOGGER.exception("a batch of records cannot be given out")
            self._fail_soon(type(error).__name__)
            return
        self._tries, self._number, self._given = self._tries + 1, self._number + 1, time.monotonic()
        self._send()

    def _send(self) -> None:
        """Send what the socket takes; the rest when it takes more."""
        try:
            self._unsent = self._unsent[self._channel.send(self._unsent) :]
        except BlockingIOError:
            pass
        except OSError:
            self._unsent = memoryview(b"")
            self._kill()  # which has half an order
        if bool(self._unsent) is not self._sending:
            self._sending = not self._sending
            if self._sending:
                self._loop.add_writer(self._channel, self._send)
            else:
                self._loop.remove_writer(self._channel)

    def _readable(self) -> None:
        try:
            found = self._channel.recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            found = b""
        if not found:
            self._lost()
            return
        said = self._said
        said += found
        if len(said) < HEAD or len(said) < (size := HEAD + int.from_bytes(said[:HEAD], "little")):
            return
        try:
            if len(said) > size or self._written is None:
                raise ValueError("it says more than it was asked")
            results, seconds = read_report(bytes(said[HEAD:]), self._number, self._batch)
        except Exception:
            _LOGGER.exception("the process that writes records cannot be understood")
            said.clear()
            self._kill()
            return
        said.clear()
        if self._tries > 1:  # what this process could not write, the one before it may have written
            results = [UnsureError(str(one)) if isinstance(one, NotWrittenError) else one for one in results]
        self._report(results, seconds)

    def _report(self, results: list[Stored], seconds: float) -> None:
        written, self._written = self._written, None
        assert written is not None
        written(results, seconds)

    def _fail(self, why: str) -> None:
        """Give a batch up; what a process was given once may be in the log."""
        error = UnsureError(why) if self._tries else NotWrittenError(why)
        self._report([error] * len(self._batch), 0.0)

    def _fail_soon(self, why: str) -> None:
        self._loop.call_soon(self._fail, why)

    def _lost(self) -> None:
        """The process ended by itself: a batch that it worked on may be durable or not, so the next one asks."""
        self._hang_up()
        _LOGGER.error("the process that writes records ended")
        if time.monotonic() - self._started < STEADY_SECONDS:
            self._wait_longer()
        else:
            self._pause = 0.0
        if self._written is None:
            self._start()
        elif self._tries < TRIES:
            self._give_out()
        else:
            self._fail("the process that writes ended")

    def _wait_longer(self) -> None:
        self._not_before = time.monotonic() + self._pause
        self._pause = min(LONGEST_PAUSE, self._pause * 2 or FIRST_PAUSE)

    def _watch(self) -> None:
        """Kill a process that hangs."""
        self._watching = self._loop.call_later(LOOK_SECONDS, self._watch)
        if self._written is None or self._process is None:
            return
        worked = time.monotonic() - self._given
        if worked > HANG_SECONDS or (worked > STOPPED_SECONDS and is_stopped(self._process)):
            _LOGGER.error("the process that writes records hangs and is killed")
            self._kill()
            # Not waited for: what hangs in the kernel ends when that lets go of it, and holds the log's lock till then.
            self._lost()

    def _kill(self) -> None:
        """End a process that is of no use; the reader finds its end as any other."""
        assert self._process is not None
        self._process.kill()

    def _hang_up(self) -> None:
        assert self._process is not None
        self._loop.remove_reader(self._channel)
        if self._sending:
            self._loop.remove_writer(self._channel)
            self._sending = False
        self._channel.close()
        self._forget()

    def _forget(self) -> None:
        if self._process is not None:
            self._ended.append(self._process)
            self._process = None


def _end(process: subprocess.Popen[bytes]) -> None:
    """Wait for a process to end; kill one that does not, and leave one that cannot be killed now to the kernel."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(END_SECONDS)
        return
    process.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(END_SECONDS)
