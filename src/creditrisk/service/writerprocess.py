"""A worker's side of the process that writes its records (``creditrisk.service.writing``)."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence

from creditrisk.service.record import Group, NotWrittenError, Stored
from creditrisk.service.writing import HEAD, READ_BYTES, order_of, read_report

Written = Callable[[list[Stored], float], None]
"""Takes what became of each group of a batch, and how many seconds its writing took."""
TRIES = 2
"""How often a batch is given out: a process may end by the very batch that it works on."""
STEADY_SECONDS, FIRST_PAUSE, LONGEST_PAUSE = 1.0, 0.1, 5.0
"""A process that ends sooner than ``STEADY_SECONDS`` is started again at once the first time, then after a pause that
doubles each time."""
BUFFER_BYTES = 1 << 20
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
        self._arguments, self._loop, self._environment = arguments, loop, dict(environment or {})
        self._process: subprocess.Popen[bytes] | None = None
        self._ended: list[subprocess.Popen[bytes]] = []
        """Processes that are gone for us; one may hang in a write for some time yet."""
        self._batch: Sequence[Group] = ()
        self._written: Written | None = None
        self._tries = 0
        self._unsent, self._said = memoryview(b""), bytearray()
        self._sending = False
        """Whether the loop calls back when the socket takes more."""
        self._started = self._pause = self._not_before = 0.0
        self._start()

    @property
    def pid(self) -> int | None:
        """The process that runs now."""
        return self._process.pid if self._process else None

    def write(self, batch: Sequence[Group], written: Written) -> None:
        """Have a batch made durable; ``written`` is called when it is, or cannot be. Only then the next may come."""
        self._batch, self._written, self._tries = batch, written, 0
        self._give_out()

    async def close(self) -> None:
        """Wait until the process has closed what it wrote to; nothing may be under way."""
        if self._process is not None:
            self._hang_up()
        for process in self._ended:
            await self._loop.run_in_executor(None, process.wait)
        self._ended = []

    def _start(self) -> bool:
        now = time.monotonic()
        if now < self._not_before:
            return False
        self._ended = [process for process in self._ended if process.poll() is None]
        ours, theirs = socket.socketpair()
        for end in (ours, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)
        ours.setblocking(False)
        handle = theirs.fileno()
        command = [sys.executable, "-m", "creditrisk.service.writing", str(handle), *self._arguments]
        with theirs:
            try:
                self._process = subprocess.Popen(
                    command,
                    pass_fds=[handle],
                    env=os.environ | self._environment,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                )
            except OSError:  # no memory, or too many processes
                ours.close()
                self._wait_longer()
                return False
        self._started, self._channel = now, ours
        self._said.clear()
        self._loop.add_reader(ours, self._readable)
        return True

    def _give_out(self) -> None:
        if self._process is None and not self._start():
            self._loop.call_soon(self._fail, "there is no process that writes")
            return
        self._unsent = memoryview(order_of(self._batch, again=self._tries > 0))
        self._tries += 1
        self._send()

    def _send(self) -> None:
        """Send what the socket takes; the rest when it takes more."""
        try:
            self._unsent = self._unsent[self._channel.send(self._unsent) :]
        except BlockingIOError:
            pass
        except OSError:
            self._unsent = memoryview(b"")  # the reader will find the end
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
        if len(said) >= HEAD and len(said) == HEAD + int.from_bytes(said[:HEAD], "little"):
            results, seconds = read_report(bytes(said[HEAD:]), self._batch)
            said.clear()
            self._report(results, seconds)

    def _report(self, results: list[Stored], seconds: float) -> None:
        written, self._written = self._written, None
        assert written is not None
        written(results, seconds)

    def _fail(self, why: str) -> None:
        self._report([NotWrittenError(why)] * len(self._batch), 0.0)

    def _lost(self) -> None:
        """The process ended by itself: a batch that it worked on may be durable or not, so the next one asks."""
        self._hang_up()
        _LOGGER.error("the process that writes records ended")
        if time.monotonic() - self._started < STEADY_SECONDS:
            self._wait_longer()
        else:
            self._pause = 0.0
        if self._written is None:
            return
        if self._tries < TRIES:
            self._give_out()
        else:
            self._fail("the process that writes ended")

    def _wait_longer(self) -> None:
        self._not_before = time.monotonic() + self._pause
        self._pause = min(LONGEST_PAUSE, self._pause * 2 or FIRST_PAUSE)

    def _hang_up(self) -> None:
        assert self._process is not None
        self._loop.remove_reader(self._channel)
        if self._sending:
            self._loop.remove_writer(self._channel)
            self._sending = False
        self._channel.close()
        self._ended.append(self._process)
        self._process = None
