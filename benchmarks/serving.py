"""One application over HTTP: requests/s, latency, processor time, cold start and memory, beside what others use.

    uv run python benchmarks/serving.py [--rounds 3] [--seconds 4] [--connections 1 16 64] [--only NAME ...]

Needs wrk (``apt-get install wrk``). In each round every server is started, measured and stopped in turn, so that a
machine that slows down slows all of them; figures are medians over the rounds, processor time and memory those of all
of a server's processes. All get the same 30 raw fields in a few hundred different bodies, and serve a model of 500
trees. Ours answer with exact reasons, and only after the record is durable unless the name says otherwise; no other
server gives reasons or records anything, and MLServer gets its 55 inputs ready-made. The others live in throw-away
environments below ``benchmarks/results/cache``.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path

from serving_models import RESULTS
from serving_processes import free_port, memory, processor_seconds, ready
from serving_servers import PEERS, SERVERS, VALIDATE_ONLY, Server, environment_of

LUA = Path(__file__).with_name("serving.lua")
UNITS = {"us": 0.001, "ms": 1.0, "s": 1_000.0, "m": 60_000.0}


@dataclass
class Measured:
    """One server under one number of connections, or its start."""

    rate: float
    p50: float
    p99: float
    cpu: float
    """Microseconds for one request, over the server's whole process tree."""


@dataclass
class Started:
    """From the process's start to its first answer in seconds, processor time of it, and memory afterwards in MB."""

    seconds: float
    cpu: float
    memory: float = 0.0


def load(pid: int, url: str, bodies: Path, connections: int, seconds: float) -> Measured:
    """Run wrk against a server.

    Raises:
        RuntimeError: an answer was not 200, or there was none.
    """
    command = [
        "wrk",
        "-t1",
        f"-c{connections}",
        f"-d{seconds:g}s",
        "--latency",
        "--timeout",
        "30s",
        "-s",
        str(LUA),
        url,
    ]
    before = processor_seconds(pid)
    done = subprocess.run(command, env=os.environ | {"BODIES": str(bodies)}, capture_output=True, text=True, check=True)
    spent = processor_seconds(pid) - before
    if wrong := re.search(r"(Non-2xx.*|Socket errors.*)", done.stdout):
        raise RuntimeError(wrong[0])
    count = int(re.search(r"(\d+) requests in", done.stdout)[1])  # type: ignore[index]
    if count == 0:
        raise RuntimeError("no answer in time")
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)[1])  # type: ignore[index]
    return Measured(rate, _latency(done.stdout, "50"), _latency(done.stdout, "99"), spent / count * 1e6)


def _latency(text: str, share: str) -> float:
    value, unit = re.search(rf"{share}%\s+([\d.]+)(us|ms|s|m)", text).groups()  # type: ignore[union-attr]
    return float(value) * UNITS[unit]


