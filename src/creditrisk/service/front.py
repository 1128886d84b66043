"""The ASGI application: the hot path in front, FastAPI behind it, what holds for every answer around both."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from creditrisk.service.hot import JSON, PATH, PROBLEM, Header
from creditrisk.service.problem import Problem

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from creditrisk.service.service import Service

SECURITY: tuple[Header, ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)
Answer = tuple[int, Iterable[Header], bytes]


class Front:
    """What the server calls.

    Args:
        app: everything but the hot path.
        service: this worker's parts; its ``hot`` exists from the start of the lifespan on.
    """

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self.app, self.service = app, service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Route one request."""
        if scope["type"] != "http" or scope["path"] != PATH or self.service.hot is None:
            await self.app(scope, receive, send)
        elif scope["method"] == "POST":
            await self._score(scope, receive, send)
        else:
            problem = Problem(405, "method-not-allowed", f"{PATH} takes POST.", headers={"Allow": "POST"})
            content = b"" if scope["method"] == "HEAD" else problem.body()
            await _send(send, 405, [(b"allow", b"POST")], content)

    async def _score(self, scope: Scope, receive: Receive, send: Send) -> None:
        hot = self.service.hot
        assert hot is not None
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

        def respond(status: int, headers: Iterable[Header], body: bytes) -> None:
            if not future.done():
                future.set_result((status, headers, body))

        settings = self.service.settings
        try:
            async with asyncio.timeout(settings.request_seconds):
                body = await read_body(receive, settings.max_body_bytes, scope["headers"])
        except TimeoutError:
            problem = too_slow(settings.request_seconds)
            respond(problem.status, (), problem.body())
        except Problem as problem:
            respond(problem.status, (), problem.body())
        else:
            if body is None:
                return
            hot.handle(scope["headers"], body, respond)
        status, headers, content = await future
        await _send(send, status, headers, content)


async def _send(send: Send, status: int, headers: Iterable[Header], content: bytes) -> None:
    media_type = JSON if status == 200 else PROBLEM
    lines = [(b"content-type", media_type), (b"content-length", b"%d" % len(content)), *SECURITY, *headers]
    await send({"type": "http.response.start", "status": status, "headers": lines})
    await send({"type": "http.response.body", "body": content})


async def read_body(receive: Receive, limit: int, headers: Iterable[Header] = ()) -> bytes | None:
    """A request's body; None where the client went away.

    Raises:
        Problem: 413 where it is larger than the limit, or will be by what the headers announce.
    """
    for name, value in headers:
        if name == b"content-length" and value.isdigit() and int(value) > limit:
            raise too_large(limit)
    parts: list[bytes] = []
    size = 0
    while True:
        message: Message | dict[str, Any] = await receive()
        if message["type"] == "http.disconnect":
            return None
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise too_large(limit)
        parts.append(part)
        if not message.get("more_body", False):
            return parts[0] if len(parts) == 1 else b"".join(parts)


def too_large(limit: int) -> Problem:
    """413 with the limit."""
    return Problem(413, "too-large", f"The body is larger than {limit:,} bytes.")


def too_slow(seconds: float) -> Problem:
    """408 with the limit."""
    return Problem(408, "too-slow", f"The request was not complete after {seconds:g} seconds.")
