"""Nothing leaves before its record is on the disk: seen from outside, and with the disk full."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import polars as pl
import pytest
from service.raw import BODY, Raw, connected, score
from service.running import Running, serving
from support import small_table

from creditrisk.service.access.keys import KeyStore
from creditrisk.service.files.chunks import chunks
from creditrisk.service.log.sqlite import connect

CALLS = "pwrite64,pwritev,fdatasync,fsync,write,writev,sendto,sendmsg,rename"
LINE = re.compile(r"(\d+) +(?:<\.\.\. (?P<resumed>\w+) resumed>|(?P<call>\w+)\()(?P<rest>.*)")
IDENTIFIER = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
WAL = "decisions.db-wal"


def asked(running: Running, clients: int, each: int) -> list[str]:
    """The identifiers of the answers that so many clients get at once."""
    found: list[str] = []

    def ask() -> None:
        with connected(running.port) as client:
            for _ in range(each):
                client.send(score())
                found.append(client.answer().json()["decision_id"])

    threads = [threading.Thread(target=ask) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


class Call(NamedTuple):
    """A system call, with the lines of the trace on which it began and ended."""

    name: str
    start: int
    end: int
    text: str


def calls_in(path: Path) -> Iterator[Call]:
    """The calls in a trace, in the order of their ends."""
    began: dict[str, tuple[int, str]] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines()):
        match = LINE.match(line)
        if match is None:
            continue
        thread, rest = match[1], match["rest"]
        if match["resumed"]:
            start, text = began.pop(thread, (number, ""))
            yield Call(match["resumed"], start, number, text + rest)
        elif rest.endswith("<unfinished ...>"):
            began[thread] = (number, rest)
        else:
            yield Call(match["call"], number, number, rest)


class Trace:
    """Where in a trace of system calls each record was written, synced and answered, by line number."""

    def __init__(self, calls: Iterator[Call]) -> None:
        self.written: dict[str, int] = {}
        self.answered: dict[str, int] = {}
        self.syncs: list[tuple[int, int]] = []
        """Start and end of each sync of the write-ahead log."""
        for call in calls:
            self._ended(*call)

    def _ended(self, call: str, start: int, end: int, text: str) -> None:
        names = IDENTIFIER.findall(text)
        if call in ("fdatasync", "fsync"):
            if WAL in text and text.endswith("= 0"):
                self.syncs.append((start, end))
        elif WAL in text:
            for name in names:
                self.written.setdefault(name, end)
        elif "HTTP/1.1 200 OK" in text:
            for name in names:
                self.answered.setdefault(name, start)

    def synced(self, name: str) -> bool:
        """Whether a sync began after the record was written and had ended before its answer was sent."""
        return any(self.written[name] < start and end < self.answered[name] for start, end in self.syncs)


@contextlib.contextmanager
def traced(folder: Path, trace: Path, bundle: Path) -> Iterator[Running]:
    """A server whose system calls are written down; it has ended when the block has."""
    tracer = ["strace", "-f", "-y", "-s", "8192", "-e", f"trace={CALLS}", "-o", str(trace)]
    with serving(folder / "state", "--bundle", str(bundle), tracer=tracer) as running:
        yield running
        (server,) = Path(f"/proc/{running.process.pid}/task/{running.process.pid}/children").read_text().split()
        os.kill(int(server), 15)
        running.process.wait(60)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace: apt-get install strace")
def test_an_fsync_lies_between_each_record_and_its_answer(tmp_path: Path, small_bundle: Path) -> None:
    trace = tmp_path / "trace"
    with traced(tmp_path, trace, small_bundle) as running:
        names = asked(running, 1, 20) + asked(running, 8, 10)
    seen = Trace(calls_in(trace))
    assert len(set(names)) == 100
    assert set(names) <= set(seen.written)
    assert set(names) <= set(seen.answered)
    assert [name for name in names if not seen.synced(name)] == []
    assert len(seen.syncs) < len(names), "eight clients at once should share syncs"


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace: apt-get install strace")
def test_each_chunk_of_a_file_and_its_name_are_synced_before_the_chunks_answers_are_written(
    tmp_path: Path, small_bundle: Path
) -> None:
    trace = tmp_path / "trace"
    content = small_table(120_000).drop("outcome").write_csv()
    with traced(tmp_path, trace, small_bundle) as running, running.client() as client:
        found = client.post("/v1/score/file", content=content, headers={"content-type": "text/csv"}, timeout=300)
        assert found.text.count("\n") == 120_001
        folder = running.state / "files" / found.headers["x-file-id"]
    calls = [call for call in calls_in(trace) if folder.name in call.text]
    said = [call for call in calls if call.name == "write" and re.match(r"\d+<(socket|pipe):", call.text)]
    kept, first = chunks(folder), 1
    assert len(kept) == 3
    for path in kept:
        for name in (path.name, f"{path.stem}.protected.parquet"):
            synced = ended_by(calls, "fsync", f"/.{name}.part>")
            moved = ended_by(calls, "rename", f'/{name}"')
            assert synced.end < moved.start
        folders = [call for call in calls if call.name == "fsync" and f"/{folder.name}>" in call.text]
        answer = next(call for call in said if f"{folder.name}.{first}," in call.text)
        assert any(moved.end < call.start and call.end < answer.start for call in folders), path.name
        first += pl.read_parquet(path).height


def ended_by(calls: list[Call], name: str, holding: str) -> Call:
    """The only call of a name whose text holds another; it went well."""
    (found,) = [call for call in calls if call.name == name and holding in call.text]
    assert found.text.endswith("= 0")
    return found


@contextlib.contextmanager
def small_disk(folder: Path, megabytes: int = 4) -> Iterator[Path]:
    """A file system of a few megabytes."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("needs the right to mount a small tmpfs")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(path: Path) -> None:
    """Take all the room that is left."""
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"\0" * 4_096)


