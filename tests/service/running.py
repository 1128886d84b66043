"""A real server in a process of its own, for the tests of the service."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parents[2]
APPLICATION: dict[str, Any] = {"income": 2500.0, "amount": 9000.0, "months": 36, "purpose": "car"}
"""A good application at the small lender's."""


@dataclass
class Running:
    """A server that runs: where it is and what it writes."""

    url: str
    state: Path
    process: subprocess.Popen[bytes]
    output: Path
    asgi: bool = False

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", 1)[1])

    def client(self, **options: Any) -> httpx.Client:
        """A client with keep-alive; environment proxies are left out."""
        return httpx.Client(base_url=self.url, timeout=30, trust_env=False, **options)

    def said(self) -> str:
        """What the server printed."""
        return self.output.read_text(encoding="utf-8", errors="replace")

    def lines(self) -> list[dict[str, Any]]:
        """What the server printed, each line of which must be JSON."""
        return [json.loads(line) for line in self.said().splitlines()]

    def settled(self) -> str:
        """Its complaints, with those about all answers so far: a line is written behind its answer."""
        with self.client() as client:
            assert client.get("/health/live").status_code == 200
        return self.complaints()

    def complaints(self) -> str:
        """What the server printed, without its lines about requests that went well."""
        return "".join(line for line in self.said().splitlines(keepends=True) if '"level":"info"' not in line)


def free_port() -> int:
    """A port of the loopback address that nobody listens on just now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextlib.contextmanager
def serving(
    folder: Path,
    *arguments: str,
    root: Path = ROOT,
    ready: bool = True,
    asgi: bool = False,
    tracer: Sequence[str] = (),
    state: Path | None = None,
    **environment: str,
) -> Iterator[Running]:
    """Run ``main.py serve`` until the block ends; with ``ready``, wait until it has a model.

    With ``asgi``, plain uvicorn runs the application, as any other server would. ``tracer`` is a command that runs
    the server's. What the server keeps lies in ``state``, or in ``folder`` where absent, which also takes what it says.
    """
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    state = folder if state is None else state
    output = folder / f"server-{port}.out"
    command = [sys.executable, str(root / "main.py"), "serve", "--port", str(port), *arguments]
    if asgi:
        command = [sys.executable, "-m", "uvicorn", "--app-dir", str(root / "6.production"), "app:app"]
        command += ["--port", str(port), "--log-level", "warning", *arguments]
    given = os.environ | {"CREDITRISK_SERVICE_STATE": str(state), "CREDITRISK_ROOT": str(root)} | environment
    with output.open("wb") as file:
        process = subprocess.Popen([*tracer, *command], env=given, stdout=file, stderr=subprocess.STDOUT)
        running = Running(f"http://127.0.0.1:{port}", state, process, output, asgi)
        try:
            _wait(running, "/health/ready" if ready else "/health/live")
            yield running
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait(running: Running, path: str, seconds: float = 120.0) -> None:
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        if running.process.poll() is not None:
            raise AssertionError(f"the server ended with {running.process.returncode}: {running.said()}")
        with contextlib.suppress(httpx.TransportError), running.client() as client:
            if client.get(path).status_code == 200:
                return
        time.sleep(0.1)
    raise AssertionError(f"the server was not ready after {seconds:.0f} s: {running.said()}")
