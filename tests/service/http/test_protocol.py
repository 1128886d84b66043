"""What a client can do to a connection: the same through the protocol class and through plain uvicorn."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from service.raw import BODY, LIVE, chunked, connected, score
from service.running import APPLICATION, Running, serving

from creditrisk.model.scorer import Scorer
from creditrisk.service.log.sqlite import connect

PIECES = {"hot": (score(), "score"), "other": (LIVE, "live"), "missing": (LIVE.replace(b"live", b"none"), "none")}
LIMIT = 65_536


@pytest.fixture(scope="session", params=["protocol", "asgi"])
def served(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, small_bundle: Path
) -> Iterator[Running]:
    """A server of either kind."""
    state = tmp_path_factory.mktemp(request.param)
    if request.param == "asgi":
        with serving(state, asgi=True, CREDITRISK_SERVICE_BUNDLE=str(small_bundle)) as found:
            yield found
    else:
        with serving(state, "--bundle", str(small_bundle)) as found:
            yield found


def records(running: Running) -> dict[str, bytes]:
    """Every decision's answer by its identifier."""
    connection = connect(running.state / "decisions.db", read_only=True)
    try:
        return dict(connection.execute("SELECT id, answer FROM events").fetchall())
    finally:
        connection.close()


@pytest.mark.parametrize(
    "order",
    [("hot", "hot"), ("hot", "other"), ("other", "hot"), ("hot", "missing", "hot", "other", "hot"), ("hot",) * 40],
    ids="+".join,
)
def test_pipelined_requests_are_answered_in_their_order(served: Running, order: tuple[str, ...]) -> None:
    with connected(served.port) as client:
        client.send(b"".join(PIECES[name][0] for name in order))
        found = [client.answer() for _ in order]
        client.send(LIVE)
        assert client.answer().json() == {"status": "live"}
    kept = records(served)
    for name, answer in zip(order, found, strict=True):
        if name == "hot":
            assert kept[answer.json()["decision_id"]] == answer.body
        else:
            assert answer.status == (200 if name == "other" else 404)


def test_a_request_may_come_byte_by_byte(served: Running, small_bundle: Path) -> None:
    with connected(served.port) as client:
        for byte in score() + score():
            client.send(bytes([byte]))
        expected = Scorer.load(small_bundle).score_row(APPLICATION)
        assert [client.answer().json()["pd"] for _ in range(2)] == [expected.pd] * 2


def test_a_body_may_come_in_chunks(served: Running) -> None:
    with connected(served.port) as client:
        client.send(chunked(BODY[:10], BODY[10:11], BODY[11:]) + LIVE)
        assert client.answer().status == 200
        assert client.answer().json() == {"status": "live"}


def test_a_trailer_is_no_header(served: Running) -> None:
    with connected(served.port) as client:
        client.send(chunked(BODY, trailer="content-type: text/plain\r\nx-request-id: smuggled\r\n"))
        found = client.answer()
        if not served.asgi:  # plain uvicorn takes it for one
            assert (found.status, found.headers.get("x-request-id")) == (200, None)


@pytest.mark.parametrize("name", ["one piece", "chunks", "announced"])
def test_a_body_over_the_limit_is_refused(served: Running, name: str) -> None:
    large = b" " * (LIMIT + 1)
    content = {
        "one piece": score(large),
        "chunks": chunked(large[:40_000], large[40_000:]),
        "announced": score(large)[: -len(large)],
    }[name]
    with connected(served.port) as client:
        client.send(content)
        found = client.answer()
        assert found.status == 413
        assert f"{LIMIT:,}" in found.json()["detail"]


def test_a_body_of_exactly_the_limit_is_taken(served: Running) -> None:
    with connected(served.port) as client:
        client.send(score(BODY + b" " * (LIMIT - len(BODY))))
        assert client.answer().status == 200


def test_a_client_that_waits_for_a_go_ahead_gets_it(served: Running) -> None:
    with connected(served.port) as client:
        head, body = score(BODY, "expect: 100-continue").split(b"\r\n\r\n")
        client.send(head + b"\r\n\r\n")
        assert client.answer().status == 100
        client.send(body)
        assert client.answer().status == 200
        client.send(score(b" " * (LIMIT + 1), "expect: 100-continue").split(b"\r\n\r\n")[0] + b"\r\n\r\n")
        assert client.answer().status == 413


