"""A worker's side of the work on one uploaded file: a child process, its answers, and what it counts."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import msgspec

from creditrisk.service.files.job import NO_SPACE, TOO_BIG, WORKED_ON, WRONG_FILE, Job
from creditrisk.service.files.tally import Tally, from_line
from creditrisk.service.problem import Problem
from creditrisk.service.processes.stopped import watch_over
from creditrisk.service.settings import ServiceSettings

READ_BYTES = 1 << 18
_ON = " Under the same Idempotency-Key, scoring goes on behind what is recorded already."
"""What is recorded before the work breaks off was decided, also where the first answer had not left yet."""
_ENDING: set[asyncio.Task[None]] = set()
"""Children that are being ended; a request that was cut off does not wait for it."""


class FileChild:
    """The process, from its start to its end; it starts up, and loads its model, while its file still comes.

    Args:
        process: which waits for its job.
    """

    def __init__(self, process: Process) -> None:
        self._process = process
        self._mark: str | None = None
        self._told: Callable[[Tally], None] | None = None
        self.rows = self.scored = 0
        self._saying = asyncio.create_task(self._listen())
        watch_over(process, "the work on a file")

    @classmethod
    async def start(cls, settings: ServiceSettings, bundle: Path, digest: str) -> FileChild:
        """Start the process.

        Args:
            settings: the service's.
            bundle: the model to score by.
            digest: the bundle's.

        Raises:
            OSError: there cannot be another process.
        """
        command = [sys.executable, "-m", "creditrisk.service.files.work", str(bundle), digest]
        # NumPy's threads for linear algebra, which is not done there, would only spin.
        own = {"PYTHONUNBUFFERED": "1", "OPENBLAS_NUM_THREADS": "1"}
        environment = os.environ | settings.to_environment() | own
        process = await asyncio.create_subprocess_exec(
            *command, stdin=PIPE, stdout=PIPE, stderr=PIPE, env=environment, limit=READ_BYTES
        )
        return cls(process)

    def tell(self, job: Job, told: Callable[[Tally], None]) -> None:
        """Say what to do; ``told`` is called with the tally of each piece."""
        self._mark, self._told = job.mark, told
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode(job))
        self._process.stdin.close()

    async def first(self, gone: Awaitable[object]) -> bytes | None:
        """The first answers; None where ``gone``, the client's leaving, came before them.

        Raises:
            Problem: there are none, and why.
        """
        reading, leaving = asyncio.ensure_future(self._read()), asyncio.ensure_future(gone)
        try:
            await asyncio.wait((reading, leaving), return_when=asyncio.FIRST_COMPLETED)
            if not reading.done():
                return None
            if found := reading.result():
                return found
        finally:
            reading.cancel()
            leaving.cancel()
        said = await self._saying
        raise _problem(await self._process.wait(), said)

    async def rest(self) -> AsyncIterator[bytes]:
        """All answers after the first.

        Raises:
            RuntimeError: the work did not come to its end.
        """
        while piece := await self._read():
            yield piece
        await self._saying
        if code := await self._process.wait():
            raise RuntimeError(f"the work on a file ended with {code}; its answer is broken off")

    def end(self) -> None:
        """End the process where it goes on; nothing is waited for, since the request may be cut off already."""
        with contextlib.suppress(ProcessLookupError):
            if self._process.returncode is None:
                self._process.kill()
        task = asyncio.get_running_loop().create_task(self._bury())
        _ENDING.add(task)
        task.add_done_callback(_ENDING.discard)

    async def _bury(self) -> None:
        while await self._read():  # a pipe is closed when it was read to its end
            pass
        await self._saying
        await self._process.wait()

    async def _read(self) -> bytes:
        assert self._process.stdout is not None
        return await self._process.stdout.read(READ_BYTES)

    async def _listen(self) -> str:
        """Take in what the process says; returns the words, which are there only where it failed."""
        assert self._process.stderr is not None
        words = b""
        while line := await self._process.stderr.readline():
            found = from_line(line, self._mark) if self._mark else None
            if found is None:
                words += line
                continue
            self.rows += found.rows
            self.scored += found.scored
            if self._told is not None:
                self._told(found)
        return words.decode(errors="replace").strip()


def no_space() -> Problem:
    """503: a disk took no more."""
    detail = f"The file or its record could not be written, so there is no answer; try again later.{_ON}"
    return Problem(503, "not-recorded", detail, headers={"Retry-After": "30"})


def _problem(code: int, said: str) -> Problem:
    if code == WRONG_FILE:
        return Problem(422, "unreadable-file", said or "The file cannot be read.")
    if code == TOO_BIG:
        return Problem(413, "too-large", "The file takes more memory to read than a file may.")
    if code == NO_SPACE:
        return no_space()
    if code == WORKED_ON:
        detail = "The file with this Idempotency-Key is still being scored; try again later."
        return Problem(409, "file-not-complete", detail, headers={"Retry-After": "10"})
    return Problem(500, "file-failed", f"The file could not be scored, so there is no answer.{_ON}")
