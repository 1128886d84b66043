"""``GET /v1/decisions``: what was decided, why, and what came of it."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import Annotated, Any, get_args

import msgspec
from fastapi import APIRouter, Depends, Query, Request, Response

from creditrisk.service.access.keys import Caller
from creditrisk.service.identifiers import FORM, is_identifier, lowest
from creditrisk.service.problem import FieldError, Problem
from creditrisk.service.record import Event
from creditrisk.service.records.explain import explanation
from creditrisk.service.records.read import REFUSED, Found, Records, Status
from creditrisk.service.routes import describe
from creditrisk.service.routes.common import answer, needs, service_of

router = APIRouter(tags=["decisions"])
LIMIT, MOST = 50, 500
HIGHEST = "g"
"""Sorts after every identifier."""
MOMENT: dict[str, Any] = {"anyOf": [{"format": "date"}, {"format": "date-time"}, {"maxLength": 0}]}
COUNT: dict[str, Any] = {"pattern": "^([1-9][0-9]?|[1-4][0-9][0-9]|500)$"}
CURSOR: dict[str, Any] = {"pattern": f"^({FORM})?$"}
"""What the query's texts must be; in the document alone, since the route names all that are wrong at once."""


class _Short(msgspec.Struct):
    """What a list shows of an answer."""

    pd: float | None = None
    score: int | None = None
    band: str | None = None


@router.get(
    "/v1/decisions",
    operation_id="decisions",
    response_class=Response,
    responses=describe.answers(describe.ref("DecisionPage"), 422),
)
async def decisions(
    request: Request,
    caller: Annotated[Caller | None, Depends(needs("read"))],
    from_: Annotated[
        str, Query(alias="from", description="Not before this date or time (UTC).", json_schema_extra=MOMENT)
    ] = "",
    to: Annotated[str, Query(description="Before this date or time (UTC).", json_schema_extra=MOMENT)] = "",
    status: Annotated[
        str, Query(description="Of the decision.", json_schema_extra={"enum": ["", *get_args(Status)]})
    ] = "",
    limit: Annotated[str, Query(description=f"Decisions on a page, at most {MOST}.", json_schema_extra=COUNT)] = str(
        LIMIT
    ),
    cursor: Annotated[
        str, Query(description="The cursor that the page before ended with.", json_schema_extra=CURSOR)
    ] = "",
) -> Response:
    """Decisions, newest first: 50 on a page where no limit is said. The last page has no cursor.

    ``from`` and ``to`` are days or times (UTC where no zone is said). A refer is ``pending`` until it is ``reviewed``;
    of these a page may be shorter than the limit.
    """
    errors: list[FieldError] = []
    low = _time("from", from_, errors) or ""
    high = _time("to", to, errors) or HIGHEST
    if status and status not in get_args(Status):
        errors.append(FieldError("status", status[:80], "unknown", f"one of {', '.join(get_args(Status))}"))
    if not limit.isascii() or not limit.isdigit() or not 1 <= int(limit[:9]) <= MOST:
        errors.append(FieldError("limit", limit[:80], "range", f"a whole number from 1 to {MOST}"))
    if cursor and not is_identifier(cursor):
        errors.append(FieldError("cursor", cursor[:80], "type", "the cursor of the page before"))
    if errors:
        names = ", ".join(error.field for error in errors)
        raise Problem(422, "invalid-query", f"The decisions cannot be listed: look at {names}.", errors)
    records = records_of(request)
    wanted: Any = status or None
    page = await asyncio.to_thread(records.page, low, min(high, cursor or high), wanted, int(limit))
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
    responses=describe.answers(describe.ref("DecisionRecord"), 404),
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
        "decision": None if event.status == REFUSED else event.status,
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


def _time(name: str, text: str, errors: list[FieldError]) -> str | None:
    """The lowest identifier made from a date or time on."""
    if not text:
        return None
    try:
        found = dt.datetime.fromisoformat(text)
        moment = found if found.tzinfo else found.replace(tzinfo=dt.UTC)
        return lowest(int(moment.timestamp() * 1_000))
    except (ValueError, OverflowError):
        errors.append(FieldError(name, text[:80], "type", "a date or time such as 2024-01-31 or 2024-01-31T12:00:00Z"))
        return None
