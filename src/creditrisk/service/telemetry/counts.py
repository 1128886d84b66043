"""What the service counts: plain numbers in the process, made into Prometheus' text when somebody asks."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence

UNMATCHED = "unmatched"
"""The route of a request that has none."""
LATENCY_LIMITS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""Upper limits of the latency histogram, in seconds."""


class Counts:
    """One worker's counts; adding to them takes no lock, since the event loop's thread alone does."""

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, int]] = Counter()
        """By route and status."""
        self.scores: Counter[tuple[str, str, str]] = Counter()
        """By band, decision and model version; simulations are left out."""
        self.shadow: Counter[str] = Counter()
        """Applications that the challenger has scored, and those dropped since they came too thick or too late."""
        self.latency: dict[str, list[int]] = {}
        self.latency_sum: dict[str, float] = {}
        self.bins: dict[str, tuple[Sequence[float], list[int]]] = {}
        """By model version: limits of the frozen PD bins, and how many PDs fell into each."""

    def answered(self, route: str, status: int, seconds: float) -> None:
        """Count one answer."""
        self.requests[route, status] += 1
        buckets = self.latency.get(route)
        if buckets is None:
            buckets = self.latency[route] = [0] * (len(LATENCY_LIMITS) + 1)
            self.latency_sum[route] = 0.0
        buckets[bisect_left(LATENCY_LIMITS, seconds)] += 1
        self.latency_sum[route] += seconds

    def refused(self, status: int) -> None:
        """Count what was refused before it was a request: it has no route, and nobody knows when it began."""
        self.requests[UNMATCHED, status] += 1

    def watch(self, version: str, limits: Sequence[float]) -> None:
        """Count the PDs of a model version by its frozen bins from now on."""
        if version not in self.bins:
            self.bins[version] = (limits, [0] * (len(limits) + 1))

    def scored(self, band: str, decision: str, version: str, pd: float) -> None:
        """Count one score; simulations are left out by the caller."""
        self.scores[band, decision, version] += 1
        found = self.bins.get(version)
        if found is not None:
            found[1][bisect_left(found[0], pd)] += 1
