"""Server processes as the benchmarks see them: when they are ready, what processor time and memory they take."""

from __future__ import annotations

import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")
_OPEN = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def free_port() -> int:
    """A port of the loopback address that nobody listens on just now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def ready(process: subprocess.Popen[bytes], url: str, body: bytes | None = None, seconds: float = 180.0) -> None:
    """Wait until a URL answers 200.

    Raises:
        RuntimeError: the server ended, or took too long.
    """
    headers = {"content-type": "application/json"}
    limit = time.monotonic() + seconds
    last = "nothing"
    while time.monotonic() < limit:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with {process.returncode}")
        try:
            with _OPEN.open(urllib.request.Request(url, body, headers), timeout=10) as answer:
                if answer.status == 200:
                    return
        except urllib.error.HTTPError as error:
            last = f"{error.code}: {error.read()[:300]!r}"
        except OSError as error:
            last = str(error)
        time.sleep(0.02)
    raise RuntimeError(f"not ready after {seconds:.0f} s; last answer: {last}")


def children(pid: int) -> list[int]:
    """A process's children that do work: interpreters, without multiprocessing's tracker."""
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return []
    found = [int(word) for word in text.split()]
    return [one for one in found if b"resource_tracker" not in _command(one)]


def tree(pid: int) -> list[int]:
    """A process and all below it."""
    return [pid, *(one for child in children(pid) for one in tree(child))]


def processor_seconds(pid: int) -> float:
    """User and system time of a process and all below it."""
    return sum(_ticks(one) for one in tree(pid)) / TICK


def largest_memory(pid: int) -> float:
    """Proportional set size of the largest process of a tree, in MB."""
    return max(map(_pss, tree(pid)))


def memory(pid: int) -> float:
    """Proportional set sizes of a process and all below it, in MB."""
    return sum(map(_pss, tree(pid)))


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b"resource_tracker"


def _ticks(pid: int) -> int:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return int(fields[11]) + int(fields[12])


def _pss(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1_000 for line in lines if line.startswith("Pss:")), 0.0)
