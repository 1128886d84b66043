import asyncio
import json
import logging
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request
from service.running import Running

from creditrisk.paths import Project
from creditrisk.service.http.border import Border
from creditrisk.service.http.handlers import install
from creditrisk.service.service import Service
from creditrisk.service.settings import ServiceSettings
from creditrisk.service.telemetry.journal import StandardError


def make(tmp_path: Path, **settings: Any) -> tuple[Border, Service]:
    """A border around an application with routes that misbehave."""
    service = Service(ServiceSettings(state=tmp_path, **settings), Project(tmp_path))
    app = FastAPI()
    install(app)

    @app.get("/fails")
    async def fails() -> None:
        raise RuntimeError("Zebedee's income is 17")

    @app.get("/sleeps")
    async def sleeps() -> None:
        await asyncio.sleep(3_600)

    @app.post("/reads")
    async def reads(request: Request) -> int:
        return len(await request.body())

    @app.get("/counts/{number}")
    async def counts(number: int) -> int:
        return number

    return Border(app, service, app.routes), service


async def ask(
    border: Border, method: str, path: str, *, body: Any = (b"",), headers: tuple[tuple[bytes, bytes], ...] = ()
) -> tuple[int, dict[str, str], bytes]:
    """One request by hand; a body's pieces, or None for one that never comes."""
    scope: dict[str, Any] = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method}
    scope["path"] = path
    scope |= {"raw_path": path.encode(), "query_string": b"", "headers": list(headers), "root_path": ""}
    sent: list[Any] = []
    pieces = list(body or ())

    async def receive() -> Any:
        if body is None:
            await asyncio.sleep(3_600)
        piece = pieces.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

    async def send(message: Any) -> None:
        sent.append(message)

    await border(scope, receive, send)
    lines = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], lines, b"".join(message.get("body", b"") for message in sent[1:])


def test_a_fault_is_a_500_that_says_nothing_and_a_line_that_says_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    logger = logging.getLogger("creditrisk.service")
    monkeypatch.setattr(logger, "handlers", [StandardError()])
    monkeypatch.setattr(logger, "propagate", False)
    border, service = make(tmp_path)
    status, headers, body = asyncio.run(ask(border, "GET", "/fails", headers=((b"x-request-id", b"abc"),)))
    problem = json.loads(body)
    assert (status, problem["type"], problem["request_id"]) == (500, "urn:creditrisk:problem:internal", "abc")
    assert headers["content-type"] == "application/problem+json"
    assert headers["x-content-type-options"] == "nosniff"
    line = json.loads(capsys.readouterr().err)
    assert (line["route"], line["status"], line["request_id"], line["level"]) == ("/fails", 500, "abc", "error")
    assert line["error"].startswith("RuntimeError at test_border.py:")
    assert b"Zebedee" not in body + json.dumps(line).encode()
    assert service.counts.requests["/fails", 500] == 1


def test_a_route_that_takes_too_long_is_cut_off(tmp_path: Path) -> None:
    border, _ = make(tmp_path, request_seconds=0.05)
    status, headers, body = asyncio.run(ask(border, "GET", "/sleeps"))
    assert (status, json.loads(body)["type"], headers["retry-after"]) == (503, "urn:creditrisk:problem:timeout", "5")


def test_a_body_that_never_comes_is_not_waited_for(tmp_path: Path) -> None:
    border, _ = make(tmp_path, request_seconds=0.05)
    status, headers, _ = asyncio.run(ask(border, "POST", "/reads", body=None))
    assert (status, headers["connection"]) == (408, "close")


@pytest.mark.parametrize("headers", [(), ((b"content-length", b"3000"),)])
def test_a_body_over_the_limit_is_refused_as_it_comes_and_as_announced(tmp_path: Path, headers: Any) -> None:
    border, _ = make(tmp_path, max_body_bytes=1_024)
    status, found, body = asyncio.run(ask(border, "POST", "/reads", body=(b"x" * 1_000,) * 3, headers=headers))
    assert (status, found["connection"]) == (413, "close")
    assert "1,024 bytes" in json.loads(body)["detail"]
    assert asyncio.run(ask(border, "POST", "/reads", body=(b"x" * 1_000,)))[2] == b"1000"


def test_a_wrong_parameter_is_a_problem_and_routes_are_counted_by_template(tmp_path: Path) -> None:
    border, service = make(tmp_path)
    status, headers, body = asyncio.run(ask(border, "GET", "/counts/many"))
    assert (status, headers["content-type"]) == (422, "application/problem+json")
    assert json.loads(body)["errors"][0]["field"] == "number"
    asyncio.run(ask(border, "GET", "/counts/3"))
    asyncio.run(ask(border, "GET", "/nowhere"))
    assert dict(service.counts.requests) == {
        ("/counts/{number}", 422): 1,
        ("/counts/{number}", 200): 1,
        ("unmatched", 404): 1,
    }


def test_what_is_refused_before_it_gets_to_its_route_is_counted_there(tmp_path: Path) -> None:
    border, service = make(tmp_path, max_body_bytes=1_024)
    length = ((b"content-length", b"3000"),)
    assert asyncio.run(ask(border, "POST", "/reads", headers=length))[0] == 413
    assert asyncio.run(ask(border, "POST", "/nowhere", headers=length))[0] == 413
    assert dict(service.counts.requests) == {("/reads", 413): 1, ("unmatched", 413): 1}


def test_a_request_id_that_is_none_is_replaced(tmp_path: Path) -> None:
    border, _ = make(tmp_path)
    _, headers, _ = asyncio.run(ask(border, "GET", "/nowhere", headers=((b"x-request-id", b"a b<c>"),)))
    assert "<" not in headers["x-request-id"]
    assert len(headers["x-request-id"]) == 36


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("GET", "/v1/score", 405),
        ("POST", "/v1/score/", 404),
        ("OPTIONS", "/v1/score/batch", 405),
        ("POST", "/v1/score/batch", 403),
        ("POST", "/v1/score", 415),
        ("GET", "/docs/none.js", 404),
        ("GET", "/docs/..%2f..%2fpyproject.toml", 404),
    ],
)
def test_every_error_of_a_real_server_is_a_problem(client: httpx.Client, method: str, path: str, status: int) -> None:
    headers = {"origin": "https://elsewhere.example", "x-request-id": "r-1"}
    found = client.request(method, path, headers=headers)
    assert (found.status_code, found.headers["content-type"]) == (status, "application/problem+json")
    assert found.json()["request_id"] == found.headers["x-request-id"] == "r-1"
    assert found.headers["x-frame-options"] == "DENY"
    assert found.headers["cache-control"] == "no-store"
    assert not [name for name in found.headers if name.startswith("access-control")]
    assert "server" not in found.headers


def test_what_is_no_http_gets_a_problem(running: Running) -> None:
    import socket

    with socket.create_connection(("127.0.0.1", running.port)) as connection:
        connection.sendall(b"nonsense\r\n\r\n")
        answer = b""
        while piece := connection.recv(65_536):
            answer += piece
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"application/problem+json" in answer
