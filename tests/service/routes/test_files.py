import asyncio
import contextlib
import fcntl
import io
import json
import os
import re
import select
import signal
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest
from service.raw import connected
from service.running import Running, serving
from support import small_table

from creditrisk.model.scorer import Scorer
from creditrisk.paths import Project
from creditrisk.service.files.chunks import BeingScoredError, LocalChunks, chunks, erase_applicant, find, folder_of
from creditrisk.service.files.tally import from_line, tally
from creditrisk.service.files.upload import steadily
from creditrisk.service.files.uploads import Uploads
from creditrisk.service.log.sqlite import connect, locked
from creditrisk.service.problem import Problem
from creditrisk.service.processes.leftovers import alone

CSV = {"content-type": "text/csv"}


def table(rows: int = 300) -> pl.DataFrame:
    return small_table(rows).drop("outcome")


def answers(found: httpx.Response) -> pl.DataFrame:
    assert found.status_code == 200, found.text
    return pl.read_csv(io.BytesIO(found.content))


def as_csv(frame: pl.DataFrame) -> bytes:
    return frame.write_csv().encode()


@pytest.mark.parametrize("form", [True, False])
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_file_gets_the_scorers_own_answers(client: httpx.Client, small_bundle: Path, kind: str, form: bool) -> None:
    content = io.BytesIO()
    table().write_csv(content) if kind == "csv" else table().write_parquet(content)
    if form:
        found = client.post("/v1/score/file", files={"file": (f"loans.{kind}", content.getvalue())})
    else:
        media_type = "text/csv" if kind == "csv" else "application/vnd.apache.parquet"
        found = client.post("/v1/score/file", content=content.getvalue(), headers={"content-type": media_type})
    expected = Scorer.load(small_bundle).score_frame(table())
    got = answers(found)
    assert got["pd"].to_list() == expected["pd"].to_list()
    assert got["reason_1"].to_list() == expected["reason_1"].to_list()
    assert got["row"].to_list() == list(range(1, 301))
    assert got["loan"].to_list() == table()["loan"].to_list()


def test_each_row_is_recorded_under_its_decision_id(client: httpx.Client, running: Running) -> None:
    frame = table(20).with_columns(pl.lit("somebody").alias("applicant_id"))
    got = answers(client.post("/v1/score/file", content=as_csv(frame), headers=CSV))
    name = got["decision_id"][4]
    record = find(running.state, [name])[name]
    assert record["answer:pd"] == got["pd"][4]
    assert record["field:income"] == as_csv(frame).decode().splitlines()[5].split(",")[1]
    assert "field:age" not in record
    apart = chunks(folder_of(running.state, name.split(".")[0]))[0].with_name("00000.protected.parquet")
    assert pl.read_parquet(apart).columns == ["age", "_decision_id"]
    assert erase_applicant(running.state, "somebody") == 20
    assert find(running.state, [name]) == {}
    assert pl.read_parquet(apart).height == 0


def test_a_column_whose_name_is_a_pattern_is_kept_as_any_other(client: httpx.Client, running: Running) -> None:
    """``^age$`` would be found in the protected attributes, which are kept apart."""
    strange = {"*": "star", "^.*$": "all", "^age$": "mine"}
    frame = table(20).with_columns(pl.lit(value).alias(name) for name, value in strange.items())
    (name, *_) = answers(client.post("/v1/score/file", content=as_csv(frame), headers=CSV))["decision_id"]
    record = find(running.state, [name])[name]
    assert {column: record[f"field:{column}"] for column in strange} == strange


def test_a_broken_line_and_a_wrong_value_get_a_verdict_and_stop_nothing(client: httpx.Client) -> None:
    text = b"loan,income,amount,months,purpose\nA,1000,500,12,car\nB,1000,500\nC,1000,minus,12,car\nD,900,500,12,home\n"
    got = answers(client.post("/v1/score/file", content=text, headers=CSV))
    assert [verdict.split(":")[0] for verdict in got["verdict"]] == ["scored", "broken line", "amount", "scored"]
    assert got["pd"].is_null().to_list() == [False, True, True, False]


