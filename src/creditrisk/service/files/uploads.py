"""Where uploads lie while they are worked on, how many at once, and that none is left behind."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from typing import BinaryIO

from creditrisk.service.problem import Problem
from creditrisk.service.processes.leftovers import locked_in, remove_leftovers

_MARGIN_NS = 5_000_000_000
"""By how much a file system's time may lag behind the clock."""


class Uploads:
    """The uploads that one worker works on.

    Args:
        state: the service's folder.
        most: uploads at once.
    """

    def __init__(self, state: Path, most: int) -> None:
        self._state, self._most, self._open = state, most, 0
        self._swept, self._busy = 0, set[str]()
        """When the files' folders were last looked through, in nanoseconds since 1970, and which to look at again."""

    def take(self, name: str) -> Upload:
        """A place for one more upload.

        Raises:
            Problem: 503 where as many as may be are worked on. OSError: the folder cannot be written to.
        """
        if self._open >= self._most:
            detail = f"{self._most} files are being scored already; send this one when another has come to its end."
            raise Problem(503, "busy", detail, headers={"Retry-After": "10"})
        folder = self._state / "uploads"
        folder.mkdir(parents=True, exist_ok=True)
        file = _created(folder / name)
        self._open += 1
        return Upload(self, folder / name, file)

    def sweep(self) -> None:
        """Remove what killed processes left; of the files, where something was written since the last time."""
        since, busy = self._swept, self._busy
        self._swept = time.time_ns() - _MARGIN_NS

        def concerns(folder: Path) -> bool:
            return folder.name in busy or folder.stat().st_mtime_ns >= since

        try:
            self._busy = remove_leftovers(self._state, concerns)
        except OSError:
            self._swept = since  # all of it once more, the next time

    def left(self) -> None:
        """One upload fewer."""
        self._open -= 1


class Upload:
    """One upload's place, locked as long as somebody works on it."""

    def __init__(self, uploads: Uploads, path: Path, file: BinaryIO) -> None:
        self._uploads, self.path, self._file = uploads, path, file

    def remove(self) -> None:
        """Give the place back; may be said twice."""
        if self._file.closed:
            return
        self.path.unlink(missing_ok=True)
        self._file.close()
        self._uploads.left()


def worked_on(state: Path, until: str) -> list[str]:
    """Files that are being scored now and were begun before a time (an identifier that is named higher).

    The process that scores a file may outlive, for a moment, the worker that has the upload locked.
    """
    return sorted({*locked_in(state / "uploads", until), *locked_in(state / "files", until)})


def _created(path: Path) -> BinaryIO:
    """A new file, locked. A sweep may come between the two, take it for left and remove it; then once more."""
    while True:
        file = path.open("xb")
        fcntl.flock(file, fcntl.LOCK_EX)
        if os.fstat(file.fileno()).st_nlink:
            return file
        file.close()
