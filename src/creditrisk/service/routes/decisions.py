"""``GET /v1/decisions``: what was decided, why, and what came of it."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import Annotated, Any, get_args

import msgspec
from fastapi import APIRouter, Depends, Query, Request, Response

from creditrisk.service import describe
from creditrisk.service.identifiers import PATTERN, is_identifier, lowest
from creditrisk.service.keys import Caller
from creditrisk.service.problem import FieldError, Problem
from creditrisk.service.record import Event
from creditrisk.service.records.explain import explanation
from creditrisk.service.records.read import Found, Records, Status
from creditrisk.service.routes.common import answer, needs, service_of

router = APIRouter(tags=["decisions"])
LIMIT, MOST = 50, 500
HIGHEST = "g"
"""Sorts after every identifier."""


class _Short(msgspec.Struct):
    """What a list shows of an answer."""

    pd: float | None = None
    score: int | None = None
    band: str | None = None


_DAY: dict[str, Any] = {"anyOf": [{"type": "string", "format": "date"}, {"type": "string", "format": "date-time"}]}
LINE: dict[str, Any] = {
    "type": "object",
    "properties": {
        "decision_id": {"type": "string"},
        "at": {"type": "string", "format": "date-time"},
        "decision": {"enum": ["approve", "refer", "decline"]},
        "verdict": {"enum": ["approve", "decline", None], "description": "The last review's."},
        "pd": {"type": ["number", "null"]},
        "score": {"type": ["integer", "null"]},
        "band": {"type": ["string", "null"]},
        "applicant_id": {"type": ["string", "null"]},
        "purpose": {"enum": ["decision", "simulation"]},
        "version": {"type": "string"},
    },
    "required": ["decision_id", "at", "decision", "verdict", "purpose", "version"],
}
COMPLETE = {"type": "boolean", "description": "False where a database is away and something may be missing."}
PAGE: dict[str, Any] = {
    "type": "object",
    "properties": {
        "decisions": {"type": "array", "items": LINE},
        "cursor": {"type": ["string", "null"], "description": "Where the next page goes on; null on the last one."},
        "complete": COMPLETE,
    },
    "required": ["decisions", "cursor", "complete"],
}
_OBJECT = {"type": "object"}
WHOLE: dict[str, Any] = LINE | {
    "properties": LINE["properties"]
    | {
        "key_id": {"type": ["string", "null"]},
        "request": _OBJECT,
        "answer": _OBJECT,
        "reviews": {"type": "array", "items": _OBJECT},
        "outcomes": {"type": "array", "items": _OBJECT},
        "explanation": {"type": ["object", "null"], "description": "What a declined applicant may ask for."},
        "complete": COMPLETE,
    }
}


@router.get("/v1/decisions", operation_id="decisions", response_class=Response, responses=describe.answers(PAGE, 422))
async def decisions(
    request: Request,
    caller: Annotated[Caller | None, Depends(needs("read"))],
    from_: Annotated[str | None, Query(alias="from", json_schema_extra=_DAY | {"description": "Not before."})] = None,
    to: Annotated[str | None, Query(json_schema_extra=_DAY | {"description": "Before."})] = None,
    status: Annotated[str | None, Query(json_schema_extra={"anyOf": [{"enum": [*get_args(Status)]}]})] = None,
    limit: Annotated[
        str | None, Query(json_schema_extra={"anyOf": [{"type": "integer", "minimum": 1, "maximum": MOST}]})
    ] = None,
    cursor: Annotated[str | None, Query(json_schema_extra={"anyOf": [{"type": "string", "pattern": PATTERN}]})] = None,
) -> Response:
    """Decisions, newest first: 50 on a page where no limit is said. The last page has no cursor.

    ``from`` and ``to`` are days or times (UTC where no zone is said). A refer is ``pending`` until it is ``reviewed``;
    of these a page may be shorter than the limit.
    """
    errors: list[FieldError] = []
    low = _time("from", from_, errors) or ""
    high = _time("to", to, errors) or HIGHEST
    if status is not None and status not in get_args(Status):
        errors.append(FieldError("status", status[:80], "unknown", f"one of {', '.join(get_args(Status))}"))
    if limit is not None and (not limit.isascii() or not limit.isdigit() or not 1 <= int(limit[:9]) <= MOST):
        errors.append(FieldError("limit", limit[:80], "range", f"a whole number from 1 to {MOST}"))
    if cursor is not None and not is_identifier(cursor):
        errors.append(FieldError("cursor", cursor[:80], "type", "the cursor of the page before"))
    if errors:
        names = ", ".join(error.field for error in errors)
        raise Problem(422, "invalid-query", f"The decisions cannot be listed: look at {names}.", errors)
    records = records_of(request)
    wanted: Any = status
    page = await asyncio.to_thread(records.page, low, min(high, cursor or high), wanted, int(limit or LIMIT))
    content = {
        "decisions": [_line(event, review) for event, review in page.decisions],
        "cursor": page.cursor,
        "complete": page.complete,
    }
    return answer(content)


@router.get(
    "/v1/decisions/{decision_id}",
    operation_id="decision",
    response_class=Response,
    responses=describe.answers(WHOLE, 404),
)
async def decision(
    request: Request, decision_id: str, caller: Annotated[Caller | None, Depends(needs("read"))]
) -> Response:
    """One decision: its record, reviews and outcomes, and the explanation that a declined applicant may ask for."""
    found = await asyncio.to_thread(records_of(request).one, decision_id)
    if found is None:
        raise unknown(decision_id)
    return answer(_whole(found))


def records_of(request: Request) -> Records:
    """Look-ups in this service's records."""
    service = service_of(request)
    return Records(service.settings, service.log_path)