@pytest.mark.parametrize(
    ("content", "media_type", "status"),
    [
        (b"", "text/csv", 400),
        (b"a,b\n", "text/csv", 422),
        (b"PAR1 and nothing further", "text/csv", 422),
        (b"\x1f\x8b packed", "text/csv", 415),
        (b"{}", "application/json", 415),
        (b"--x\r\n", "multipart/form-data; boundary=x", 400),
        (b"no boundary at all", "multipart/form-data; boundary=x", 400),
        (
            b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n--x--\r\n',
            "multipart/form-data; boundary=x",
            400,
        ),
        (b"x", "multipart/form-data", 400),
        (b"x", "multipart/form-data; boundary*=utf-8''XX", 400),
        (b"x", "multipart/form-data; boundary=" + "x" * 257, 400),
        (b"x", "multipart/form-data; boundary*0*=utf-8''X; boundary*1=Y", 400),
    ],
)
def test_what_is_no_table_gets_a_problem(
    client: httpx.Client, running: Running, content: bytes, media_type: str, status: int
) -> None:
    found = client.post("/v1/score/file", content=content, headers={"content-type": media_type})
    assert (found.status_code, found.headers["content-type"]) == (status, "application/problem+json"), found.text
    assert "uploads" not in json.loads(found.content)["detail"]
    assert not list((running.state / "uploads").iterdir())


@pytest.mark.parametrize(
    "named", ["name=file; FileName=a.csv", "name=\"file\"; filename*=utf-8''%C3%BC.csv", 'filename=""']
)
def test_the_file_of_a_form_is_the_part_that_has_a_files_name(client: httpx.Client, named: str) -> None:
    """A field may be called so, and its value may look so, before the file comes."""
    fields = ['name="filename"', 'name="a; filename=b"']
    parts = [*((field, "a,b\n1,2\n") for field in fields), (named, small_table(3).drop("outcome").write_csv())]
    disposed = "--x\r\nContent-Disposition: form-data; {}\r\n\r\n{}\r\n"
    form = "".join(disposed.format(*part) for part in parts) + "--x--\r\n"
    found = client.post("/v1/score/file", content=form, headers={"content-type": "multipart/form-data; boundary=x"})
    assert answers(found).height == 3


def test_a_file_that_unfolds_beyond_its_memory_is_refused(tmp_path: Path, small_bundle: Path) -> None:
    """The rows differ, since equal ones would be kept once, and lie in one group, since groups are read in turn."""
    rows, content = 20_000, io.BytesIO()
    filler = (pl.int_range(rows, eager=True).cast(pl.String) + pl.lit("x" * 40_000)).alias("purpose")
    table(rows).with_columns(filler).write_parquet(content, compression="zstd", row_group_size=rows)
    assert len(content.getvalue()) < 4_000_000
    limit: Any = {"CREDITRISK_SERVICE_MAX_FILE_MEMORY_BYTES": str(1 << 28)}
    with (
        serving(tmp_path, "--bundle", str(small_bundle), **limit) as running,
        running.client() as client,
    ):
        answers(client.post("/v1/score/file", content=as_csv(table(5)), headers=CSV))
        found = client.post("/v1/score/file", content=content.getvalue(), headers=CSV)
        assert (found.status_code, found.json()["type"]) == (413, "urn:creditrisk:problem:too-large")
        assert found.json()["detail"] == "The file takes more memory to read than a file may."
        assert not list((running.state / "uploads").iterdir())
        answers(client.post("/v1/score/file", content=as_csv(table(5)), headers=CSV))


def eventually(holds: Callable[[], bool]) -> bool:
    """Whether something comes true within a while."""
    for _ in range(200):
        if holds():
            return True
        time.sleep(0.05)
    return False


def children(running: Running) -> list[int]:
    """Processes that work on files for a server; one that is just dying shows no command and still holds its locks."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            command = (folder / "cmdline").read_bytes()
            if parent == running.process.pid and (b"files.work" in command or not command):
                found.append(int(folder.name))
    return found


def scores(client: httpx.Client) -> int:
    """How many scores the metrics count."""
    text = client.get("/metrics").text
    return sum(int(float(value)) for value in re.findall(r"^creditrisk_scores_total{.*} (\S+)$", text, re.MULTILINE))


def ended(running: Running, file_id: str) -> list[tuple[str, str]]:
    """What the log says of a file's end."""
    with contextlib.closing(connect(running.state / "decisions.db", read_only=True)) as connection:
        query = "SELECT status, answer FROM events WHERE kind = 'file' AND subject = ?"
        return [(status, answer.decode()) for status, answer in connection.execute(query, (file_id,))]


