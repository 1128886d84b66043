"""What Prometheus scrapes: the sum over the workers of this machine, whichever of them the scrape reaches."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder

from creditrisk.service.records import status
from creditrisk.service.scoring.live import Live
from creditrisk.service.service import Service
from creditrisk.service.telemetry.counts import LATENCY_LIMITS
from creditrisk.service.telemetry.snapshot import MINUTES, Snapshot, add, read_all
from creditrisk.validation.stability import psi

PREFIX = "creditrisk_"


def exposition(service: Service, accept: str) -> tuple[bytes, str]:
    """The metrics as text, and its media type by what the scraper accepts."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Collected(service))
    try:
        encode, media_type = choose_encoder(accept)
    except Exception:  # it stumbles over parameters that are none, such as a version without a number
        encode, media_type = choose_encoder("")
    return encode(registry), media_type


class Collected:
    """A collector in prometheus_client's sense."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def collect(self) -> Iterator[Metric]:
        """Every metric, read from the workers' files."""
        service = self._service
        every, alive = read_all(service.metrics_folder, service.seats_folder)
        total = add(every)
        yield from _counted(total)
        yield from _now(alive, total)
        yield from _forwarder(service.settings.state)
        if service.model is not None:
            yield from _model(service.model, service.model_made, total)


def _counted(total: Snapshot) -> Iterator[Metric]:
    requests = CounterMetricFamily(PREFIX + "requests", "Answers by route and status.", labels=("route", "status"))
    for route, code, count in total.requests:
        requests.add_metric((route, str(code)), count)
    yield requests
    latency = HistogramMetricFamily(PREFIX + "request_seconds", "Time to answer, by route.", labels=("route",))
    limits = [*(str(limit) for limit in LATENCY_LIMITS), "+Inf"]
    for route, buckets in total.latency.items():
        values = list(zip(limits, accumulate(buckets), strict=True))
        latency.add_metric((route,), values, sum_value=total.latency_sum.get(route, 0.0))
    yield latency
    labels = ("band", "decision", "version")
    scores = CounterMetricFamily(PREFIX + "scores", "Scores answered, simulations left out.", labels=labels)
    for band, decision, version, count in total.scores:
        scores.add_metric((band, decision, version), count)
    yield scores
    shadow = CounterMetricFamily(PREFIX + "shadow", "Applications offered to the challenger.", labels=("result",))
    for result, count in total.shadow.items():
        shadow.add_metric((result,), count)
    yield shadow
    failures = CounterMetricFamily(PREFIX + "audit_failures", "Groups of records that could not be written.")
    failures.add_metric((), total.failures)
    yield failures


def _now(alive: list[Snapshot], total: Snapshot) -> Iterator[Metric]:
    waiting = sum(item.waiting for item in alive)
    yield _gauge("audit_waiting", "Groups of records that wait for the disk.", waiting)
    slowest = max((item.commit_seconds for item in alive), default=0.0)
    yield _gauge("audit_commit_seconds", "The last commit of the slowest worker.", slowest)
    workers = GaugeMetricFamily(
        PREFIX + "workers", "Workers alive, by the model they answer with.", labels=("version",)
    )
    versions = [item.version or "" for item in alive]
    for version in sorted(set(versions)):
        workers.add_metric((version,), versions.count(version))
    yield workers
    alerts = GaugeMetricFamily(PREFIX + "alert", "1 while something needs a person.", labels=("alert",))
    for name in sorted({name for item in alive for name in item.alerts}):
        alerts.add_metric((name,), 1)
    yield alerts


def _forwarder(state: Path) -> Iterator[Metric]:
    found = status.read(state)
    if found is None:
        return
    yield _gauge("forwarder_backlog", "Records that are not in PostgreSQL yet.", found.backlog)
    yield _gauge("forwarder_failing", "1 while PostgreSQL cannot be written to.", 1 if found.error else 0)
    if found.error and found.since:
        seconds = time.time() - dt.datetime.fromisoformat(found.since).timestamp()
        yield _gauge("forwarder_failing_seconds", "How long it has been so.", max(0.0, seconds))


def _model(model: Live, made: float | None, total: Snapshot) -> Iterator[Metric]:
    manifest = model.scorer.manifest
    labels = ("name", "version", "digest", "family", "portfolio")
    info = GaugeMetricFamily(PREFIX + "model", "The model that answers.", labels=labels)
    family, portfolio = (manifest.family, manifest.portfolio) if manifest else ("", "")
    info.add_metric((model.named.name, model.named.version, model.named.digest, family, portfolio), 1)
    yield info
    if made is not None:
        yield _gauge("model_age_seconds", "Time since the version was made.", max(0.0, time.time() - made))
    value, rows = drift(model, total, time.time())
    yield _gauge("drift_scores", "Scores of the last hour that the drift is worked out from.", rows)
    if value is not None:
        text = "PSI of the last hour's PDs against the training rows, on frozen bins; above 0.25: changed."
        yield _gauge("drift_psi", text, value)


def drift(model: Live, total: Snapshot, now: float) -> tuple[float | None, int]:
    """PSI of the last hour's PDs on the bundle's frozen bins (None without any), and how many there were."""
    entry: dict[str, Any] = model.scorer.reference["pd"]
    expected = entry["shares"]
    counts = [0] * (len(entry["edges"]) + 1)
    since = int(now // 60) - MINUTES
    for minute, versions in total.bins.items():
        bins = versions.get(model.label, [])
        if minute > since and len(bins) == len(counts):
            counts = [a + b for a, b in zip(counts, bins, strict=True)]
    rows = sum(counts)
    if not rows:
        return None, 0
    return psi(expected, [*(count / rows for count in counts), 0.0]), rows  # no PD is ever missing


def _gauge(name: str, text: str, value: float) -> Metric:
    found = GaugeMetricFamily(PREFIX + name, text)
    found.add_metric((), value)
    return found
