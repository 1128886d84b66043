"""One application on a connection, and an answer as the bytes that leave."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING

from creditrisk.service.http.border import SECURITY
from creditrisk.service.http.hot import JSON, PROBLEM, Header
from creditrisk.service.problem import Problem

if TYPE_CHECKING:
    from creditrisk.service.http.protocol import HotProtocol

_SECURITY = b"".join(name + b": " + value + b"\r\n" for name, value in SECURITY)
_OK = b"HTTP/1.1 200 OK\r\ncontent-type: " + JSON + b"\r\n" + _SECURITY + b"content-length: "
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class HotCycle:
    """One application, in the place of uvicorn's cycle and with the members its protocol looks at."""

    __slots__ = (
        "active",
        "announced",
        "body",
        "disconnected",
        "headers",
        "keep_alive",
        "message_event",
        "more_body",
        "protocol",
        "response_complete",
        "size",
    )

    def __init__(self, protocol: HotProtocol, headers: list[Header], keep_alive: bool) -> None:
        self.protocol, self.headers, self.keep_alive = protocol, headers, keep_alive
        self.body: bytes | bytearray = b""
        self.size = 0
        self.more_body = True
        self.active = False
        """Whether it is this request's turn."""
        self.announced = False
        """Whether the headers that announce a body were looked at: only where the body did not come along."""
        self.disconnected = self.response_complete = False
        self.message_event = protocol  # uvicorn calls its ``set``

    def respond(self, status: int, headers: Iterable[Header], body: bytes) -> bool:
        """Write the answer; False, and nothing is written, where the client is gone or has one already."""
        if self.response_complete or self.disconnected:
            return False
        self.response_complete = True
        if status == 200 and self.keep_alive and not headers:
            content = b"%b%d\r\n\r\n%b" % (_OK, len(body), body)
        else:
            content = written(status, headers, body, self.keep_alive)
        self.protocol.finish(self, content)
        return True


def written(status: int, headers: Iterable[Header], body: bytes, keep_alive: bool) -> bytes:
    """An answer with its head."""
    if status == 200:
        head = [_OK]
    else:
        line = b"HTTP/1.1 %d %b\r\ncontent-type: %b\r\n" % (status, HTTPStatus(status).phrase.encode(), PROBLEM)
        head = [line, _SECURITY, b"content-length: "]
    head.append(b"%d\r\n" % len(body))
    for name, value in headers:
        head.append(name + b": " + value + b"\r\n")
    if not keep_alive:
        head.append(b"connection: close\r\n")
    head += (b"\r\n", body)
    return b"".join(head)


def refusal(problem: Problem) -> bytes:
    """A problem as the last answer on a connection."""
    headers = [(name.lower().encode(), value.encode()) for name, value in problem.headers.items()]
    return written(problem.status, headers, problem.body(), keep_alive=False)


def announced(headers: Iterable[Header]) -> tuple[int, bool]:
    """The body's size as Content-Length says it (0 where it does not), and whether the client waits for a go-ahead."""
    size, waits = 0, False
    for name, value in headers:
        if name == b"content-length":
            size = int(value)  # the parser lets digits through alone
        elif name == b"expect":
            waits = value.lower() == b"100-continue"
    return size, waits
