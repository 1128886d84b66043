"""What holds for every request but the hot ones: limits of size and time, request id, headers, counts, log.

Pure ASGI around the FastAPI application. Nothing leaves without the security headers, and no exception gets through to
the server: it becomes a 500 with a request id by which the line in the log is found.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from starlette.routing import Match

from creditrisk.service.identifiers import Identifiers
from creditrisk.service.problem import MEDIA_TYPE, Problem
from creditrisk.service.telemetry.counts import UNMATCHED

if TYPE_CHECKING:
    from starlette.routing import BaseRoute
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from creditrisk.service.service import Service

Header = tuple[bytes, bytes]
SECURITY: tuple[Header, ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)
"""Headers of every answer, the hot ones' too."""
CLOSED: tuple[Header, ...] = (
    *SECURITY,
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
"""Headers of every other answer, unless the route says something else under the same name."""
REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
PATIENT = ("/v1/score/file", "/v1/models/", "/v1/applicants/")
"""Routes whose work takes its time and has a limit of its own."""
_END: Header = (b"connection", b"close")


class Border:
    """The ASGI wrapper.

    Args:
        routes: those of the application, for the name of a request that is refused before it gets to one.
    """

    def __init__(self, app: ASGIApp, service: Service, routes: Sequence[BaseRoute] = ()) -> None:
        self._app, self._service, self._routes = app, service, routes
        self._identifiers = Identifiers()
        settings = service.settings
        listed, upload = settings.max_list_bytes, settings.max_upload_bytes
        self._sizes = {"/v1/score/batch": listed, "/v1/outcomes": listed, "/v1/score/file": upload}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        scope["request_id"] = given_id(scope["headers"]) or self._identifiers.make(time.time_ns())
        settings, path = self._service.settings, scope["path"]
        exchange = Exchange(scope, receive, send, self._sizes.get(path, settings.max_body_bytes))
        error = await self._run(exchange, None if path.startswith(PATIENT) else settings.request_seconds)
        if not exchange.gone or exchange.status:
            self._tell(scope, exchange, time.perf_counter() - began, error)

    async def _run(self, exchange: Exchange, seconds: float | None) -> BaseException | None:
        """Let the application answer, or answer in its place; return an exception that nobody expected."""
        limit = asyncio.timeout(seconds)
        try:
            async with limit:
                exchange.check_length()
                await self._app(exchange.scope, exchange.receive, exchange.send)
        except Problem as problem:
            await exchange.refuse(problem)
        except Exception as error:
            if limit.expired():
                waited = seconds or 0.0
                await exchange.refuse(too_slow(waited) if exchange.reading else unanswered(waited))
            elif not exchange.gone:
                await exchange.refuse(internal())
                return error
        return None

    def _tell(self, scope: Scope, exchange: Exchange, seconds: float, error: BaseException | None) -> None:
        route = getattr(scope.get("route") or self._route(scope), "path", UNMATCHED)
        self._service.counts.answered(route, exchange.status, seconds)
        self._service.journal.request(
            scope["method"] if route != UNMATCHED else "-",
            route,
            exchange.status,
            seconds,
            scope["request_id"],
            scope.get("key_id"),
            scope.get("decision_id"),
            scope.get("problem"),
            error or scope.get("error"),
        )

    def _route(self, scope: Scope) -> BaseRoute | None:
        return next((route for route in self._routes if route.matches(scope)[0] is not Match.NONE), None)


class Exchange:
    """One request and its answer as they go through.

    Args:
        limit: bytes that the body may have.
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send, limit: int) -> None:
        self.scope, self._receive, self._send, self._limit = scope, receive, send, limit
        self._size = 0
        self._problem: Problem | None = None
        self._refused = False
        self.status = 0
        self.reading = self.gone = False

    def check_length(self) -> None:
        """Refuse a body that says it is too large before a byte of it is read.

        Raises:
            Problem: 413.
        """
        for name, value in self.scope["headers"]:
            if name == b"content-length" and value.isdigit() and int(value) > self._limit:
                raise too_large(self._limit)

    async def receive(self) -> Message:
        """Pass on a piece of the body.

        Raises:
            Problem: 413 where the pieces come to more than the limit.
        """
        self.reading = True
        message: Any = await self._receive()
        self.reading = False
        if message["type"] == "http.disconnect":
            self.gone = True
        else:
            self._size += len(message.get("body", b""))
            if self._size > self._limit:
                self._problem = too_large(self._limit)
                raise self._problem
        return message  # type: ignore[no-any-return]

    async def send(self, message: Message) -> None:
        """Pass on a piece of the answer, the headers completed; after a refusal or to nobody it is dropped."""
        if self._refused or (self.gone and not self.status):
            return
        if message["type"] == "http.response.start":
            if self._problem is not None:
                await self.refuse(self._problem)
                return
            await self._start(message["status"], list(message.get("headers", ())))
        else:
            await self._send(message)

    async def refuse(self, problem: Problem) -> None:
        """Answer with a problem; where an answer has begun nothing can be said, and the server cuts it off."""
        if self.status or self.gone:
            return
        self._refused = True
        self.scope["problem"] = problem.kind
        body = problem.body(self.scope["request_id"])
        headers = [(name.lower().encode(), value.encode()) for name, value in problem.headers.items()]
        headers += [(b"content-type", MEDIA_TYPE.encode()), (b"content-length", str(len(body)).encode())]
        if problem.status in (408, 413):  # the rest of the body is not read
            headers.append(_END)
        await self._start(problem.status, headers)
        await self._send({"type": "http.response.body", "body": body})

    async def _start(self, status: int, headers: list[Header]) -> None:
        self.status = status
        there = {name.lower() for name, _ in headers}
        headers += [line for line in CLOSED if line[0] not in there]
        headers.append((b"x-request-id", self.scope["request_id"].encode()))
        await self._send({"type": "http.response.start", "status": status, "headers": headers})


def given_id(headers: Iterable[Header]) -> str | None:
    """The request id that a client gave; None where there is none of the form it must have."""
    for name, value in headers:
        if name == b"x-request-id" and REQUEST_ID.fullmatch(value):
            return value.decode()
    return None


def too_large(limit: int) -> Problem:
    """413 with the limit."""
    return Problem(413, "too-large", f"The body is larger than {limit:,} bytes.")


def internal() -> Problem:
    """500, without a word of why: the log says it under the same request id."""
    return Problem(500, "internal", "Something went wrong here; it is in the log under this request_id.")


def too_slow(seconds: float) -> Problem:
    """408: the client took too long."""
    return Problem(408, "too-slow", f"The request was not complete after {seconds:g} seconds.")


def unanswered(seconds: float) -> Problem:
    """503: the service took too long, and what it began may yet be done."""
    detail = (
        f"There was no answer within {seconds:g} seconds, and whether it was recorded is not known; "
        "repeat the request with the same Idempotency-Key."
    )
    return Problem(503, "timeout", detail, headers={"Retry-After": "5"})
