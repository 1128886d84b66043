"""What becomes of the service while one of its processes is stopped by a signal."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from service.running import APPLICATION, Running, serving


def writers(running: Running) -> list[int]:
    """The processes that write this server's records."""
    place = str(running.state).encode()
    found = []
    for folder in Path("/proc").iterdir():
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except (OSError, NotADirectoryError):
            continue
        if b"creditrisk.service.writing" in words and any(word.startswith(place) for word in words):
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
