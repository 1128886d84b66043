"""What becomes of the service while one of its processes is stopped by a signal."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from service.events import until
from service.running import APPLICATION, Running, serving

from creditrisk.service.log.sqlite import locked


def writers(running: Running) -> list[int]:
    """The processes that write this server's records."""
    place = str(running.state).encode()
    found = []
    for folder in Path("/proc").iterdir():
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except (OSError, NotADirectoryError):
            continue
        if b"creditrisk.service.log.writing" in words and any(word.startswith(place) for word in words):
            found.append(int(folder.name))
    return found


def ask(client: httpx.Client) -> int:
    return client.post("/v1/score", json={"application": APPLICATION}).status_code


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="looks for processes where Linux lists them")
def test_a_writer_that_was_stopped_is_said_and_replaced_before_anybody_gives_up(
    tmp_path: Path, small_bundle: Path
) -> None:
    with (
        serving(tmp_path, "--bundle", str(small_bundle)) as running,
        running.client() as client,
        running.client() as other,
        ThreadPoolExecutor(1) as elsewhere,
    ):
        (writer,) = writers(running)
        os.kill(writer, signal.SIGSTOP)
        answer, counted = elsewhere.submit(ask, other), ""
        alerts: dict[str, str] = {}
        limit = time.monotonic() + 5.0
        while not (alerts and counted) and time.monotonic() < limit:
            alerts = client.get("/health/ready").json()["alerts"]
            counted = client.get("/metrics").text if "records-late" in alerts else ""
            time.sleep(0.1)
        assert "more than 3 seconds" in alerts["records-late"]
        assert 'creditrisk_alert{alert="records-late"} 1.0' in counted
        assert answer.result() == 200  # within the time that a request has
        assert writers(running) != [writer]
        assert ask(client) == 200
        assert client.get("/health/ready").json()["alerts"] == {}


def erasures(running: Running) -> list[int]:
    """The processes that erase somebody for this server."""
    found = []
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError, NotADirectoryError):
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == running.process.pid and b"creditrisk.service.records.erasing" in (
                (folder / "cmdline").read_bytes().split(b"\0")
            ):
                found.append(int(folder.name))
    return found


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="looks for processes where Linux lists them")
def test_an_erasure_that_was_stopped_is_ended_and_may_be_repeated(tmp_path: Path, small_bundle: Path) -> None:
    """It may hold the lock of the log, and all answers would wait for it."""
    with (
        serving(tmp_path, "--bundle", str(small_bundle)) as running,
        running.client() as client,
        ThreadPoolExecutor(1) as elsewhere,
    ):
        assert ask(client) == 200
        with locked(running.state / "decisions.db"):
            asked = elsewhere.submit(client.delete, "/v1/applicants/A")
            until(lambda: bool(erasures(running)))
            os.kill(erasures(running)[0], signal.SIGSTOP)
        assert asked.result().status_code == 503
        assert client.delete("/v1/applicants/A").status_code == 200
        assert "an erasure was stopped by a signal" in running.complaints()