def test_a_file_is_counted_and_its_end_is_on_record(client: httpx.Client, running: Running) -> None:
    frame = pl.concat([table(50), table(3).with_columns(pl.lit(-1.0).alias("amount"))])
    before = scores(client)
    found = client.post("/v1/score/file", content=as_csv(frame), headers=CSV)
    assert answers(found)["pd"].null_count() == 3
    assert scores(client) == before + 50
    (end,) = ended(running, found.headers["x-file-id"])
    assert (end[0], json.loads(end[1])) == ("ended", {"rows": 53, "scored": 50, "refused": 3})


@pytest.mark.parametrize("wrong", [b"a,b\n1,2\n", b"loan,income,amount,months,purpose\n", b"PAR1 and nothing further"])
def test_a_refused_file_gives_its_key_back(client: httpx.Client, running: Running, wrong: bytes) -> None:
    headers = CSV | {"idempotency-key": f"corrected-{len(wrong)}"}
    for _ in range(2):
        assert client.post("/v1/score/file", content=wrong, headers=headers).status_code == 422
    right = client.post("/v1/score/file", content=as_csv(table(20)), headers=headers)
    assert answers(right).height == 20
    again = client.post("/v1/score/file", content=as_csv(table(20)), headers=headers)
    assert (again.content, again.headers["idempotency-replayed"]) == (right.content, "true")
    assert client.post("/v1/score/file", content=wrong, headers=headers).status_code == 409
    with contextlib.closing(connect(running.state / "decisions.db", read_only=True)) as connection:
        query = "SELECT id FROM idempotency_events WHERE key = ?"
        assert connection.execute(query, (headers["idempotency-key"],)).fetchall() == [(right.headers["x-file-id"],)]


@pytest.mark.parametrize("form", [True, False])
def test_a_file_sent_again_gets_its_recorded_answers_and_no_second_record(
    client: httpx.Client, running: Running, form: bool
) -> None:
    key = {"idempotency-key": f"file-{form}"}

    def send(frame: pl.DataFrame) -> httpx.Response:
        if form:
            files = {"file": ("loans.csv", as_csv(frame), "text/csv")}
            return client.post("/v1/score/file", files=files, headers=key)
        return client.post("/v1/score/file", content=as_csv(frame), headers=CSV | key)

    first = send(table(120))
    counted = len(list((running.state / "files").iterdir()))
    again = send(table(120))
    assert first.status_code == 200
    assert "idempotency-replayed" not in first.headers
    assert (again.status_code, again.headers["idempotency-replayed"]) == (200, "true")
    assert again.content == first.content
    assert again.headers["x-file-id"] == first.headers["x-file-id"]
    assert len(list((running.state / "files").iterdir())) == counted
    other = send(table(121))
    assert (other.status_code, other.json()["type"]) == (409, "urn:creditrisk:problem:idempotency-conflict")
    assert not list((running.state / "uploads").iterdir())


def test_a_refused_file_is_refused_again_under_its_key(client: httpx.Client) -> None:
    key = CSV | {"idempotency-key": "refused"}
    found = [client.post("/v1/score/file", content=b"nothing,here\n1,2\n", headers=key) for _ in range(2)]
    assert [one.status_code for one in found] == [422, 422]
    assert found[0].json()["detail"] == found[1].json()["detail"]


def test_a_file_that_was_broken_off_is_scored_on_under_its_key(
    client: httpx.Client, running: Running, small_bundle: Path
) -> None:
    frame = table(160_000)
    before = scores(client)
    content, folder = as_csv(frame), break_off(running, as_csv(frame), "broken-off")
    done = {path.name: path.stat().st_mtime_ns for path in chunks(folder)}
    assert 0 < len(done) < 4
    key = CSV | {"idempotency-key": "broken-off"}
    with being_scored(folder):
        found = client.post("/v1/score/file", content=content, headers=key)
        assert (found.status_code, found.json()["type"]) == (409, "urn:creditrisk:problem:file-not-complete")
    found = client.post("/v1/score/file", content=content, headers=key)
    assert (found.headers["x-file-id"], found.headers["idempotency-replayed"]) == (folder.name, "true")
    got = answers(found)
    assert got["row"].to_list() == list(range(1, 160_001))
    assert got["pd"].to_list() == Scorer.load(small_bundle).score_frame(frame)["pd"].to_list()
    assert {name: (folder / name).stat().st_mtime_ns for name in done} == done, "what was recorded is left as it is"
    recorded = pl.concat(pl.read_parquet(path, columns=["_decision_id"]) for path in chunks(folder))
    assert recorded["_decision_id"].to_list() == got["decision_id"].to_list()
    assert scores(client) == before + 160_000
    (end,) = ended(running, folder.name)
    assert json.loads(end[1])["rows"] == 160_000
    assert client.post("/v1/score/file", content=content, headers=key).content == found.content


