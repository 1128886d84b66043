"""A list of applications: each gets an answer or a problem in its place, and all records become durable together."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Request, Response

from creditrisk.service.access.keys import Caller
from creditrisk.service.http.hot import Hot, event_of, idempotency
from creditrisk.service.problem import Problem
from creditrisk.service.record import Event
from creditrisk.service.routes import describe
from creditrisk.service.routes.common import hot_of, json_only, model_of, needs, service_of, write_down
from creditrisk.service.scoring.live import Live, ScoreAnswer
from creditrisk.service.scoring.schema import UNREADABLE, decode_request
from creditrisk.service.scoring.wrong import undecodable

PATH = "/v1/score/batch"
AT_ONCE = 25
"""Applications scored before other requests get their turn."""
router = APIRouter(tags=["scoring"])
_decode = msgspec.json.Decoder(list[msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode


@router.post(
    PATH,
    operation_id="score_batch",
    summary="Score a list",
    response_class=Response,
    responses=describe.answers(describe.listed("ScoreAnswer", "Problem"), 400, 409, 415, 422),
    openapi_extra=describe.takes(describe.ref("Batch"), idempotent=True),
)
async def score(request: Request, caller: Annotated[Caller | None, Depends(needs("batch"))]) -> Response:
    """Score a list; the answers stand in the order of the applications, a problem in the place of a wrong one."""
    service = service_of(request)
    hot, model = hot_of(service), model_of(service)
    json_only(request)
    body = await request.body()
    items = _listed(body, service.settings.max_list)
    key_id = caller.id if caller else None
    answers, events, parts = await _score_all(hot, model, items, key_id, request.scope["request_id"])
    content = b"[" + b",".join(parts) + b"]"
    key = request.headers.get("idempotency-key")
    repeat = None if key is None else idempotency(key.encode("latin-1"), key_id, PATH, body, content, time.time_ns())
    if events:  # as a single application, a list of which nothing was scored is not remembered
        earlier = await write_down(hot, events, repeat)
        if earlier is not None:
            return Response(earlier.answer, 200, {"Idempotency-Replayed": "true"}, "application/json")
    for answer in answers:
        if answer.purpose == "decision":
            hot.counts.scored(answer.band, answer.decision, model.label, answer.pd)
    return Response(content, 200, media_type="application/json")


def _listed(body: bytes, limit: int) -> list[msgspec.Raw]:
    """Take a list apart without reading its items.

    Raises:
        Problem: it is no list, empty or too long.
    """
    try:
        items = _decode(body)
    except UNREADABLE as error:
        raise undecodable(body, error) from None
    if not items:
        raise Problem(422, "invalid-request", "The list is empty; send at least one application.")
    if len(items) > limit:
        raise Problem(413, "too-long", f"The list has {len(items):,} applications; send at most {limit:,} at once.")
    return items


async def _score_all(
    hot: Hot, model: Live, items: list[msgspec.Raw], key_id: str | None, request_id: str
) -> tuple[list[ScoreAnswer], list[Event], list[bytes]]:
    """Score with one model, whatever is swapped meanwhile; other requests get their turn in between."""
    answers, events, parts = [], [], []
    for number, item in enumerate(items, 1):
        body = bytes(item)
        now = time.time_ns()
        try:
            try:
                request = decode_request(body)
            except UNREADABLE as error:
                raise model.unreadable(body, error) from None
            answer = model.answer(request, hot.identifiers.make(now))
        except Problem as problem:
            parts.append(problem.body(request_id))
        else:
            encoded = _encode(answer)
            answers.append(answer)
            parts.append(encoded)
            events.append(event_of(model, request, answer, encoded, key_id, now))
        if number % AT_ONCE == 0:
            await asyncio.sleep(0)
    return answers, events, parts
