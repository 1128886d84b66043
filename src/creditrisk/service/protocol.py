"""uvicorn's HTTP protocol with the hot path inside: no task, no scope and no future for a single application.

``POST /v1/score`` is answered from the parser's call backs; every other request goes the usual way. What the usual way
does for safety holds here as well: answers leave in the order of the requests (a pipelined request waits for the one
before it), reading stops while the client does not take its answers, a body over the limit ends the connection, a
request that is never finished is cut off, and a shutdown finishes what began.
"""

from __future__ import annotations

import asyncio
import time
from asyncio.events import TimerHandle
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from creditrisk.service.front import SECURITY, Front, too_large
from creditrisk.service.hot import JSON, PATH, PROBLEM, Header
from creditrisk.service.problem import Problem
from creditrisk.service.settings import is_loopback

if TYPE_CHECKING:
    from uvicorn.config import Config
    from uvicorn.server import ServerState

_PATH = PATH.encode()
_LINES = b"".join(name + b": " + value + b"\r\n" for name, value in SECURITY)
_OK = b"HTTP/1.1 200 OK\r\ncontent-type: " + JSON + b"\r\n" + _LINES + b"content-length: "
_PHRASES = {
    400: b"Bad Request",
    401: b"Unauthorized",
    403: b"Forbidden",
    408: b"Request Timeout",
    409: b"Conflict",
    413: b"Content Too Large",
    415: b"Unsupported Media Type",
    422: b"Unprocessable Content",
    429: b"Too Many Requests",
    503: b"Service Unavailable",
}


class HotCycle:
    """One application on a connection, in the place of uvicorn's cycle and with the members its protocol looks at."""

    __slots__ = (
        "active",
        "body",
        "disconnected",
        "expects_continue",
        "headers",
        "keep_alive",
        "message_event",
        "more_body",
        "protocol",
        "response_complete",
        "size",
        "timer",
    )

    def __init__(self, protocol: HotProtocol, headers: list[Header], keep_alive: bool, expects_continue: bool) -> None:
        self.protocol, self.headers = protocol, headers
        self.keep_alive, self.expects_continue = keep_alive, expects_continue
        self.body: bytes = b""
        self.size = 0
        self.more_body = True
        self.active = self.disconnected = self.response_complete = False
        self.message_event = protocol  # uvicorn calls its ``set``
        self.timer: TimerHandle | None = None

    def respond(self, status: int, headers: Iterable[Header], body: bytes) -> None:
        """Write the answer; nothing where the client is gone or has one already."""
        if self.response_complete or self.disconnected:
            return
        self.response_complete = True
        if self.timer is not None:
            self.timer.cancel()
        if status == 200:
            head = [_OK, str(len(body)).encode(), b"\r\n"]
        else:
            line = b"HTTP/1.1 %d %s\r\ncontent-type: %s\r\n" % (status, _PHRASES.get(status, b"Error"), PROBLEM)
            head = [line, _LINES, b"content-length: %d\r\n" % len(body)]
        for name, value in headers:
            head.append(name + b": " + value + b"\r\n")
        if not self.keep_alive:
            head.append(b"connection: close\r\n")
        head += (b"\r\n", body)
        self.protocol.finish(self, b"".join(head))


class HotProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._front = _front(self.app)
        self._service = self._front.service
        self._limit = self._service.settings.max_body_bytes

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """As uvicorn; a connection to an address beyond the loopback one makes keys compulsory."""
        super().connection_made(transport)
        if self.server is not None and self.server[1] is not None and not is_loopback(self.server[0]):
            self._service.gate.demand()

    def set(self) -> None:
        """In the place of a cycle's event: nobody waits for it here."""

    def send_400_response(self, msg: str) -> None:
        """As uvicorn, as a problem: what came is no HTTP, so the connection ends."""
        body = Problem(400, "bad-request", msg).body()
        head = b"HTTP/1.1 400 Bad Request\r\ncontent-type: " + PROBLEM + b"\r\n" + _LINES
        self.transport.write(head + b"content-length: %d\r\nconnection: close\r\n\r\n" % len(body) + body)
        self.transport.close()

    def on_message_begin(self) -> None:
        """Put off the making of a scope until the request is known not to be hot."""
        self.url = b""
        self.expect_100_continue = False
        self.headers = []

    def on_headers_complete(self) -> None:
        """Take a hot request; give any other the scope that uvicorn makes."""
        hot = self.url == _PATH and self.parser.get_method() == b"POST" and not self.parser.should_upgrade()
        if not hot or self.limit_concurrency is not None or self._service.hot is None:
            url, headers, expects = self.url, self.headers, self.expect_100_continue
            super().on_message_begin()
            self.url, self.headers, self.expect_100_continue = url, headers, expects
            self.scope["headers"] = headers
            super().on_headers_complete()
            return
        keep_alive = self.parser.get_http_version() != "1.0" and self.parser.should_keep_alive()
        cycle = HotCycle(self, self.headers, keep_alive, self.expect_100_continue)
        before, self.cycle = self.cycle, cast(RequestResponseCycle, cycle)
        if before is None or before.response_complete:
            self._begin(cycle)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((self.cycle, self.app))

    def on_body(self, body: bytes) -> None:
        """Collect a hot body up to the limit."""
        cycle: Any = self.cycle
        if cycle.__class__ is not HotCycle:
            super().on_body(body)
        elif not cycle.response_complete:
            cycle.size += len(body)
            if cycle.size <= self._limit:
                cycle.body = cycle.body + body if cycle.body else body
            elif cycle.active:
                self._too_large(cycle)

    def on_message_complete(self) -> None:
        """Answer a hot request whose turn it is."""
        cycle: Any = self.cycle
        if cycle.__class__ is not HotCycle:
            super().on_message_complete()
        elif not cycle.response_complete:
            cycle.more_body = False
            if cycle.active:
                self._answer(cycle)

    def finish(self, cycle: HotCycle, content: bytes) -> None:
        """Write an answer and go on with the connection."""
        if self.transport.is_closing():
            return
        self.transport.write(content)
        if not cycle.keep_alive:
            self.transport.close()
        self.on_response_complete()

    def on_response_complete(self) -> None:
        """As uvicorn, but while the client does not take its answers nothing further is read from it."""
        super().on_response_complete()
        if self.flow.write_paused and not self.transport.is_closing():
            self.flow.pause_reading()

    def pause_writing(self) -> None:
        """Stop reading too: a client that takes no answers may ask no further questions."""
        super().pause_writing()
        self.flow.pause_reading()

    def resume_writing(self) -> None:
        """Go on reading, unless a pipelined request waits its turn."""
        super().resume_writing()
        if not self.pipeline:
            self.flow.resume_reading()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        hot: Any = cycle
        if hot.__class__ is HotCycle:
            self._begin(hot)
        else:
            super()._start_asgi_task(cycle, app)

    def _begin(self, cycle: HotCycle) -> None:
        """It is this request's turn."""
        cycle.active = True
        if cycle.size > self._limit:
            self._too_large(cycle)
        elif not cycle.more_body:
            self._answer(cycle)
        else:
            if cycle.expects_continue:
                self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            cycle.timer = self.loop.call_later(self._service.settings.request_seconds, self._too_slow, cycle)

    def _answer(self, cycle: HotCycle) -> None:
        if cycle.timer is not None:
            cycle.timer.cancel()
            cycle.timer = None
        hot = self._service.hot
        assert hot is not None
        hot.handle(cycle.headers, cycle.body, cycle.respond)

    def _too_large(self, cycle: HotCycle) -> None:
        self._end(cycle, too_large(self._limit))

    def _too_slow(self, cycle: HotCycle) -> None:
        seconds = self._service.settings.request_seconds
        self._end(cycle, Problem(408, "too-slow", f"The request was not complete after {seconds:g} seconds."))

    def _end(self, cycle: HotCycle, problem: Problem) -> None:
        """Refuse a request whose body is not read to its end: the connection cannot go on after it."""
        cycle.keep_alive = False
        hot = self._service.hot
        assert hot is not None
        hot.refuse(problem, None, cycle.respond, time.perf_counter())


def _front(app: Any) -> Front:
    """The application under what uvicorn may have put around it."""
    while not isinstance(app, Front):
        app = app.app
    return app