def test_rows_that_were_erased_count_as_done_where_a_file_is_scored_on(client: httpx.Client, running: Running) -> None:
    frame = table(120_000).with_columns(applicant_id=pl.Series([f"P{n % 1_000}" for n in range(120_000)]))
    folder = break_off(running, as_csv(frame), "erased-since")
    done = sum(pl.read_parquet(path, columns=["_decision_id"]).height for path in chunks(folder))
    assert 0 < done < 120_000
    erased = set(range(1_000, done + 1, 1_000))
    assert client.delete("/v1/applicants/P999").json()["file_rows"] == len(erased)
    key = CSV | {"idempotency-key": "erased-since"}
    got = answers(client.post("/v1/score/file", content=as_csv(frame), headers=key))
    assert got["row"].to_list() == [row for row in range(1, 120_001) if row not in erased]


def test_a_file_that_was_broken_off_is_not_scored_on_by_another_model(
    tmp_path: Path, small_bundle_of: Callable[[str], Path]
) -> None:
    content, key = as_csv(table(120_000)), CSV | {"idempotency-key": "a"}
    with serving(tmp_path, "--bundle", str(small_bundle_of("scorecard"))) as running:
        folder = break_off(running, content, "a")
    with serving(tmp_path, "--bundle", str(small_bundle_of("ebm"))) as running, running.client() as client:
        found = client.post("/v1/score/file", content=content, headers=key)
        assert (found.status_code, found.json()["type"]) == (409, "urn:creditrisk:problem:file-not-complete")
        assert folder.name in found.json()["detail"]
        assert "Send it with a new key" in found.json()["detail"]


def break_off(running: Running, content: bytes, key: str) -> Path:
    """Send a file and go away while its answer comes; returns where its chunks lie."""
    there = set((running.state / "files").glob("*"))
    with connected(running.port) as raw:
        head = f"content-type: text/csv\r\nidempotency-key: {key}\r\ncontent-length: {len(content)}\r\n\r\n"
        raw.send(b"POST /v1/score/file HTTP/1.1\r\nhost: localhost\r\n" + head.encode() + content)
        assert raw.socket.recv(15) == b"HTTP/1.1 200 OK"
    assert eventually(lambda: not children(running))
    (folder,) = set((running.state / "files").glob("*")) - there
    return folder


@contextlib.contextmanager
def being_scored(folder: Path) -> Iterator[None]:
    kept = LocalChunks(folder.parents[1], folder.name)
    try:
        yield
    finally:
        kept.close()


def test_a_simulated_file_is_not_counted(client: httpx.Client) -> None:
    before = scores(client)
    answers(client.post("/v1/score/file?purpose=simulation", content=as_csv(table(50)), headers=CSV))
    assert scores(client) == before


def test_a_tally_counts_as_single_scores_are_counted(small_bundle: Path) -> None:
    from creditrisk.service.telemetry.counts import Counts

    scorer = Scorer.load(small_bundle)
    frame = scorer.score_frame(table(200).with_columns(pl.lit("oak").alias("purpose")))
    limits = scorer.reference["pd"]["edges"]
    many, single = Counts(), Counts()
    for counts in (many, single):
        counts.watch("1@x", limits)
    assert from_line(tally(frame, limits).line("a"), "b") is None
    found = from_line(tally(frame, limits).line("a"), "a")
    assert found is not None
    found.count(many, "1@x")
    for row in frame.iter_rows(named=True):
        if row["pd"] is not None:
            single.scored(row["band"], row["decision"], "1@x", row["pd"])
    assert (many.scores, many.bins) == (single.scores, single.bins)
    assert sum(many.bins["1@x"][1]) == found.scored == 200


@pytest.mark.parametrize("line", ['{"rows":5,"scored":5,"scores":[["A","approve",777777]]}', "{no json"])
def test_a_name_of_a_column_is_never_taken_for_counts(client: httpx.Client, line: str) -> None:
    before = scores(client)
    name = "x\n" + line + "\n"
    answer = client.post("/v1/score/file", content=pl.DataFrame({name: [1], "b": [2]}).write_csv(), headers=CSV)
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:creditrisk:problem:unreadable-file")
    assert scores(client) == before