class Run:
    """What was measured, by server and connections."""

    def __init__(self, seconds: float, connections: list[int]) -> None:
        self.seconds, self.connections = seconds, connections
        self.loads: dict[str, dict[int, list[Measured]]] = defaultdict(lambda: defaultdict(list))
        self.starts: dict[str, list[Started]] = defaultdict(list)
        self.left_out: dict[str, str] = {}
        self.syncs: list[float] = []
        """Milliseconds that the disk took to make 4 kB durable: the least that a record costs a lone client."""

    def measure(self, server: Server) -> None:
        """Start, load, stop; a server that fails is left out from then on, and the reason said."""
        with tempfile.TemporaryDirectory() as folder:
            bodies = Path(folder) / "bodies"
            requests = server.requests()
            bodies.write_bytes(b"\n".join(requests))
            port = free_port()
            command = server.command(port, Path(folder))
            environment = environment_of(server, Path(folder) / "state")
            said = (Path(folder) / "said").open("wb")
            began = time.perf_counter()
            try:
                process = subprocess.Popen(
                    command, env=environment, stdout=said, stderr=said, cwd=PEERS, start_new_session=True
                )
            except OSError as error:  # an environment of which something was removed
                said.close()
                self.left_out[server.name] = f"It cannot be started: {error}. Remove benchmarks/results/cache."
                return
            try:
                probe = (server.ready, None) if server.ready else (server.path, requests[0])
                ready(process, f"http://127.0.0.1:{port}{probe[0]}", probe[1])
                self.starts[server.name].append(Started(time.perf_counter() - began, processor_seconds(process.pid)))
                url = f"http://127.0.0.1:{port}{server.path}"
                load(process.pid, url, bodies, max(self.connections), min(2.0, self.seconds))  # warm
                for count in self.connections:
                    found = load(process.pid, url, bodies, count, self.seconds)
                    self.loads[server.name][count].append(found)
                self.starts[server.name][-1].memory = memory(process.pid)
            except RuntimeError as error:
                tail = (Path(folder) / "said").read_text(errors="replace").strip()[-300:]
                self.left_out[server.name] = f"{error}. {tail}"
            finally:
                process.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(20)
                with contextlib.suppress(ProcessLookupError):  # a few leave children behind
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                said.close()

    def table(self) -> str:
        """Markdown: medians, and for each number of connections the ratio to the endpoint that only validates."""
        heads = ["server", "start s", "start CPU s", "MB"]
        for count in self.connections:
            heads += [f"{count}: requests/s", "ratio", "p50 ms", "p99 ms", "CPU us", "ratio"]
        lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
        for name, loads in self.loads.items():
            if name in self.left_out:
                continue
            starts = self.starts[name]
            cells = [name, *(f"{_middle(starts, what):,.2f}" for what in ("seconds", "cpu"))]
            cells.append(f"{_middle(starts, 'memory'):,.0f}")
            for count in self.connections:
                rate, cpu = _middle(loads[count], "rate"), _middle(loads[count], "cpu")
                base = self.loads.get(VALIDATE_ONLY, {}).get(count)
                ratios = [rate / _middle(base, "rate"), _middle(base, "cpu") / cpu] if base else [1.0, 1.0]
                cells += [f"{rate:,.0f}", f"{ratios[0]:.2f}", f"{_middle(loads[count], 'p50'):,.2f}"]
                cells += [f"{_middle(loads[count], 'p99'):,.1f}", f"{cpu:,.0f}", f"{ratios[1]:.2f}"]
            lines.append(f"| {' | '.join(cells)} |")
        if self.syncs:
            middle, least, most = statistics.median(self.syncs), min(self.syncs), max(self.syncs)
            lines.append(f"\nfdatasync of 4 kB: {middle:.2f} ms, {least:.2f} to {most:.2f} ms.")
        lines += [f"\n{name}: left out. {why}" for name, why in self.left_out.items()]
        return "\n".join(lines)

    def keep(self) -> None:
        """Write every single measurement to ``benchmarks/results/serving.json``, the table beside it."""
        loads = {
            name: {count: [asdict(one) for one in found] for count, found in by.items()}
            for name, by in self.loads.items()
        }
        starts = {name: [asdict(one) for one in found] for name, found in self.starts.items()}
        RESULTS.mkdir(exist_ok=True)
        whole = {"loads": loads, "starts": starts, "left_out": self.left_out}
        (RESULTS / "serving.json").write_text(json.dumps(whole, indent=1))
        (RESULTS / "serving.md").write_text(self.table() + "\n")


def sync_milliseconds(times: int = 20) -> float:
    """What the disk under the decision logs takes to make 4 kB durable, median."""
    with tempfile.TemporaryFile() as file:
        found = []
        for _ in range(times):
            began = time.perf_counter()
            os.pwrite(file.fileno(), b"\0" * 4_096, 0)
            os.fdatasync(file.fileno())
            found.append((time.perf_counter() - began) * 1_000)
    return statistics.median(found)


def _middle(found: list[Measured] | list[Started], what: str) -> float:
    return float(statistics.median(getattr(one, what) for one in found))


def main() -> int:
    """Prepare, take turns, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 16, 64])
    parser.add_argument("--only", nargs="+", metavar="NAME", help="servers whose name begins so")
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        print("error: wrk is not installed: apt-get install wrk.", file=sys.stderr)
        return 1
    run = Run(options.seconds, options.connections)
    chosen = [one for one in SERVERS if not options.only or one.name.startswith(tuple(options.only))]
    for server in chosen:
        print(f"preparing {server.name}", file=sys.stderr, flush=True)
        try:
            server.prepare()
        except RuntimeError as error:
            run.left_out[server.name] = str(error)
    for number in range(options.rounds):
        for server in chosen:
            if server.name not in run.left_out:
                print(f"round {number + 1}: {server.name}", file=sys.stderr, flush=True)
                run.syncs.append(sync_milliseconds())
                run.measure(server)
                run.keep()
    print(run.table())
    return 0


if __name__ == "__main__":
    sys.exit(main())
