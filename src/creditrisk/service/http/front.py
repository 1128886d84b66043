"""The ASGI application: the hot path in front, FastAPI behind it, start and stop of the worker."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from creditrisk.errors import CreditRiskError
from creditrisk.service.http.border import SECURITY, given_id, too_large, too_slow, unanswered
from creditrisk.service.http.hot import JSON, PATH, PROBLEM, Header
from creditrisk.service.problem import Problem
from creditrisk.service.settings import is_loopback
from creditrisk.service.telemetry.journal import where

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from creditrisk.service.service import Service

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
        """Route one request, or live as long as the server does."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        server = scope.get("server")
        if server is not None and server[1] is not None and not is_loopback(server[0]):
            self.service.gate.demand()
        if scope["type"] == "http" and scope["path"] == PATH and scope["method"] == "POST" and self.service.hot:
            await self._score(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        """Start and stop the worker's parts; a start that fails says its sentence in the place of a traceback."""
        await receive()
        try:
            await self.service.start()
        except CreditRiskError as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        except Exception as error:  # a fault of ours: uvicorn would go on without what was to be started
            await send({"type": "lifespan.startup.failed", "message": f"The service cannot start: {where(error)}."})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.service.stop()
        await send({"type": "lifespan.shutdown.complete"})

    async def _score(self, scope: Scope, receive: Receive, send: Send) -> None:
        hot = self.service.hot
        assert hot is not None
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        seconds, limit = self.service.settings.request_seconds, self.service.settings.max_body_bytes
        headers, began, body = scope["headers"], time.perf_counter(), None

        def respond(status: int, headers: Iterable[Header], body: bytes) -> bool:
            if future.done():
                return False
            future.set_result((status, headers, body))
            return True

        try:
            async with asyncio.timeout(seconds):
                body = await read_body(receive, limit, headers)
                if body is None:
                    return
                hot.handle(headers, body, respond)
                answer = await future
        except (TimeoutError, Problem) as error:
            future.cancel()  # an answer that comes now comes too late
            future = asyncio.get_running_loop().create_future()
            problem = (
                error if isinstance(error, Problem) else too_slow(seconds) if body is None else unanswered(seconds)
            )
            hot.refuse(problem, given_id(headers), respond, began)
            answer = future.result()
        await _send(send, *answer)


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
