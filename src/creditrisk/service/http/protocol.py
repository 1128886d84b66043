"""uvicorn's HTTP protocol with the hot path inside: no task, no scope and no future for a single application.

``POST /v1/score`` is answered from the parser's call backs; every other request goes the usual way. Both share the
connection's rules (``creditrisk.service.http.connection``) and its order.
"""

from __future__ import annotations

import time
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from creditrisk.service.http.border import given_id, too_large, unanswered
from creditrisk.service.http.connection import HEAD_BYTES, Connection
from creditrisk.service.http.cycle import CONTINUE, HotCycle, announced
from creditrisk.service.http.hot import PATH
from creditrisk.service.problem import Problem

_PATH = PATH.encode()


class HotProtocol(Connection):
    """One connection."""

    def set(self) -> None:
        """In the place of a cycle's event: nobody waits for it here."""

    def overdue(self, now: float) -> None:
        """End what takes too long; an application whose record waits for a hanging disk is told so."""
        turn = self._turn
        waits = turn.__class__ is HotCycle and not turn.response_complete and not turn.more_body
        if waits and not self._ended and self._stalled is None and now - self._since > self._seconds:
            self._refuse_hot(turn, unanswered(self._seconds))
        else:
            super().overdue(now)

    def data_received(self, data: bytes) -> None:
        """Let the parser call back; where a body did not come along, look at what the head says of it."""
        super().data_received(data)
        cycle: Any = self.cycle
        if cycle.__class__ is HotCycle and cycle.more_body and cycle.active and not cycle.announced:
            self._await_body(cycle)

    def on_headers_complete(self) -> None:
        """Take a hot request; leave any other to uvicorn."""
        parser = self.parser
        if self.url != _PATH or parser.get_method() != b"POST" or parser.should_upgrade() or not self._open():
            super().on_headers_complete()
            return
        if self._most > HEAD_BYTES:
            self._measure()
        self._in_head, self._unread = False, 0
        before: Any = self.cycle
        keep_alive = parser.should_keep_alive() and parser.get_http_version() == "1.1"
        cycle = HotCycle(self, self.headers, keep_alive)
        self.headers = []  # trailers are no headers
        self.cycle = cast(RequestResponseCycle, cycle)
        if (before is None or before.response_complete) and not self.flow.write_paused:
            cycle.active, self._turn = not self._ended, cycle
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((self.cycle, self.app))

    def on_body(self, body: bytes) -> None:
        """Collect a hot body up to the limit."""
        cycle: Any = self.cycle
        if cycle.__class__ is not HotCycle:
            super().on_body(body)
            return
        self._unread = 0
        if cycle.response_complete:
            return
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
        cycle: Any = self.cycle
        if cycle.__class__ is not HotCycle or self.parser.should_upgrade():
            super().on_message_complete()
            return
        self._unread = 0
        if not cycle.response_complete:
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

    def _open(self) -> bool:
        """Whether the hot path takes requests; uvicorn's own limit, where set, answers in its own way."""
        limit = self.limit_concurrency
        return self._service.hot is not None and (limit is None or len(self.connections) < limit)

    def _begin(self, cycle: Any, app: Any) -> None:
        """Take up a request that has waited."""
        if cycle.__class__ is not HotCycle:
            super()._begin(cycle, app)
            return
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

    def _refuse_turn(self, problem: Problem) -> None:
        if self._turn.__class__ is HotCycle:
            self._end(self._turn, problem)
        else:
            super()._refuse_turn(problem)

    def _end(self, cycle: HotCycle, problem: Problem) -> None:
        """Refuse a request whose body is not read to its end: the connection cannot go on after it."""
        cycle.keep_alive = False
        self._refuse_hot(cycle, problem)

    def _refuse_hot(self, cycle: HotCycle, problem: Problem) -> None:
        hot = self._service.hot
        assert hot is not None
        hot.refuse(problem, given_id(cycle.headers), cycle.respond, time.perf_counter())
