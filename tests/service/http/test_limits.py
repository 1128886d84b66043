"""What holds a connection up: a disk that waits, a client that does not read or does not finish, a stop."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from service.raw import BODY, LIVE, Raw, chunked, connected, score
from service.running import Running, serving

from creditrisk.service.http.connection import HEAD_BYTES
from creditrisk.service.log.sqlite import connect, locked

CONNECTIONS = 20
WRONG = b"POST /v1/score HTTP/1.1\r\ncontent-length: 0\r\n\r\n"
"""Refused at once, without a record."""


@pytest.fixture(scope="session")
def strict(tmp_path_factory: pytest.TempPathFactory, small_bundle: Path) -> Iterator[Running]:
    """A server that waits a second for a request and takes a few connections."""
    with serving(
        tmp_path_factory.mktemp("strict"),
        "--bundle",
        str(small_bundle),
        CREDITRISK_SERVICE_REQUEST_SECONDS="1",
        CREDITRISK_SERVICE_MAX_CONNECTIONS=str(CONNECTIONS),
    ) as found:
        yield found


def held(running: Running) -> contextlib.AbstractContextManager[None]:
    """Keep every record, and so every answer, back until the block ends."""
    return locked(running.state / "decisions.db")


def recorded(running: Running) -> set[str]:
    connection = connect(running.state / "decisions.db", read_only=True)
    try:
        return {name for (name,) in connection.execute("SELECT id FROM events")}
    finally:
        connection.close()


def wait_for(running: Running, count: int) -> set[str]:
    """Wait until so many records are there."""
    for _ in range(600):
        if len(found := recorded(running)) >= count:
            return found
        time.sleep(0.05)
    raise AssertionError(f"{len(found)} records, waited for {count}")


def test_no_answer_overtakes_one_that_waits_for_the_disk(running: Running) -> None:
    with connected(running.port) as client:
        with held(running):
            client.send(score() + LIVE + score() + score(b"{"))
            assert client.silent()
        assert [client.answer().status for _ in range(4)] == [200, 200, 200, 400]


@pytest.mark.parametrize("rest", [b"\0\0\0\r\n\r\n", b"GET / HTTP/1.1\r\nx : y\r\n\r\n"], ids=["noise", "header"])
def test_what_cannot_be_understood_is_refused_after_what_came_before(running: Running, rest: bytes) -> None:
    with connected(running.port) as client:
        with held(running):
            client.send(score() + LIVE + rest)
            assert client.silent()
        assert [client.answer().status for _ in range(3)] == [200, 200, 400]
        assert client.ended()


def test_a_broken_body_is_refused_in_its_turn(running: Running) -> None:
    broken = chunked(b"{}")[:-7] + b"\r\nzz\r\n"
    with connected(running.port) as client:
        with held(running):
            client.send(score() + broken)
            assert client.silent()
        assert [client.answer().status for _ in range(2)] == [200, 400]
        assert client.ended()
    with connected(running.port) as client:
        client.send(broken)
        assert client.answer().status == 400
        assert client.ended()


def test_a_body_too_large_is_refused_in_its_turn_and_nothing_after_it_is_taken_up(running: Running) -> None:
    with connected(running.port) as client:
        with held(running):
            client.send(score() + chunked(b" " * 40_000, b" " * 40_000) + score())
            assert client.silent()
        assert [client.answer().status for _ in range(2)] == [200, 413]
        assert client.ended()


def test_thousands_of_pipelined_requests_are_answered(running: Running) -> None:
    with connected(running.port) as client:
        with held(running):
            client.send(score() + WRONG * 3_000)
            assert client.silent()
        assert client.answer().status == 200
        assert {client.answer().status for _ in range(3_000)} == {415}


def test_a_client_that_goes_before_its_answer_leaves_a_record_and_no_error(running: Running) -> None:
    before, said = len(recorded(running)), running.settled()
    with held(running):
        for pipelined in (score(), score() + LIVE + score()):
            with connected(running.port) as client:
                client.send(pipelined)
                assert client.silent()
    wait_for(running, before + 2)
    with connected(running.port) as client:
        client.send(score())
        assert client.answer().status == 200
    assert len(recorded(running)) == before + 3  # a request that waited its turn was never begun
    assert running.settled() == said


def test_a_client_that_does_not_read_is_not_read_from(strict: Running) -> None:
    with connected(strict.port) as client:
        client.socket.settimeout(1)
        sent, content = 0, score() + WRONG * 49  # a record in fifty keeps the disk out of it
        with contextlib.suppress(TimeoutError):
            while sent < 200 * 1024 * 1024:
                sent += client.socket.send(content[sent % len(content) :])
        assert sent < 100 * 1024 * 1024, "the server took everything in"
        client.socket.settimeout(30)
        found = [client.answer() for _ in range(sent // len(content) * 50)]
        assert [answer.status for answer in found] == ([200] + [415] * 49) * (len(found) // 50)
        names = {answer.json()["decision_id"] for answer in found if answer.status == 200}
    assert len(names) == len(found) // 50
    assert names <= recorded(strict)


@pytest.mark.parametrize(
    "content",
    [score()[:30], score()[:-1], LIVE[:-2], chunked(BODY)[:-5], score() + score()[:-1], score() + LIVE[:-2]],
    ids=["head", "body", "other head", "chunks", "second body", "second head"],
)
def test_a_request_that_is_never_finished_is_cut_off(strict: Running, content: bytes) -> None:
    with connected(strict.port) as client:
        client.send(content)
        if content.startswith(score()):
            assert client.answer().status == 200
        found = client.answer()
        assert (found.status, found.headers["connection"]) == (408, "close")
        assert client.ended()


def test_bytes_that_trickle_in_gain_no_time(strict: Running) -> None:
    with connected(strict.port) as client:
        with contextlib.suppress(ConnectionError):
            for byte in score():
                client.send(bytes([byte]))
                if not client.silent(0.1):
                    break
        assert client.answer().status == 408


def test_a_connection_without_a_request_is_closed(strict: Running) -> None:
    with connected(strict.port) as client:
        assert client.ended()


def test_a_head_has_a_limit(running: Running) -> None:
    with connected(running.port) as client:
        client.send(b"GET /health/live HTTP/1.1\r\nx: ")
        for _ in range(HEAD_BYTES // 1_000 + 2):
            client.send(b"a" * 1_000)
        assert client.answer().status == 431
        assert client.ended()


@pytest.mark.parametrize("first", [b"", LIVE], ids=["alone", "behind another"])
@pytest.mark.parametrize(
    "start", [b"POST /v1/score HTTP/1.1\r\n", b"GET /health/live HTTP/1.1\r\n"], ids=["hot", "other"]
)
@pytest.mark.parametrize("pieces", [1, 2, 40])
def test_a_heads_limit_is_the_same_however_it_comes(running: Running, start: bytes, first: bytes, pieces: int) -> None:
    for over, status in ((0, {200, 415}), (1, {431})):
        size = HEAD_BYTES + over - len(start) - len(b"host: localhost\r\ncontent-length: 0\r\nx: \r\n\r\n")
        head = start + b"host: localhost\r\ncontent-length: 0\r\nx: " + b"a" * size + b"\r\n\r\n"
        with connected(running.port) as client:
            if first:
                client.send(first)
                assert client.answer().status == 200
            step = -(-len(head) // pieces)
            for at in range(0, len(head), step):
                client.send(head[at : at + step])
            assert client.answer().status in status
            assert not over or client.ended()


def test_a_large_head_in_one_read_is_refused_after_what_came_before(running: Running) -> None:
    large = b"GET /health/live HTTP/1.1\r\nhost: localhost\r\nx: " + b"a" * 100_000 + b"\r\n\r\n"
    with connected(running.port) as client:
        with held(running):
            client.send(score() + large)
            assert client.silent()
        assert [client.answer().status for _ in range(2)] == [200, 431]
        assert client.ended()


def test_a_body_beside_a_head_does_not_count(running: Running) -> None:
    with connected(running.port) as client:
        client.send(score(BODY + b" " * 60_000) + score(BODY + b" " * 60_000))
        assert [client.answer().status for _ in range(2)] == [200, 200]


def refusals(running: Running) -> dict[str, float]:
    """How many requests without a route the metrics count, by status."""
    start = 'creditrisk_requests_total{route="unmatched",status="'
    with running.client() as client:
        lines = [line for line in client.get("/metrics").text.splitlines() if line.startswith(start)]
    return {line[len(start) :][:3]: float(line.rpartition(" ")[2]) for line in lines}


def test_what_is_refused_before_it_is_a_request_is_counted(strict: Running) -> None:
    before = refusals(strict)
    sent = {"400": b"nonsense\r\n\r\n", "408": LIVE[:-2], "431": LIVE[:-2] + b"x: " + b"a" * 40_000}
    for status, content in sent.items():
        with connected(strict.port) as client:
            client.send(content)
            assert client.answer().status == int(status)
            assert client.ended()
    with contextlib.ExitStack() as stack:
        for _ in range(CONNECTIONS):
            stack.enter_context(connected(strict.port)).send(LIVE)
        with connected(strict.port) as one_too_many:
            assert one_too_many.answer().status == 503
            assert one_too_many.ended()
    after = refusals(strict)
    while not after:  # the connections are still being closed
        after = refusals(strict)
    for status in ("400", "408", "431", "503"):
        assert after[status] >= before.get(status, 0.0) + 1, status


def test_trailers_have_a_limit(running: Running) -> None:
    with connected(running.port) as client:
        client.send(chunked(BODY)[:-2])
        assert client.silent(0.2)  # trailers that are read together with the body are not counted
        for number in range(HEAD_BYTES // 1_000 + 1):
            client.send(b"x%d: " % number + b"a" * 1_000 + b"\r\n")
        assert client.answer().status == 431
        assert client.ended()


def test_a_refused_client_that_goes_on_sending_still_sees_why(running: Running) -> None:
    with connected(running.port) as client:
        client.send(score(b" " * 5_000_000))
        assert client.answer().status == 413
        assert client.ended()


def test_connections_have_a_limit(strict: Running) -> None:
    with contextlib.ExitStack() as stack:
        clients: list[Raw] = []
        for _ in range(CONNECTIONS):
            clients.append(stack.enter_context(connected(strict.port)))
            clients[-1].send(LIVE)
            assert clients[-1].answer().status == 200
        with connected(strict.port) as one_too_many:
            found = one_too_many.answer()
            assert (found.status, found.headers["retry-after"]) == (503, "1")
            assert one_too_many.ended()
        clients[0].send(score())
        assert clients[0].answer().status == 200


@pytest.mark.parametrize("asgi", [False, True], ids=["protocol", "asgi"])
def test_a_disk_that_hangs_does_not_hold_a_client_for_good(tmp_path: Path, small_bundle: Path, asgi: bool) -> None:
    request = score(BODY, "idempotency-key: one", "x-request-id: mine")
    bundle = str(small_bundle)
    with (
        serving(
            tmp_path, asgi=asgi, CREDITRISK_SERVICE_BUNDLE=bundle, CREDITRISK_SERVICE_REQUEST_SECONDS="1"
        ) as running,
        connected(running.port) as client,
    ):
        with held(running):
            client.send(request)
            found = client.answer()
            assert (found.status, found.json()["type"]) == (503, "urn:creditrisk:problem:timeout")
            assert "whether it was recorded is not known" in found.json()["detail"]
            assert (found.headers["retry-after"], found.headers["x-request-id"]) == ("5", "mine")
        client.send(request)  # the connection goes on, and the repetition gets what was recorded meanwhile
        again = client.answer()
        assert (again.status, again.headers["idempotency-replayed"]) == (200, "true")
        assert recorded(running) == {again.json()["decision_id"]}
        with running.client() as other:
            page = other.get("/metrics")
            while page.status_code == 503:  # a second is its limit too, and may be short on a busy machine
                page = other.get("/metrics")
            counts = [line for line in page.text.splitlines() if 'route="/v1/score"' in line]
        requests = [line for line in counts if line.startswith("creditrisk_requests_total")]
        assert sorted(line.rpartition(" ")[2] for line in requests) == ["1.0", "1.0"], requests


@pytest.mark.parametrize("asgi", [False, True], ids=["protocol", "asgi"])
def test_a_stop_finishes_what_began(tmp_path: Path, small_bundle: Path, asgi: bool) -> None:
    with serving(tmp_path, asgi=asgi, CREDITRISK_SERVICE_BUNDLE=str(small_bundle)) as running:
        answered: list[str] = []
        lock = threading.Lock()

        def ask() -> None:
            with contextlib.suppress(ConnectionError, EOFError), connected(running.port) as client:
                while True:
                    client.send(score())
                    found = client.answer()
                    assert found.status == 200
                    with lock:
                        answered.append(found.json()["decision_id"])

        threads = [threading.Thread(target=ask) for _ in range(12)]
        for thread in threads:
            thread.start()
        wait_for(running, 200)
        with connected(running.port) as waiting:
            with held(running):
                waiting.send(score())
                assert waiting.silent()
                running.process.send_signal(signal.SIGTERM)
                while accepts(running.port):
                    time.sleep(0.05)
                assert waiting.silent()
            found = waiting.answer()
            assert (found.status, found.headers["connection"]) == (200, "close")
            assert waiting.ended()
        for thread in threads:
            thread.join()
        running.process.wait(30)
        assert recorded(running) == {*answered, found.json()["decision_id"]}
        assert running.complaints() == ""


def accepts(port: int) -> bool:
    """Whether somebody still listens."""
    with contextlib.suppress(ConnectionRefusedError), connected(port):
        return True
    return False
