"""Workers killed under load: every answer that a client got has its record, and no request has two.

    uv run python benchmarks/crash.py [--rounds 20]

Two workers, sixteen clients. In each round one worker gets SIGKILL in the middle of its work; its clients ask again,
with the same Idempotency-Key, until they are answered. After each second round the process that writes a worker's
records is killed too, which no client may notice. At the end the decision log must hold exactly one record for
each request, with the very bytes that the client got. The page cache survives a killed process, so this says nothing
about the disk: that an fsync lies between a record and its answer is shown by ``tests/service/test_durable.py``.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import itertools
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from serving_models import ROOT, bodies, bundle
from serving_processes import children, free_port, ready

from creditrisk.service.log.writerprocess import STEADY_SECONDS

CLIENTS = 16
BETWEEN = 150
"""Answers that the clients get between two kills, at least."""


class Load:
    """Clients that ask until told to stop; what they asked and what they were answered."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.answers: dict[str, bytes] = {}
        self.again = 0
        """Requests whose connection broke, and that were sent again."""
        self.wrong: list[str] = []
        self._stop = False
        self._bodies = itertools.cycle(bodies())
        self._threads = [threading.Thread(target=self._ask, args=(number,)) for number in range(CLIENTS)]

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Ask while the block runs; then wait for the last answers."""
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._stop = True
            for thread in self._threads:
                thread.join()

    def _ask(self, client: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        for number in itertools.count():
            if self._stop:
                break
            key, body = f"{client}-{number}", next(self._bodies)
            headers = {"content-type": "application/json", "idempotency-key": key}
            while key not in self.answers:
                try:
                    connection.request("POST", "/v1/score", body, headers)
                    found = connection.getresponse()
                    content = found.read()
                except (OSError, http.client.HTTPException):
                    connection.close()
                    self.again += 1
                    time.sleep(0.05)
                    continue
                if found.status != 200:
                    self.wrong.append(f"{found.status}: {content.decode()}")
                self.answers[key] = content
        connection.close()


def kill_in_turn(supervisor: int, load: Load, rounds: int) -> None:
    """SIGKILL one of the two workers each time both run and enough was answered."""
    for number in range(rounds):
        seen = len(load.answers)
        while len(load.answers) < seen + BETWEEN or len(children(supervisor)) < 2:
            time.sleep(0.01)
        os.kill(random.choice(children(supervisor)), signal.SIGKILL)
        print(f"round {number + 1}: worker killed after {len(load.answers)} answers", flush=True)
        if number % 2:
            os.kill(writer_in_use(supervisor), signal.SIGKILL)
            print(f"round {number + 1}: the process that writes killed after {len(load.answers)} answers", flush=True)


def writer_in_use(supervisor: int) -> int:
    """The process that writes for a worker, when it has been at it long enough to be started again at once."""
    seen: dict[int, float] = {}
    while True:
        now = time.monotonic()
        seen = {one: seen.get(one, now) for worker in children(supervisor) for one in children(worker)}
        if ripe := [one for one, since in seen.items() if now - since > 2 * STEADY_SECONDS]:
            return random.choice(ripe)
        time.sleep(0.01)


def faults(load: Load, path: Path) -> list[str]:
    """What is not as it must be, in sentences."""
    connection = sqlite3.connect(path)
    query = "SELECT key, answer FROM idempotency"
    kept = dict(connection.execute(query).fetchall())
    records = connection.execute("SELECT id, answer FROM events WHERE kind = 'decision'").fetchall()
    whole = connection.execute("PRAGMA integrity_check").fetchone()[0]
    connection.close()
    recorded = {answer for _, answer in records}
    found = [f"a client was answered {text}" for text in load.wrong]
    found += [f"{key}: answered, no record" for key, answer in load.answers.items() if answer not in recorded]
    found += [f"{key}: another answer is kept" for key, answer in load.answers.items() if kept.get(key) != answer]
    if len(records) != len(load.answers):
        found.append(f"{len(records)} records of {len(load.answers)} requests")
    if len({name for name, _ in records}) != len(records):
        found.append("two records have one identifier")
    return found if whole == "ok" else [*found, f"the log is damaged: {whole}"]


def main() -> int:
    """Kill, count, say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    rounds = parser.parse_args().rounds
    folder = bundle("scorecard")
    with tempfile.TemporaryDirectory() as state:
        port = free_port()
        command = [sys.executable, str(ROOT / "main.py"), "serve", "--port", str(port), "--workers", "2"]
        environment = os.environ | {"CREDITRISK_SERVICE_STATE": state, "CREDITRISK_SERVICE_BUNDLE": str(folder)}
        server = subprocess.Popen(command, env=environment)
        try:
            ready(server, f"http://127.0.0.1:{port}/health/ready")
            load = Load(port)
            with load.running():
                kill_in_turn(server.pid, load, rounds)
        finally:
            server.terminate()
            server.wait()
        found = faults(load, Path(state) / "decisions.db")
    print(f"{rounds} kills, {len(load.answers)} requests answered, {load.again} asked again, {len(found)} faults")
    for line in found[:20]:
        print(f"error: {line}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
