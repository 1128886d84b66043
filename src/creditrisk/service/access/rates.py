"""How often each key asks, over all workers of a machine: counters in a small file that all of them map into memory.

A cell holds the minute (upper half) and the requests in it (lower half) of one key at one worker. Each worker writes
its own cells alone and adds up the others', so there is no lock: an aligned eight-byte store is whole or not there.
Two workers that look at the same moment can each let one request more through, so the sum is over the limit by at most
the number of workers less one.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import time
from collections.abc import Callable
from pathlib import Path

from creditrisk.errors import ServiceError
from creditrisk.service.access.keys import MAX_KEYS
from creditrisk.service.processes.workers import SEATS

SIZE = 8 * SEATS * (MAX_KEYS + 1)
"""Bytes of the file, nearly all of them holes; the first row holds how many seats were ever taken."""


class Rates:
    """The counters, as one worker sees them.

    Args:
        path: the file, made where it does not exist.
        seat: this worker's.
        clock: seconds since 1970, the same for all workers.

    Raises:
        ServiceError: the file cannot be made.
    """

    def __init__(self, path: Path, seat: int, clock: Callable[[], float] = time.time) -> None:
        self._seat, self._clock = seat, clock
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(handle, fcntl.LOCK_EX)
            if os.fstat(handle).st_size != SIZE:
                os.ftruncate(handle, SIZE)
            _reserve(handle, 1)
            self._map = mmap.mmap(handle, SIZE)
        except OSError as error:
            raise ServiceError(f"{path}: the rate limits' file cannot be made: {error.strerror}.") from None
        self._cells = memoryview(self._map).cast("Q")
        self._cells[0] = max(self._cells[0], seat + 1)
        fcntl.flock(handle, fcntl.LOCK_UN)  # said aloud: the map holds a copy of the handle
        self._handle, self._rows = handle, 1

    def take(self, place: int, limit: int) -> int:
        """Count one request of a key; 0, or the seconds after which it may ask again where the limit is reached.

        Args:
            place: the key's place in the file of keys.
            limit: requests in one minute.

        Raises:
            OSError: there is no room on the disk for a key's first count.
        """
        if place + 2 > self._rows:
            _reserve(self._handle, place + 2)
            self._rows = place + 2
        cells, now = self._cells, int(self._clock())
        minute = now // 60
        row = SEATS * (place + 1)
        used = 0
        for cell in range(row, row + cells[0]):
            value = cells[cell]
            if value >> 32 == minute:
                used += value & 0xFFFFFFFF
        if used >= limit:
            return 60 - now % 60
        own = cells[row + self._seat]
        cells[row + self._seat] = own + 1 if own >> 32 == minute else minute << 32 | 1
        return 0

    def close(self) -> None:
        """Let the file go."""
        self._cells.release()
        self._map.close()
        os.close(self._handle)


def _reserve(handle: int, rows: int) -> None:
    """Give the first rows their place on the disk: a full one ends by a signal who writes to a hole of a map."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(handle, 0, 8 * SEATS * rows)
