import os
import signal
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from service.conftest import Guarded
from service.running import APPLICATION, Running, serving

from creditrisk.paths import Project
from creditrisk.service.processes.workers import Seat
from creditrisk.service.prometheus import drift, exposition
from creditrisk.service.records import status
from creditrisk.service.scoring.live import Live
from creditrisk.service.service import Service
from creditrisk.service.settings import ServiceSettings
from creditrisk.service.telemetry.counts import Counts
from creditrisk.service.telemetry.snapshot import Keeper, Snapshot


def scrape(client: httpx.Client) -> dict[tuple[str, ...], float]:
    """Values by name and labels."""
    found = client.get("/metrics")
    assert found.status_code == 200
    families = text_string_to_metric_families(found.text)
    return {(s.name, *sorted(s.labels.values())): s.value for f in families for s in f.samples}


def score(client: httpx.Client, **more: Any) -> None:
    assert client.post("/v1/score", json={"application": APPLICATION} | more).status_code == 200


def test_requests_and_scores_are_counted_and_simulations_are_not_scores(guarded: Guarded) -> None:
    with guarded.client("all") as client:
        before = scrape(client)
        score(client)
        score(client, purpose="simulation")
        client.post("/v1/score", json={"application": {"income": "much"}})
        after = scrape(client)

    def more(*key: str) -> float:
        return after.get(key, 0.0) - before.get(key, 0.0)

    assert more("creditrisk_requests_total", "/v1/score", "200") == 2
    assert more("creditrisk_requests_total", "/v1/score", "422") == 1
    assert more("creditrisk_request_seconds_count", "/v1/score") == 3
    assert sum(more(*key) for key in after if key[0] == "creditrisk_scores_total") == 1
    assert after["creditrisk_audit_waiting",] == 0
    assert after["creditrisk_audit_failures_total",] == 0
    assert after["creditrisk_audit_commit_seconds",] > 0
    assert after["creditrisk_model_age_seconds",] >= 0
    assert after["creditrisk_drift_scores",] >= 1
    assert "creditrisk_drift_psi" in {key[0] for key in after}
    assert not any("forwarder" in key[0] for key in after)


def test_openmetrics_is_given_to_those_who_ask(client: httpx.Client) -> None:
    found = client.get("/metrics", headers={"accept": "application/openmetrics-text; version=1.0.0"})
    assert found.headers["content-type"].startswith("application/openmetrics-text")
    assert found.text.endswith("# EOF\n")


def test_the_forwarders_backlog_is_what_it_says_of_itself(client: httpx.Client, running: Running) -> None:
    path, since = running.state / status.NAME, "2024-01-31T12:00:00+00:00"
    status.write(running.state, status.Forwarding(12, 3, "away", since, since))
    found = scrape(client)
    status.write(running.state, status.Forwarding(0, 3, None, None, since))
    assert scrape(client)["creditrisk_forwarder_failing",] == 1, "it has said nothing for years"
    path.unlink()
    assert found["creditrisk_forwarder_backlog",] == 12
    assert found["creditrisk_forwarder_failing",] == 1
    assert found["creditrisk_forwarder_failing_seconds",] > 0


def workers_of(running: Running) -> list[int]:
    """Processes that hold a seat, by the kernel's table of locks."""
    inodes = {path.stat().st_ino for path in (running.state / "workers").iterdir()}
    lines = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
    return sorted({int(line[4]) for line in lines if "FLOCK" in line and int(line[5].rpartition(":")[2]) in inodes})


def test_any_worker_tells_of_all_and_no_sum_falls_when_one_is_killed(tmp_path: Path, small_bundle: Path) -> None:
    key = ("creditrisk_requests_total", "/v1/score", "200")
    with serving(tmp_path, "--workers", "2", "--bundle", str(small_bundle)) as running:
        for _ in range(12):
            with running.client() as client:
                score(client)
        _until(running, lambda found: found.get(key) == 12 and _alive(found) == 2)
        if not Path("/proc/locks").exists():
            pytest.skip("no table of locks on this system")
        os.kill(workers_of(running)[0], signal.SIGKILL)
        found = _until(running, lambda found: _alive(found) == 2)
        assert found[key] == 12
        for _ in range(8):
            with running.client() as client:
                score(client)
        _until(running, lambda found: found.get(key) == 20)


def _alive(found: dict[tuple[str, ...], float]) -> float:
    return sum(value for key, value in found.items() if key[0] == "creditrisk_workers")


def _until(running: Running, met: Any) -> dict[tuple[str, ...], float]:
    for _ in range(240):
        try:
            with running.client() as client:
                found = scrape(client)
            if met(found):
                return found
        except httpx.TransportError:
            pass
        time.sleep(0.25)
    raise AssertionError(f"never so: {found}")


def test_drift_compares_the_last_hour_with_the_frozen_bins(small_bundle: Path) -> None:
    model = Live.load(small_bundle, "m", "1")
    entry = model.scorer.reference["pd"]
    like = [round(share * 10_000) for share in entry["shares"][:-1]]
    far = [0] * (len(like) - 1) + [100]
    label = model.label
    assert drift(model, Snapshot(), 6_000.0) == (None, 0)
    value, rows = drift(model, Snapshot(bins={100: {label: like}, 40: {label: far}, 99: {"other": far}}), 6_000.0)
    assert rows == sum(like)
    assert value is not None
    assert value < 0.001
    moved = drift(model, Snapshot(bins={100: {label: far}}), 6_000.0)[0]
    assert moved is not None
    assert moved > 1


def test_an_alert_is_shown_while_its_worker_lives(tmp_path: Path) -> None:
    service = Service(ServiceSettings(state=tmp_path), Project(tmp_path))
    seat = Seat.take(service.seats_folder)
    keeper = Keeper(service.metrics_folder, seat.number, Counts())
    keeper.take(3, 0.25, 0, None, ["refused-version"])
    keeper.write()
    text = exposition(service, "")[0].decode()
    seat.leave()
    assert 'creditrisk_alert{alert="refused-version"} 1.0' in text
    assert "creditrisk_audit_waiting 3.0" in text
    assert 'creditrisk_alert{alert="refused-version"}' not in exposition(service, "")[0].decode()


@pytest.mark.parametrize("accept", ["application/openmetrics-text; version=abc", "text/plain;version=x;escaping"])
def test_a_scraper_that_asks_for_what_cannot_be_gets_the_plain_text(client: httpx.Client, accept: str) -> None:
    found = client.get("/metrics", headers={"accept": accept})
    assert (found.status_code, found.headers["content-type"].partition(";")[0]) == (200, "text/plain")
    assert "creditrisk_requests_total" in found.text