@pytest.mark.parametrize(
    "content",
    [score(version="1.0"), score(BODY, "connection: close"), score(BODY, "connection: Close, te")],
    ids=["1.0", "close", "list"],
)
def test_a_connection_ends_where_the_client_wants_it(served: Running, content: bytes) -> None:
    before = len(records(served))
    with connected(served.port) as client:
        client.send(content + score())
        found = client.answer()
        assert (found.status, found.headers["connection"]) == (200, "close")
        assert client.ended()
    assert len(records(served)) == before + 1  # what comes after the last request is not taken up


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "OPTIONS", "DELETE"])
def test_another_method_is_not_allowed(served: Running, method: str) -> None:
    with connected(served.port) as client:
        client.send(score(b"", method=method) + LIVE)
        found = client.answer(head=method == "HEAD")
        assert (found.status, found.headers["allow"]) == (405, "POST")
        assert client.answer().json() == {"status": "live"}


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/v1/score?x=1", 200),
        ("/v1/%73core", 200),
        ("http://x/v1/score", 200),
        ("/v1/score/", 404),
        ("//v1/score", 404),
        ("/v1/scores", 404),
        ("/V1/score", 404),
    ],
)
def test_how_the_path_may_be_written(served: Running, target: str, status: int) -> None:
    with connected(served.port) as client:
        client.send(score(target=target) + LIVE)
        assert client.answer().status == status
        assert client.answer().json() == {"status": "live"}


@pytest.mark.parametrize("upgrade", ["h2c", "websocket", "TLS/1.3"])
def test_an_upgrade_is_not_taken_up(served: Running, upgrade: str) -> None:
    with connected(served.port) as client:
        content = score(BODY, f"upgrade: {upgrade}", "connection: upgrade", "sec-websocket-version: 13")
        for part in (content[:-50], content[-50:]):
            client.send(part)
        # The parser drops the body of such a request; the protocol class reads it again as if nothing had been wished.
        assert client.answer().status in ((400,) if served.asgi else (200,))


@pytest.mark.parametrize("method", ["GET", "CONNECT"])
def test_nothing_but_HTTP_is_spoken(served: Running, method: str) -> None:  # noqa: N802
    with connected(served.port) as client:
        target = "x:1" if method == "CONNECT" else "/health/live"
        client.send(score(b"", "upgrade: websocket", "connection: upgrade", target=target, method=method))
        assert client.answer().status == (400 if method == "CONNECT" else 200)


START = b"POST /v1/score HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
INVALID = {
    "length and chunks": START + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and length": START + b"transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n",
    "two lengths": START + b"content-length: 5\r\ncontent-length: 6\r\n\r\nabcdef",
    "the same length twice": START + b"content-length: 2\r\ncontent-length: 2\r\n\r\n{}",
    "lengths in a list": START + b"content-length: 2, 2\r\n\r\n{}",
    "negative length": START + b"content-length: -1\r\n\r\n",
    "huge length": START + b"content-length: 99999999999999999999999\r\n\r\n",
    "chunked twice over": START + b"transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "another coding": START + b"transfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
    "wrong chunk size": START + b"transfer-encoding: chunked\r\n\r\n0x5\r\nabcde\r\n0\r\n\r\n",
    "space before colon": START + b"content-length : 2\r\n\r\n{}",
    "folded header": START + b"x: a\r\n b\r\ncontent-length: 2\r\n\r\n{}",
    "zero byte": START + b"x: a\0b\r\ncontent-length: 2\r\n\r\n{}",
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello\r\n\r\n",
    "wrong version": b"GET /health/live HTTP/9.9\r\n\r\n",
}


@pytest.mark.parametrize("name", INVALID)
def test_what_two_parsers_could_read_differently_is_refused(served: Running, name: str) -> None:
    before = len(records(served))
    with connected(served.port) as client:
        client.send(INVALID[name])
        assert client.answer().status == 400
        assert client.ended()
    assert len(records(served)) == before


@pytest.mark.parametrize(
    ("sent", "answers"),
    [
        (score(), 1),
        (LIVE, 1),
        (score() * 20, 20),
        (score(f"[{','.join([BODY.decode()] * 200)}]".encode(), target="/v1/score/batch"), 1),
        (score() + LIVE[:9], 1),
        (score()[:-1], 0),
        (LIVE[:-1], 0),
    ],
    ids=["hot", "other", "pipelined", "slow", "half of a second", "half a body", "half a head"],
)
def test_who_sends_no_more_after_a_whole_request_is_answered_before_the_end(
    running: Running, sent: bytes, answers: int
) -> None:
    """As ``nc -N`` does; before, the record was written and its answer was not."""
    with connected(running.port) as client:
        client.send(sent)
        client.socket.shutdown(socket.SHUT_WR)
        assert [client.answer().status for _ in range(answers)] == [200] * answers
        assert client.ended()