def unknown(decision_id: str) -> Problem:
    """404: there is no such decision, or it was erased."""
    expected = "the decision_id of an answer"
    error = FieldError("decision_id", decision_id[:80], "unknown", expected)
    return Problem(404, "unknown-decision", "No decision of this id is recorded.", [error])


def iso(microseconds: int) -> str:
    """A time as answers show it."""
    return dt.datetime.fromtimestamp(microseconds / 1e6, dt.UTC).isoformat(timespec="milliseconds")


def _line(event: Event, review: Event | None) -> dict[str, Any]:
    short = msgspec.json.decode(event.answer, type=_Short)
    return {
        "decision_id": event.id,
        "at": iso(event.at),
        "decision": event.status,
        "verdict": None if review is None else review.status,
        "pd": short.pd,
        "score": short.score,
        "band": short.band,
        "applicant_id": event.applicant_id,
        "purpose": event.purpose,
        "version": event.version,
    }


def _whole(found: Found) -> dict[str, Any]:
    event = found.decision
    reviews = [one for one in found.about if one.kind == "review"]
    last = reviews[-1] if reviews else None
    return _line(event, last) | {
        "key_id": event.key_id,
        "request": msgspec.Raw(event.request),
        "answer": msgspec.Raw(event.answer),
        "reviews": [msgspec.Raw(one.answer) for one in reviews],
        "outcomes": [msgspec.Raw(one.answer) for one in found.about if one.kind == "outcome"],
        "explanation": explanation(event, last),
        "complete": found.complete,
    }


def _time(name: str, text: str | None, errors: list[FieldError]) -> str | None:
    """The lowest identifier made from a date or time on."""
    if text is None:
        return None
    try:
        found = dt.datetime.fromisoformat(text)
        moment = found if found.tzinfo else found.replace(tzinfo=dt.UTC)
        return lowest(int(moment.timestamp() * 1_000))
    except (ValueError, OverflowError):
        errors.append(FieldError(name, text[:80], "type", "a date or time such as 2024-01-31 or 2024-01-31T12:00:00Z"))
        return None
