"""A worker's counts in a file, so that a scrape that reaches one worker can add up all of them.

Each seat has one file. A worker that takes a seat goes on from what the one before it had counted, so no sum ever
falls, and it keeps a ring of the last hour's PD bins, a slot a minute, from which the drift is worked out.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from creditrisk.service.processes.workers import living
from creditrisk.service.telemetry.counts import Counts

MINUTES = 60


class Snapshot(msgspec.Struct):
    """What one seat has counted, and how its worker is just now."""

    requests: list[tuple[str, int, int]] = []
    """Route, status, how many."""
    scores: list[tuple[str, str, str, int]] = []
    """Band, decision, version, how many."""
    shadow: dict[str, int] = {}
    """Applications beside the challenger: scored, dropped."""
    latency: dict[str, list[int]] = {}
    latency_sum: dict[str, float] = {}
    failures: int = 0
    bins: dict[int, dict[str, list[int]]] = {}
    """By minute since 1970 and version: PDs in each frozen bin, of the last hour."""
    waiting: int = 0
    commit_seconds: float = 0.0
    version: str | None = None
    """The model that this worker answers with."""
    alerts: list[str] = []


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Snapshot).decode


class Keeper:
    """Keeps the file of one worker.

    Args:
        folder: of the files.
        seat: this worker's.
        counts: what it counts.
        clock: seconds since 1970.
    """

    def __init__(self, folder: Path, seat: int, counts: Counts, clock: Callable[[], float] = time.time) -> None:
        self._path, self._counts, self._clock = folder / f"{seat}.json", counts, clock
        self._before = read(self._path)
        self._bins = dict(self._before.bins)
        self._seen: dict[str, list[int]] = {}
        self._latest = _encode(self._before)
        self._writing = threading.Lock()

    def take(self, waiting: int, commit_seconds: float, failures: int, version: str | None, alerts: list[str]) -> None:
        """Look at what there is now; ``write`` puts it into the file."""
        self._roll()
        found = add([self._before, _plain(self._counts)])
        found.failures += failures
        found.bins, found.version, found.alerts = self._bins, version, alerts
        found.waiting, found.commit_seconds = waiting, commit_seconds
        self._latest = _encode(found)

    def write(self) -> None:
        """Put what was looked at last into the file, from any thread.

        Raises:
            OSError: the disk is full or the folder went away.
        """
        with self._writing:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            draft = self._path.with_suffix(".draft")
            draft.write_bytes(self._latest)
            draft.replace(self._path)

    def _roll(self) -> None:
        """Put the PDs since the last time under this minute, and forget those of more than an hour ago."""
        minute = int(self._clock() // 60)
        for version, (_, bins) in self._counts.bins.items():
            seen = self._seen.get(version, [0] * len(bins))
            new = [now - then for now, then in zip(bins, seen, strict=True)]
            if any(new):
                held = self._bins.setdefault(minute, {})
                held[version] = _sum(held.get(version, []), new)
                self._seen[version] = list(bins)
        self._bins = {then: held for then, held in self._bins.items() if then > minute - MINUTES}


def read(path: Path) -> Snapshot:
    """A seat's file; an empty one where there is none or it is damaged."""
    with contextlib.suppress(OSError, ValueError):  # msgspec's and those of bytes that are no text
        return _decode(path.read_bytes())
    return Snapshot()


def read_all(folder: Path, seats: Path) -> tuple[list[Snapshot], list[Snapshot]]:
    """Every seat's file, and those among them whose worker lives.

    Args:
        folder: of the files.
        seats: where the seats' locks are.
    """
    alive = living(seats)
    found = {path.stem: read(path) for path in folder.glob("*.json")}
    return list(found.values()), [item for name, item in found.items() if name.isdigit() and int(name) in alive]


def add(items: list[Snapshot]) -> Snapshot:
    """The sum of what several have counted; how each worker is just now is no sum and is left out."""
    requests: dict[tuple[str, int], int] = {}
    scores: dict[tuple[str, str, str], int] = {}
    total = Snapshot(shadow={}, latency={}, latency_sum={}, bins={})
    for item in items:
        for route, status, count in item.requests:
            requests[route, status] = requests.get((route, status), 0) + count
        for band, decision, version, count in item.scores:
            scores[band, decision, version] = scores.get((band, decision, version), 0) + count
        for route, buckets in item.latency.items():
            total.latency[route] = _sum(total.latency.get(route, []), buckets)
            total.latency_sum[route] = total.latency_sum.get(route, 0.0) + item.latency_sum.get(route, 0.0)
        for minute, versions in item.bins.items():
            for version, bins in versions.items():
                held = total.bins.setdefault(minute, {})
                held[version] = _sum(held.get(version, []), bins)
        for result, count in item.shadow.items():
            total.shadow[result] = total.shadow.get(result, 0) + count
        total.failures += item.failures
    total.requests = [(*key, count) for key, count in requests.items()]
    total.scores = [(*key, count) for key, count in scores.items()]
    return total


def _plain(counts: Counts) -> Snapshot:
    return Snapshot(
        requests=[(*key, count) for key, count in counts.requests.items()],
        scores=[(*key, count) for key, count in counts.scores.items()],
        shadow=dict(counts.shadow),
        latency=counts.latency,
        latency_sum=counts.latency_sum,
    )


def _sum(left: list[int], right: list[int]) -> list[int]:
    if len(left) != len(right):  # nothing yet, or bins of another form: what is newer counts
        return list(right)
    return [a + b for a, b in zip(left, right, strict=True)]