def test_a_refusal_that_quotes_a_very_long_name_is_one(client: httpx.Client) -> None:
    answer = client.post("/v1/score/file", content=f"{'x' * 600_000},b\n1,2\n", headers=CSV)
    assert answer.status_code == 422
    assert len(answer.json()["detail"]) < 3_000


@pytest.mark.parametrize("begun", [True, False], ids=["while the answer comes", "before it comes"])
def test_a_client_that_leaves_ends_the_work_and_leaves_nothing_behind(
    client: httpx.Client, running: Running, begun: bool
) -> None:
    content = as_csv(table(100_000))
    said = running.settled()
    with connected(running.port) as raw:
        head = "POST /v1/score/file HTTP/1.1\r\nhost: localhost\r\ncontent-type: text/csv\r\n"
        head += f"content-length: {len(content)}"
        raw.send(head.encode() + b"\r\n\r\n" + content)
        if begun:
            assert raw.socket.recv(15) == b"HTTP/1.1 200 OK"
        else:
            assert eventually(lambda: bool(children(running)))
    assert eventually(lambda: not children(running))
    assert eventually(lambda: not list((running.state / "uploads").iterdir()))
    assert running.settled() == said


@pytest.mark.slow
def test_work_that_was_stopped_by_a_signal_is_ended_and_its_client_told(client: httpx.Client, running: Running) -> None:
    content = as_csv(table(50))
    with connected(running.port) as raw:
        head = "POST /v1/score/file HTTP/1.1\r\nhost: localhost\r\ncontent-type: text/csv\r\n"
        raw.send(f"{head}content-length: {len(content)}\r\n\r\n".encode() + content[:100])
        assert eventually(lambda: bool(children(running)))
        (child,) = children(running)
        os.kill(child, signal.SIGSTOP)
        raw.send(content[100:])
        found = raw.answer()
        assert (found.status, found.json()["type"]) == (500, "urn:creditrisk:problem:file-failed")
    assert eventually(lambda: not children(running))
    assert eventually(lambda: not list((running.state / "uploads").iterdir()))


def test_a_file_whose_beginning_cannot_be_recorded_is_not_scored(tmp_path: Path, small_bundle: Path) -> None:
    with (
        serving(tmp_path, "--bundle", str(small_bundle), CREDITRISK_SERVICE_REQUEST_SECONDS="1") as running,
        running.client() as client,
        locked(running.state / "decisions.db"),
    ):
        found = client.post("/v1/score/file", content=as_csv(table(5)), headers=CSV)
        assert (found.status_code, found.json()["type"]) == (503, "urn:creditrisk:problem:not-recorded")
        assert not (running.state / "files").exists()


async def pieces(waits: list[float], size: int) -> AsyncIterator[bytes]:
    for wait in waits:
        await asyncio.sleep(wait)
        yield b"x" * size


def received(waits: list[float], size: int) -> int:
    """Bytes of a body that gives out for half a second of waiting and should bring a thousand in one."""

    async def read() -> int:
        return sum([len(piece) async for piece in steadily(pieces(waits, size), 0.5, 1_000)])

    return asyncio.run(read())


def test_an_upload_that_comes_steadily_may_take_its_time() -> None:
    assert received([0.02] * 100, 1_000) == 100_000


@pytest.mark.parametrize(("waits", "size"), [([3_600.0], 1), ([0.01] * 1_000, 1), ([0.0] * 10 + [3_600.0], 1_000_000)])
def test_an_upload_that_does_not_come_or_drips_or_stalls_after_a_fast_start_is_refused(
    waits: list[float], size: int
) -> None:
    with pytest.raises(Problem, match=r"less than 1,000 bytes a second for 0\.5 seconds") as caught:
        received(waits, size)
    assert (caught.value.status, caught.value.kind) == (408, "too-slow")


