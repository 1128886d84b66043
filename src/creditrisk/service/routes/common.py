"""What routes share: this worker's parts, who asks, answers in JSON."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, cast

import msgspec
from fastapi import Request, Response, Security
from fastapi.security import APIKeyHeader, HTTPBearer

from creditrisk.service.access.hosts import check_page
from creditrisk.service.access.keys import Caller, Scope
from creditrisk.service.http.hot import Hot, busy, not_stored
from creditrisk.service.problem import Problem
from creditrisk.service.record import Earlier, Event, Group, Idempotency, Stored
from creditrisk.service.scoring.live import Live
from creditrisk.service.service import Service

_encode = msgspec.json.Encoder().encode


def service_of(request: Request) -> Service:
    """The parts of the worker that a request is in."""
    return cast(Service, request.app.state.service)


_Bearer = Annotated[
    Any, Security(HTTPBearer(scheme_name="bearer", description="An API key, as Bearer KEY.", auto_error=False))
]
_Key = Annotated[
    Any, Security(APIKeyHeader(name="X-API-Key", scheme_name="apiKey", description="An API key.", auto_error=False))
]
"""For the document alone: the gate reads the headers itself."""


def needs(scope: Scope) -> Callable[..., Awaitable[Caller | None]]:
    """A dependency: the caller, whose key must have this scope; None where no key is needed."""

    async def caller(request: Request, _bearer: _Bearer, _key: _Key) -> Caller | None:
        headers = dict(request.scope["headers"])
        gate = service_of(request).gate
        found = gate.admit(headers.get(b"authorization"), headers.get(b"x-api-key"), scope)
        request.scope["key_id"] = found.id if found else None
        if found is None:
            check_page(request.method, headers)
        return found

    return caller


def hot_of(service: Service) -> Hot:
    """The hot path's parts.

    Raises:
        Problem: 503 while the service starts.
    """
    if service.hot is None:
        raise Problem(503, "starting", "The service is starting.", headers={"Retry-After": "1"})
    return service.hot


def model_of(service: Service) -> Live:
    """The model that answers now.

    Raises:
        Problem: 503 while there is none.
    """
    model = service.model
    if model is None:
        detail = "No model is loaded yet; /health/ready says why."
        raise Problem(503, "no-model", detail, headers={"Retry-After": "5"})
    return model


def json_only(request: Request) -> None:
    """Refuse a body of another media type.

    Raises:
        Problem: 415.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Problem(415, "unsupported-media-type", "Send the body as application/json.")


def answer(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Anything that msgspec can encode, as a JSON answer."""
    return Response(_encode(content), status, headers, "application/json")


async def write_down(
    hot: Hot, events: list[Event], repeat: Idempotency | None = None, looked_up: int | None = None
) -> Earlier | None:
    """Make events durable; the earlier answer where an idempotency key was used before.

    Args:
        hot: whose log it is.
        events: of one request.
        repeat: its idempotency key.
        looked_up: see ``Group``; where the log knows of other erasures by now, nothing is written.

    Raises:
        Problem: 409 or 503: nothing was written, or nobody knows whether it was, so nothing may be answered.
    """
    future: asyncio.Future[Stored] = asyncio.get_running_loop().create_future()

    def done(result: Stored) -> None:
        if not future.done():  # the client may have gone
            future.set_result(result)

    if not hot.log.submit(Group(events, repeat, done, looked_up)):
        raise busy()
    result = await future
    if result is None or isinstance(result, Earlier):
        return result
    raise not_stored(result)