def wait_for_alerts(client: Raw, wanted: list[str]) -> None:
    """Wait until the service says what needs a person."""
    for _ in range(100):
        client.send(b"GET /health/ready HTTP/1.1\r\nhost: localhost\r\n\r\n")
        found = client.answer()
        assert found.status == 200
        if list(found.json()["alerts"]) == wanted:
            return
        time.sleep(0.1)
    raise AssertionError(f"alerts are {found.json()['alerts']}, not {wanted}")


def test_a_full_disk_stops_scoring_until_there_is_room(tmp_path: Path, small_bundle: Path) -> None:
    with small_disk(tmp_path / "disk") as disk, serving(tmp_path, "--bundle", str(small_bundle), state=disk) as running:
        answered = asked(running, 2, 10)
        fill(disk / "filler")
        refused = 0
        with connected(running.port) as client:
            for _ in range(60):  # what is left of the last pages may take a few more
                client.send(score())
                found = client.answer()
                if found.status == 200:
                    answered.append(found.json()["decision_id"])
                else:
                    assert (found.status, found.headers["retry-after"]) == (503, "5")
                    assert found.json()["type"].endswith("not-recorded")
                    refused += 1
            assert refused > 20
            wait_for_alerts(client, ["records"])
            client.send(b"GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n")
            assert client.answer().status == 200
            (disk / "filler").unlink()
            client.send(score())
            found = client.answer()
            assert found.status == 200
            answered.append(found.json()["decision_id"])
            wait_for_alerts(client, [])
        connection = connect(disk / "decisions.db", read_only=True)
        kept = [name for (name,) in connection.execute("SELECT id FROM events")]
        connection.close()
        assert sorted(kept) == sorted(answered)


def test_a_full_disk_ends_no_worker_that_counts_what_a_key_asks(tmp_path: Path, small_bundle: Path) -> None:
    """The counts lie in a file with holes that is mapped into memory: to write to a hole would be a SIGBUS."""
    with small_disk(tmp_path / "disk") as disk:
        store = KeyStore(disk / "keys.json")
        keys = [store.create(f"key {number}", ("score",), 1_000)[1] for number in range(6)]
        with serving(tmp_path, "--bundle", str(small_bundle), state=disk) as running, connected(running.port) as client:

            def ask(key: str) -> tuple[int, str]:
                client.send(score(BODY, f"x-api-key: {key}"))
                found = client.answer()
                return found.status, found.json().get("type", "").rpartition(":")[2]

            assert ask(keys[0]) == (200, "")
            fill(disk / "filler")
            assert ask(keys[-1]) == (503, "not-counted")
            (disk / "filler").unlink()
            assert [ask(key) for key in keys] == [(200, "")] * len(keys)


@pytest.mark.parametrize("asgi", [False, True], ids=["protocol", "asgi"])
def test_what_is_kept_of_applicants_is_the_services_users_alone(tmp_path: Path, small_bundle: Path, asgi: bool) -> None:
    state = tmp_path / "state"
    with (
        serving(tmp_path, asgi=asgi, state=state, CREDITRISK_SERVICE_BUNDLE=str(small_bundle)) as running,
        running.client() as client,
    ):
        content = small_table(20).drop("outcome").write_csv()
        assert client.post("/v1/score/file", content=content, headers={"content-type": "text/csv"}).status_code == 200
        assert asked(running, 1, 1)
    kept = [path for path in state.rglob("*") if path.is_file()]
    assert {"decisions.db", "00000.parquet", "00000.protected.parquet"} <= {path.name for path in kept}
    assert [path for path in (state, *kept) if path.stat().st_mode & 0o077] == []


def test_a_disk_that_fills_in_the_middle_of_a_file_breaks_the_answer_off(tmp_path: Path, small_bundle: Path) -> None:
    content = small_table(300_000).drop("outcome").write_csv().encode()
    room = (len(content) >> 20) + 5  # for the upload and a part of its six megabytes of records
    parts: list[bytes] = []
    with (
        small_disk(tmp_path / "disk", room) as disk,
        serving(tmp_path, "--bundle", str(small_bundle), state=disk) as running,
        running.client() as client,
    ):
        with client.stream("POST", "/v1/score/file", content=content, headers={"content-type": "text/csv"}) as found:
            assert found.status_code == 200
            with pytest.raises(httpx.RemoteProtocolError):
                parts.extend(found.iter_raw())  # what came before the end stays
        lines = b"".join(parts).decode().splitlines()
        last = IDENTIFIER.search(lines[-2])
        assert last is not None
        kept = sum(pl.read_parquet(path).height for path in chunks(disk / "files" / last[0]))
        assert 0 < len(lines) - 2 <= kept < 300_000
        assert not list((disk / "uploads").iterdir())
        with contextlib.closing(connect(disk / "decisions.db", read_only=True)) as connection:
            assert connection.execute("SELECT status FROM events WHERE kind = 'file'").fetchall() == [("begun",)]
