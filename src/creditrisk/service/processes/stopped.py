"""Child processes that were stopped by a signal: they do nothing, and keep the locks that they hold."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from asyncio.subprocess import Process
from typing import Protocol

LOOK_SECONDS, LOOKS = 1.0, 5
"""How often a child is looked at, and may be found standing still where others wait for it."""
_WATCHED: set[asyncio.Task[None]] = set()


class Child(Protocol):
    """A child process, whoever started it."""

    @property
    def pid(self) -> int:
        """Its number."""
        ...


def is_stopped(process: Child) -> bool:
    """Whether a child was stopped by a signal and has not been continued; False where the system cannot tell."""
    if not hasattr(os, "waitid"):
        return False
    try:
        return os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return False


class Standing:
    """How often in a row a child was found standing still; whoever looks after it asks about once a second.

    Looks are counted and not seconds: where the worker was stopped with its child, no time has gone by for either.

    Args:
        most: how often it may be.
    """

    def __init__(self, most: int = LOOKS) -> None:
        self._most, self._found = most, 0

    def too_long(self, process: Child) -> bool:
        """Look; whether it shall be killed."""
        self._found = self._found + 1 if is_stopped(process) else 0
        return self._found > self._most


def watch_over(process: Process, what: str) -> None:
    """See, until it ends, that a child that works for one request is killed where it was stopped.

    The request waits for it, and others perhaps for a lock that it holds.

    Args:
        what: its work, for the log.
    """
    task = asyncio.get_running_loop().create_task(_until_it_ends(process, what))
    _WATCHED.add(task)
    task.add_done_callback(_WATCHED.discard)


async def _until_it_ends(process: Process, what: str) -> None:
    standing = Standing()
    while process.returncode is None:
        await asyncio.sleep(LOOK_SECONDS)
        if standing.too_long(process):
            logging.getLogger("creditrisk.service").error("%s was stopped by a signal and is killed", what)
            with contextlib.suppress(ProcessLookupError):
                process.kill()
