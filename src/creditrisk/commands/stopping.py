"""A run that is stopped stops what it started: DVC, and the stage that DVC is running."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, NoReturn

PATIENCE = 10.0
"""Seconds that a stage may take to heed an interruption; a library that is busy heeds none."""


@contextlib.contextmanager
def stoppable() -> Iterator[None]:
    """Let a polite kill, or a closed terminal, end the block as Ctrl-C does; what is ignored (nohup) stays ignored."""

    def stop(number: int, frame: Any) -> NoReturn:
        raise KeyboardInterrupt

    usual = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) == signal.SIG_DFL]
    for number in usual:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number in usual:
            signal.signal(number, signal.SIG_DFL)


def lines_of(command: list[str], folder: Path, lock: int) -> Generator[str | int]:
    """What a command prints, line by line, and in the end its exit code; closed before, it ends the command.

    Args:
        lock: a file that stays open as long as the command works, also where this process is killed.
    """
    # DVC starts `python`, which must be this interpreter even where its environment is not activated.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=os.environ | {"PATH": path, "COLUMNS": "1000"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        pass_fds=(lock,),
        process_group=0,  # DVC hands no interruption on to its stage
    )
    assert process.stdout is not None
    try:
        for line in process.stdout:
            yield line.rstrip("\n")
        yield process.wait()
    finally:
        process.stdout.close()
        _end(process)


def _end(process: subprocess.Popen[str]) -> None:
    """Interrupt a command and what it started; who is asked twice, or waits too long, is terminated."""
    for number, seconds in ((signal.SIGINT, PATIENCE), (signal.SIGTERM, None)):
        if process.poll() is not None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
            process.wait(seconds)
