"""uvicorn's HTTP connection, made safe against clients that do not behave.

Answers leave in the order of the requests; reading stops while a request waits its turn or the client does not take
its answers; a head has a limit in size and a request one in time; what cannot be understood is refused only after what
came before it was answered; and a refused client has time to read why. Who stops sending after a request, as ``nc -N``
does, is answered. A shutdown finishes what began.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import httptools
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from creditrisk.service.http.border import too_slow
from creditrisk.service.http.cycle import refusal
from creditrisk.service.http.front import Front
from creditrisk.service.http.sweep import Sweeper
from creditrisk.service.problem import Problem
from creditrisk.service.settings import is_loopback

if TYPE_CHECKING:
    from uvicorn.config import Config
    from uvicorn.server import ServerState

HEAD_BYTES = 32_768
"""Of a request's head, or of anything else that is neither head nor body, such as trailers."""
LINGER_SECONDS = 2.0
"""How long a client may go on sending after its last answer; closed at once, it would not see the answer."""
STALL_SECONDS = 60.0
"""How long a client may take none of its answer."""


class Flow(FlowControl):
    """Reading and writing; reading is not taken up again once the client has said that it sends no more."""

    over = False

    def resume_reading(self) -> None:
        """Read on; where there is nothing more to come, the event loop would take it for an error."""
        if not self.over:
            super().resume_reading()


class Connection(HttpToolsProtocol):
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
        self._unread = self._most = 0
        """Bytes since the parser last made something of them, and how many a head can have that ends in this read."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection in, unless there are too many; one from beyond loopback makes keys compulsory."""
        super().connection_made(transport)
        self.flow: Flow = Flow(transport)
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

    def eof_received(self) -> bool:  # type: ignore[override]
        """Answer what came whole before the client said that it sends no more, which is not yet to be gone."""
        last = self.cycle
        if self._ended or last is None or last.response_complete or last.more_body:
            return False
        last.keep_alive, self.flow.over = False, True
        return True

    def data_received(self, data: bytes) -> None:
        """Let the parser call back."""
        if self._ended:
            return
        self._unread += len(data)
        self._most = self._unread
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError as error:
            said = error.__context__  # what a call back raised
            wrong = Problem(400, "invalid-http", "This is not a valid HTTP request.")
            self._break(said if isinstance(said, Problem) else wrong)
        except httptools.HttpParserUpgrade as upgrade:
            self._without_upgrade(data[upgrade.args[0] :])
        else:
            if self._unread > HEAD_BYTES:
                self._break(_head_too_large())

    def on_message_begin(self) -> None:
        """A request begins; its scope is made when its head is complete."""
        self.url = b""
        self.expect_100_continue = False
        self.headers = []
        self._in_head, self._since = True, self._sweeper.now

    def on_headers_complete(self) -> None:
        """Give a request the scope that uvicorn makes."""
        if self._most > HEAD_BYTES:
            self._measure()
        self._in_head, self._unread = False, 0
        if self.parser.should_upgrade():
            return
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.scope["headers"] = url, headers
        self.expect_100_continue = expects and self.parser.get_http_version() == "1.1"
        super().on_headers_complete()
        self.headers = []  # trailers are no headers

    def _measure(self) -> None:
        """Hold a head to its limit that may have come in one read, and was never seen to be unfinished.

        Raises:
            Problem: 431, to be found behind the parser's own error.
        """
        lines = sum(len(name) + len(value) + 4 for name, value in self.headers)
        if len(self.parser.get_method()) + len(self.url) + len("  HTTP/1.1\r\n\r\n") + lines > HEAD_BYTES:
            raise _head_too_large()

    def on_body(self, body: bytes) -> None:
        """A part of a body has come: the client has time for the next."""
        self._unread, self._since = 0, self._sweeper.now
        super().on_body(body)

    def on_message_complete(self) -> None:
        """A request is whole."""
        self._unread = 0
        if not self.parser.should_upgrade():
            super().on_message_complete()

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

    def _should_upgrade(self) -> bool:
        return False

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
        self._turn = cycle
        if self._broken is not None and cycle.more_body:
            self._refuse_turn(self._broken)
        else:
            self._begin(cycle, app)

    def _begin(self, cycle: Any, app: Any) -> None:
        """It is a request's turn."""
        super()._start_asgi_task(cycle, app)

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
        turn = self._turn
        if turn.response_started:
            self._close(unread=False)
        else:
            turn.disconnected = True  # as its application sees it
            turn.message_event.set()
            self._refuse(problem)

    def _refuse(self, problem: Problem) -> None:
        self._service.counts.refused(problem.status)
        self.transport.write(refusal(problem))
        self._close(unread=True)

    def _close(self, unread: bool) -> None:
        """Close when all is written; where the client may still be sending, only after it has had time to read."""
        self._ended, self._since = True, self._sweeper.now
        if unread and not self.flow.over and self.transport.can_write_eof():
            self._lingering = True
            self.transport.write_eof()
            self.flow.resume_reading()
        else:
            self.transport.close()


def _head_too_large() -> Problem:
    return Problem(431, "head-too-large", f"The head is larger than {HEAD_BYTES:,} bytes.")


def _front(app: Any) -> Front:
    """The application under what uvicorn may have put around it."""
    while not isinstance(app, Front):
        app = app.app
    return app
