"""uvicorn's HTTP protocol with the hot path inside: no task, no scope and no future for a single application.

``POST /v1/score`` is answered from the parser's call backs; every other request goes the usual way. For both, answers
leave in the order of the requests; reading stops while a request waits its turn or the client does not take its
answers; a head has a limit in size and a request one in time; and what cannot be understood is refused only after
what came before it was answered. A shutdown finishes what began.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, cast

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from creditrisk.service.border import given_id, too_large, too_slow, unanswered
from creditrisk.service.cycle import CONTINUE, HotCycle, announced, refusal
from creditrisk.service.front import Front
from creditrisk.service.hot import PATH
from creditrisk.service.problem import Problem
from creditrisk.service.settings import is_loopback
from creditrisk.service.sweep import Sweeper

if TYPE_CHECKING:
    from uvicorn.config import Config
    from uvicorn.server import ServerState

_PATH = PATH.encode()
HEAD_BYTES = 32_768
"""Of a request's head, or of anything else that is neither head nor body, such as trailers."""
LINGER_SECONDS = 2.0
"""How long a client may go on sending after its last answer; closed at once, it would not see the answer."""
STALL_SECONDS = 60.0
"""How long a client may take none of its answer."""


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
        self._service = _front(self.app).service
        settings = self._service.settings
        self._limit, self._seconds = settings.max_body_bytes, settings.request_seconds
        self._sweeper = Sweeper.of(server_state, self.loop, min(self._seconds, self.timeout_keep_alive or 1))
        self._since = self._sweeper.now
        """When what the connection waits for began."""
        self._stalled: float | None = None
        """Since when the client takes none of its answers."""
        self._turn: Any = None
        """The cycle that is being answered, or was last."""
        self._in_head = self._going_on = self._ended = self._lingering = False
        self._broken: Problem | None = None
        """Why nothing after the requests under way can be understood."""
        self._unread = 0
        """Bytes since the parser last made something of them."""

    def set(self) -> None:
        """In the place of a cycle's event: nobody waits for it here."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection in, unless there are too many; one from beyond loopback makes keys compulsory."""
        super().connection_made(transport)
        if self.server is not None and self.server[1] is not None and not is_loopback(self.server[0]):
            self._service.gate.demand()
        self._sweeper.start()
        self._since = self._sweeper.now
        if len(self.connections) > self._service.settings.max_connections:
            text = "There are more connections than the service takes; try again."
            self._refuse(Problem(503, "busy", text, headers={"Retry-After": "1"}))

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the request whose turn it is, not the newest alone."""
        self._ended = True
        self.pipeline.clear()
        turn = self._turn
        if turn is not None and not turn.response_complete:
            turn.disconnected = True
            turn.message_event.set()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Let the parser call back."""
        if self._ended:
            return
        self._unread += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError:
            self._break(Problem(400, "invalid-http", "This is not a valid HTTP request."))
            return
        except httptools.HttpParserUpgrade as upgrade:
            self._without_upgrade(data[upgrade.args[0] :])
            return
        if self._unread > HEAD_BYTES:
            self._break(Problem(431, "head-too-large", f"The head is larger than {HEAD_BYTES:,} bytes."))
            return
        cycle: Any = self.cycle
        if cycle.__class__ is HotCycle and cycle.more_body and cycle.active and not cycle.announced:
            self._await_body(cycle)

    def on_message_begin(self) -> None:
        """Put off the making of a scope until the request is known not to be hot."""
        self.url = b""
        self.expect_100_continue = False
        self.headers = []
        self._in_head, self._since = True, self._sweeper.now

    def on_headers_complete(self) -> None:
        """Take a hot request; give any other the scope that uvicorn makes."""
        self._in_head, self._unread = False, 0
        headers, parser = self.headers, self.parser
        if parser.should_upgrade():
            return
        if self.url == _PATH and parser.get_method() == b"POST" and self._open():
            before: Any = self.cycle
            keep_alive = parser.should_keep_alive() and parser.get_http_version() == "1.1"
            cycle = HotCycle(self, headers, keep_alive)
            self.cycle = cast(RequestResponseCycle, cycle)
            if (before is None or before.response_complete) and not self.flow.write_paused:
                cycle.active, self._turn = not self._ended, cycle
            else:
                self.flow.pause_reading()
                self.pipeline.appendleft((self.cycle, self.app))
        else:
            url, expects = self.url, self.expect_100_continue
            super().on_message_begin()
            self.url, self.expect_100_continue = url, expects and parser.get_http_version() == "1.1"
            self.scope["headers"] = headers
            super().on_headers_complete()
        self.headers = []  # trailers are no headers

    def on_body(self, body: bytes) -> None:
        """Collect a hot body up to the limit."""
        self._unread = 0
        cycle: Any = self.cycle
        if cycle.__class__ is not HotCycle:
            self._since = self._sweeper.now
            super().on_body(body)
        elif not cycle.response_complete:
            cycle.size += len(body)
            if cycle.size > self._limit:
                if cycle.active:
                    self._end(cycle, too_large(self._limit))
            elif cycle.size == len(body):
                cycle.body = body
            else:
                if cycle.body.__class__ is bytes:
                    cycle.body = bytearray(cycle.body)
                cycle.body += body

    def on_message_complete(self) -> None:
        """Answer a hot request whose turn it is."""
        self._unread = 0
        cycle: Any = self.cycle
        if self.parser.should_upgrade():
            return
        if cycle.__class__ is not HotCycle:
            super().on_message_complete()
        elif not cycle.response_complete:
            cycle.more_body = False
            if cycle.active:
                self._answer(cycle)

    def finish(self, cycle: HotCycle, content: bytes) -> None:
        """Write a hot answer and go on with the connection."""
        if self.transport.is_closing():
            return
        self.transport.write(content)
        if not cycle.keep_alive:
            self._close(unread=cycle.more_body)
        self.on_response_complete()

    def on_response_complete(self) -> None:
        """Let the next request have its turn."""
        self.server_state.total_requests += 1
        self._since = self._sweeper.now
        if self.transport.is_closing():
            self._ended = True
        elif not self._going_on:
            self._go_on()

    def pause_writing(self) -> None:
        """Stop reading too: a client that takes no answers may ask no further questions."""
        super().pause_writing()
        self._stalled = self._sweeper.now
        self.flow.pause_reading()

    def resume_writing(self) -> None:
        """Go on where the client takes its answers again."""
        super().resume_writing()
        self._stalled, self._since = None, self._sweeper.now
        if self._turn is None or self._turn.response_complete:
            self._go_on()
        elif not self.pipeline:
            self.flow.resume_reading()

    def overdue(self, now: float) -> None:
        """End what takes too long; called now and then."""
        waited, turn = now - self._since, self._turn
        if self._ended:
            if waited > (LINGER_SECONDS if self._lingering else STALL_SECONDS):
                self.transport.abort()
        elif self._stalled is not None:
            if now - self._stalled > STALL_SECONDS:
                self.transport.abort()
        elif turn is None or turn.response_complete:
            if self._in_head and waited > self._seconds:
                self._break(too_slow(self._seconds))
            elif not self._in_head and waited > (self._seconds if turn is None else self.timeout_keep_alive):
                self.transport.close()
        elif turn.more_body and not self.flow.read_paused and waited > self._seconds:
            self._refuse_turn(too_slow(self._seconds))
        elif turn.__class__ is HotCycle and not turn.more_body and waited > self._seconds:
            self._refuse_hot(turn, unanswered(self._seconds))

    def _open(self) -> bool:
        """Whether the hot path takes requests; uvicorn's own limit, where set, answers in its own way."""
        limit = self.limit_concurrency
        return self._service.hot is not None and (limit is None or len(self.connections) < limit)

    def _without_upgrade(self, rest: bytes) -> None:
        """Read a request again without the wish for another protocol, for which the parser would drop its body."""
        method = self.parser.get_method()
        if method == b"CONNECT":
            self._break(Problem(400, "invalid-http", "This service is no proxy."))
            return
        lines = [b"%b %b HTTP/1.1\r\nconnection: close\r\n" % (method, self.url)]
        lines += [b"%b: %b\r\n" % h for h in self.headers if h[0] not in (b"upgrade", b"connection", b"http2-settings")]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self.data_received(b"".join((*lines, b"\r\n", rest)))

    def _go_on(self) -> None:
        """Give waiting requests their turn until one takes time: a loop, since a thousand may be refused at once."""
        self._going_on = True
        while not (self._ended or self.flow.write_paused or self.transport.is_closing()):
            if not self.pipeline:
                if self._broken is None:
                    self.flow.resume_reading()
                else:
                    self._refuse(self._broken)
                break
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
            if not cycle.response_complete:
                break
        self._going_on = False

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        if self._ended or self.transport.is_closing():
            return
        turn: Any = cycle
        self._turn = turn
        if self._broken is not None and turn.more_body:
            self._refuse_turn(self._broken)
        elif turn.__class__ is HotCycle:
            self._begin(turn)
        else:
            super()._start_asgi_task(cycle, app)

    def _begin(self, cycle: HotCycle) -> None:
        """Take up a request that has waited."""
        cycle.active = True
        if cycle.size > self._limit:
            self._end(cycle, too_large(self._limit))
        elif cycle.more_body:
            self._since = self._sweeper.now
            self.flow.resume_reading()
            self._await_body(cycle)
        else:
            self._answer(cycle)

    def _await_body(self, cycle: HotCycle) -> None:
        """Refuse early what will be too large; tell a client that waits to go ahead."""
        cycle.announced = True
        size, waits = announced(cycle.headers)
        if size > self._limit:
            self._end(cycle, too_large(self._limit))
        elif waits and not cycle.size and self.parser.get_http_version() == "1.1":
            self.transport.write(CONTINUE)

    def _answer(self, cycle: HotCycle) -> None:
        hot = self._service.hot
        assert hot is not None
        hot.handle(cycle.headers, bytes(cycle.body), cycle.respond)

    def _end(self, cycle: HotCycle, problem: Problem) -> None:
        """Refuse a request whose body is not read to its end: the connection cannot go on after it."""
        cycle.keep_alive = False
        self._refuse_hot(cycle, problem)

    def _refuse_hot(self, cycle: HotCycle, problem: Problem) -> None:
        hot = self._service.hot
        assert hot is not None
        hot.refuse(problem, given_id(cycle.headers), cycle.respond, time.perf_counter())

    def _break(self, problem: Problem) -> None:
        """Nothing further can be understood: say so when what came before has its answer."""
        if self._ended:
            return
        self._broken = problem
        self.flow.pause_reading()
        turn, last = self._turn, self.cycle
        if turn is None or (last is not None and last.response_complete):
            self._refuse(problem)
        elif turn is last and turn.more_body:
            self._refuse_turn(problem)

    def _refuse_turn(self, problem: Problem) -> None:
        """Refuse the request under way, whose body does not come to its end."""
        turn: Any = self._turn
        if turn.__class__ is HotCycle:
            self._end(turn, problem)
        elif turn.response_started:
            self._close(unread=False)
        else:
            turn.disconnected = True  # as its application sees it
            turn.message_event.set()
            self._refuse(problem)

    def _refuse(self, problem: Problem) -> None:
        self.transport.write(refusal(problem))
        self._close(unread=True)

    def _close(self, unread: bool) -> None:
        """Close when all is written; where the client may still be sending, only after it has had time to read."""
        self._ended, self._since = True, self._sweeper.now
        if unread and self.transport.can_write_eof():
            self._lingering = True
            self.transport.write_eof()
            self.flow.resume_reading()
        else:
            self.transport.close()


def _front(app: Any) -> Front:
    """The application under what uvicorn may have put around it."""
    while not isinstance(app, Front):
        app = app.app
    return app
