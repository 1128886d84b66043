"""Which process works on a trial, and whether it is still there."""

from __future__ import annotations

import os
import socket
from pathlib import Path

PROCESS = "process"
"""The attribute of a trial that names its process."""


def this_process() -> str:
    """The name of this process among those of all machines that work on a study."""
    return f"{_machine()} {os.getpid()}"


def died(process: str) -> bool:
    """Whether it was of this machine and has ended; of other machines nothing is known."""
    machine, _, number = process.rpartition(" ")
    if machine != _machine() or not number.isdecimal():
        return False
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def _machine() -> str:
    """Name and process table: containers have one of their own."""
    table = Path("/proc/self/ns/pid")
    return f"{socket.gethostname()} {table.readlink() if table.is_symlink() else ''}"
