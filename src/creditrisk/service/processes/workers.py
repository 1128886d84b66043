"""Which workers of this machine are alive: each holds a numbered seat by a file lock, which ends with its process."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from creditrisk.errors import ServiceError

SEATS = 256


class Seat:
    """One worker's number, the lowest that no living process holds; what a dead one counted goes on under it."""

    def __init__(self, number: int, handle: int) -> None:
        self.number, self._handle = number, handle

    @classmethod
    def take(cls, folder: Path) -> Seat:
        """Sit down.

        Raises:
            ServiceError: the folder cannot be written to, or all seats are taken.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for number in range(SEATS):
                handle = os.open(_path(folder, number), os.O_RDWR | os.O_CREAT, 0o600)
                if _locks(handle):
                    return cls(number, handle)
                os.close(handle)
        except OSError as error:
            raise ServiceError(
                f"{folder}: cannot be written to: {error.strerror}. Make it writable, or set CREDITRISK_SERVICE_STATE."
            ) from None
        raise ServiceError(f"{folder}: {SEATS} workers run on this folder already, the most there can be.")

    def leave(self) -> None:
        """Give the seat back."""
        os.close(self._handle)


def living(folder: Path) -> set[int]:
    """Seats that are held just now."""
    found = set()
    for number in range(SEATS):
        try:
            handle = os.open(_path(folder, number), os.O_RDWR)
        except OSError:
            break  # seats are made in order
        if not _locks(handle):
            found.add(number)
        os.close(handle)
    return found


def _locks(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _path(folder: Path, number: int) -> Path:
    return folder / f"{number}.seat"
