"""Where uploads lie while they are worked on, how many at once, and that none is left behind."""

from __future__ import annotations

import contextlib
import fcntl
import time
from pathlib import Path
from typing import BinaryIO

from creditrisk.service.problem import Problem

OLD_SECONDS = 60.0
"""A file younger than this may be about to be locked."""
DRAFT_SECONDS = 3_600.0
"""No chunk of a scored file takes so long to write."""


class Uploads:
    """The uploads that one worker works on.

    Args:
        state: the service's folder.
        most: uploads at once.
    """

    def __init__(self, state: Path, most: int) -> None:
        self._state, self._most, self._open = state, most, 0

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
        file = (folder / name).open("xb")
        fcntl.flock(file, fcntl.LOCK_EX)
        self._open += 1
        return Upload(self, folder / name, file)

    def sweep(self) -> None:
        """Remove what killed processes left: applications of people that no record names."""
        now = time.time()
        with contextlib.suppress(OSError):
            for path in (self._state / "uploads").glob("*"):
                if _old(path, now, OLD_SECONDS) and not _locked(path):
                    path.unlink(missing_ok=True)
            for path in (self._state / "files").glob("*/.*.part"):
                if _old(path, now, DRAFT_SECONDS):
                    path.unlink(missing_ok=True)

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
    """Files that are being scored now and were begun before a time (an identifier that is named higher)."""
    with contextlib.suppress(OSError):
        return sorted(p.name for p in (state / "uploads").glob("*") if p.name < until and p.is_file() and _locked(p))
    return []


def _old(path: Path, now: float, seconds: float) -> bool:
    return now - path.stat().st_mtime > seconds


def _locked(path: Path) -> bool:
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
