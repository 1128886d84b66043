"""A file through ``POST /v1/score/file``: rows/s end to end and memory, reasons and durable record included.

    uv run python benchmarks/files.py [--rows 100000 1000000 2000000] [--family NAME ...] [--repeat 3]

The raw fields, inputs and models are those of ``row.py`` (30 raw columns, 55 inputs; a catboost of 500 trees of depth
6). From the first byte sent to the last byte received, over HTTP on the loopback address; the processor's time is the
whole server's, the memory the largest process's. What the client itself takes is not left out.
"""

from __future__ import annotations

import argparse
import http.client
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from row import table
from serving_models import ROOT, bundle
from serving_processes import free_port, largest_memory, processor_seconds, ready, tree

FAMILIES = ("scorecard", "ebm", "catboost")
PIECE = 1 << 20
TYPES = {"csv": "text/csv", "parquet": "application/vnd.apache.parquet"}


def upload(port: int, path: Path, kind: str) -> int:
    """Send a file and read the whole answer; returns its lines."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    with path.open("rb") as file:
        size = {"content-type": TYPES[kind], "content-length": str(path.stat().st_size)}
        connection.request("POST", "/v1/score/file", body=iter(lambda: file.read(PIECE), b""), headers=size)
        answer = connection.getresponse()
        lines = 0
        while piece := answer.read(PIECE):
            lines += piece.count(b"\n")
    if answer.status != 200:
        raise SystemExit(f"the server answered {answer.status}")
    return lines


class Watch(threading.Thread):
    """The largest memory that any process of the server takes, and the most processor time seen of its tree."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pid, self.peak, self.seconds, self.done = pid, 0.0, 0.0, False

    def run(self) -> None:
        """Look twenty times a second."""
        while not self.done:
            self.peak = max(self.peak, largest_memory(self.pid))
            self.seconds = max(self.seconds, sum(processor_seconds(one) for one in tree(self.pid)[:1]))
            time.sleep(0.05)


def measure(family: str, path: Path, kind: str, rows: int, repeat: int) -> tuple[float, float, float]:
    """Median rows/s, processor us a row, peak MB."""
    port = free_port()
    with tempfile.TemporaryDirectory() as state:
        command = [sys.executable, str(ROOT / "main.py"), "serve", "--port", str(port), "--bundle", str(bundle(family))]
        settings = {"CREDITRISK_SERVICE_STATE": state, "CREDITRISK_SERVICE_LOG": "warning"}
        server = subprocess.Popen(command, env=os.environ | settings)
        try:
            ready(server, f"http://127.0.0.1:{port}/health/ready")
            rates, costs, peaks = [], [], []
            for _ in range(repeat):
                watch = Watch(server.pid)
                before = processor_seconds(server.pid)
                watch.start()
                began = time.perf_counter()
                lines = upload(port, path, kind)
                seconds = time.perf_counter() - began
                watch.done = True
                watch.join()
                if lines != rows + 1:
                    raise SystemExit(f"{lines - 1:,} rows were answered, {rows:,} were sent")
                rates.append(rows / seconds)
                costs.append((watch.seconds - before) / rows * 1e6)
                peaks.append(watch.peak)
        finally:
            server.terminate()
            server.wait()
    return statistics.median(rates), statistics.median(costs), max(peaks)


def main() -> None:
    """Make the tables, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000, 2_000_000])
    parser.add_argument("--family", nargs="+", default=FAMILIES, choices=FAMILIES)
    parser.add_argument("--kind", nargs="+", default=list(TYPES), choices=list(TYPES))
    parser.add_argument("--repeat", type=int, default=3)
    arguments = parser.parse_args()
    print("| family | rows | kind | rows/s | processor us a row | peak MB |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as place:
        for rows in arguments.rows:
            frame = table(rows, seed=2).drop("y")
            paths = {kind: Path(place) / f"loans.{kind}" for kind in arguments.kind}
            for kind, path in paths.items():
                frame.write_csv(path) if kind == "csv" else frame.write_parquet(path)
            del frame
            for family in arguments.family:
                for kind, path in paths.items():
                    rate, cost, peak = measure(family, path, kind, rows, arguments.repeat)
                    print(f"| {family} | {rows:,} | {kind} | {rate:,.0f} | {cost:.1f} | {peak:,.0f} |", flush=True)


if __name__ == "__main__":
    main()