@pytest.mark.parametrize("asgi", [False, True], ids=["protocol", "asgi"])
def test_a_client_that_drips_gives_its_place_back(tmp_path: Path, small_bundle: Path, asgi: bool) -> None:
    settings = {"REQUEST_SECONDS": "2", "MIN_UPLOAD_RATE": "100000", "MAX_FILES": "1", "BUNDLE": str(small_bundle)}
    environment: Any = {f"CREDITRISK_SERVICE_{name}": value for name, value in settings.items()}
    with serving(tmp_path, asgi=asgi, **environment) as running, running.client() as client:
        with connected(running.port) as raw:
            raw.send(
                b"POST /v1/score/file HTTP/1.1\r\nhost: localhost\r\n"
                b"content-type: text/csv\r\ncontent-length: 9999\r\n\r\n"
            )
            for _ in range(200):
                if select.select([raw.socket], [], [], 0.1)[0]:
                    break
                raw.send(b"x")
            found = raw.answer()
            assert (found.status, found.json()["type"]) == (408, "urn:creditrisk:problem:too-slow")
            assert found.headers["connection"] == "close"
        assert not list((running.state / "uploads").iterdir())
        answers(client.post("/v1/score/file", content=as_csv(table(5)), headers=CSV))


def test_only_so_many_files_are_scored_at_once(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path, 1)
    first = uploads.take("a")
    with pytest.raises(Problem, match="1 files are being scored already"):
        uploads.take("b")
    first.remove()
    first.remove()
    second = uploads.take("b")
    with pytest.raises(Problem):
        uploads.take("c")
    second.remove()


def left_by_a_killed_process(state: Path) -> list[Path]:
    """One of each kind; the file's first chunk is whole."""
    folder = folder_of(state, FILE)
    folder.mkdir(parents=True)
    (state / "uploads").mkdir(exist_ok=True)
    for name in ("00000.parquet", "00000.protected.parquet"):
        (folder / name).write_text("on record")
    names = [".00001.parquet.part", ".00001.protected.parquet.part", "00001.protected.parquet"]
    left = [state / "uploads" / FILE, *(folder / name for name in names)]
    for path in left:
        path.write_text("somebody's income")
    return left


FILE = "018bcfe5-68aa-7abc-89ab-0123456789ab"


def test_what_a_killed_process_left_is_removed_at_once(tmp_path: Path) -> None:
    left = left_by_a_killed_process(tmp_path)
    Uploads(tmp_path, 2).sweep()
    assert [path for path in left if path.exists()] == []
    assert len(list(folder_of(tmp_path, FILE).iterdir())) == 2


def test_what_is_worked_on_is_left_alone_until_its_process_ends(tmp_path: Path) -> None:
    worked_on = Uploads(tmp_path, 2).take("worked-on")
    upload, *drafts = left_by_a_killed_process(tmp_path)
    uploads = Uploads(tmp_path, 2)
    scored = folder_of(tmp_path, FILE)
    with alone(scored) as held:
        assert held
        uploads.sweep()
        assert not upload.exists()
        assert all(path.exists() for path in drafts)
        assert worked_on.path.exists()
    for path in (*drafts, scored, worked_on.path):
        os.utime(path, (1, 1))
    uploads.sweep()
    assert not any(path.exists() for path in drafts), "the folder was not written to since, and is looked at again"
    assert worked_on.path.exists()
    worked_on.remove()
    assert not worked_on.path.exists()


def test_an_upload_that_is_swept_before_it_is_locked_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, swept = fcntl.flock, list[int]()

    def sweeping(file: Any, how: int) -> None:
        if how == fcntl.LOCK_EX and not swept:
            swept.append(1)
            Uploads(tmp_path, 1).sweep()
        lock(file, how)

    monkeypatch.setattr(fcntl, "flock", sweeping)
    upload = Uploads(tmp_path, 1).take("a")
    assert upload.path.exists()
    upload.remove()


def test_who_looks_whether_something_is_left_keeps_no_file_from_being_scored(tmp_path: Path) -> None:
    folder_of(tmp_path, FILE).mkdir(parents=True)
    with alone(folder_of(tmp_path, FILE)):
        looking = threading.Thread(target=lambda: LocalChunks(tmp_path, FILE).close())
        looking.start()
    looking.join()
    with being_scored(folder_of(tmp_path, FILE)), pytest.raises(BeingScoredError):
        LocalChunks(tmp_path, FILE)


def test_a_server_sweeps_while_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from creditrisk.service import service as module
    from creditrisk.service.settings import ServiceSettings

    monkeypatch.setattr(module, "SWEEP_SECONDS", 0.01)

    async def work() -> None:
        service = module.Service(ServiceSettings(state=tmp_path, bundle=tmp_path), Project(tmp_path))
        await service.start()
        left = left_by_a_killed_process(tmp_path)
        for _ in range(500):
            if not any(path.exists() for path in left):
                break
            await asyncio.sleep(0.01)
        await service.stop()
        assert [path for path in left if path.exists()] == []

    asyncio.run(work())
