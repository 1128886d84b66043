"""What is said about decisions later: a person's verdict after a refer, how the loan went. Never overwritten."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections.abc import Callable
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Depends, Request, Response
from msgspec import Meta

from creditrisk.service.access.keys import Caller
from creditrisk.service.http.hot import ERASING, idempotency
from creditrisk.service.problem import FieldError, Problem, invalid_request
from creditrisk.service.record import Event
from creditrisk.service.records.read import REFUSED
from creditrisk.service.routes import describe
from creditrisk.service.routes.common import hot_of, json_only, needs, service_of, write_down
from creditrisk.service.routes.decisions import iso, records_of, unknown
from creditrisk.service.scoring.schema import UNREADABLE
from creditrisk.service.scoring.wrong import faults_of, faults_of_each, undecodable

router = APIRouter(tags=["decisions"])
encode = msgspec.json.encode
LOOKS = 5
"""How often decisions are looked up, should an erasure come each time before what is said of them is recorded."""
Said = tuple[list[Event], bytes]
"""What is recorded, and the answer."""
EARLIEST = dt.date(1900, 1, 1)
_OBSERVED = f"not before {EARLIEST} and not after tomorrow"
Asking = Annotated[Caller | None, Depends(needs("outcomes"))]
"""The scope ``outcomes`` (or ``admin``, which holds all others) may say what became of decisions."""


def _said(most: int) -> Meta:
    """A text that says something: blanks alone do not."""
    expected = f"a text of 1 to {most:,} characters that are not all blank"
    return Meta(min_length=1, max_length=most, pattern=r"\S", extra={"expected": expected})


class Review(msgspec.Struct, forbid_unknown_fields=True):
    """A person's verdict on a referred application."""

    verdict: Literal["approve", "decline"]
    who: Annotated[str, _said(200)]
    why: Annotated[str, _said(2_000)]


class Outcome(msgspec.Struct, forbid_unknown_fields=True):
    """How a loan went."""

    decision_id: Annotated[str, Meta(min_length=1, max_length=100)]
    outcome: Literal["good", "bad"]
    observed_on: Annotated[dt.date, Meta(description=f"{_OBSERVED} (UTC).", extra={"expected": f"a date, {_OBSERVED}"})]


def inline(form: type) -> dict[str, Any]:
    """A struct's schema by itself."""
    _, parts = msgspec.json.schema_components((form,), ref_template="#/components/schemas/{name}")
    found: dict[str, Any] = parts[form.__name__]
    return found


@router.post(
    "/v1/decisions/{decision_id}/review",
    status_code=201,
    operation_id="review",
    response_class=Response,
    responses=describe.answers(describe.ref("ReviewRecorded"), 400, 404, 409, 415, 422, status=201),
    openapi_extra=describe.takes(inline(Review), idempotent=True),
)
async def review(request: Request, decision_id: str, caller: Asking) -> Response:
    """Record a person's verdict on a referred application; a later one is added, none is overwritten."""
    json_only(request)
    body = await request.body()
    try:
        said = msgspec.json.decode(body, type=Review)
    except UNREADABLE as error:
        raise undecodable(body, error, lambda body: faults_of(Review, body)) from None
    make = hot_of(service_of(request)).identifiers.make

    def about(known: dict[str, Event], now: int) -> Said:
        decision = known.get(decision_id)
        if decision is None:
            raise unknown(decision_id)
        if decision.status != "refer" or decision.purpose != "decision":
            what = decision.status if decision.purpose == "decision" else decision.purpose
            detail = f"Only a referred application is reviewed; this one's record says {what!r}."
            raise Problem(409, "not-referred", detail)
        name = make(now)
        content = {"review_id": name, "decision_id": decision_id, "at": iso(now // 1_000)}
        content |= msgspec.structs.asdict(said)
        return [_event(name, "review", decision, said.verdict, now, caller, said, content)], encode(content)

    return await _record(request, caller, body, [decision_id], about)


@router.post(
    "/v1/outcomes",
    status_code=201,
    operation_id="outcomes",
    response_class=Response,
    responses=describe.answers(describe.ref("OutcomesRecorded"), 400, 404, 409, 415, 422, status=201),
    openapi_extra=describe.takes(
        {"oneOf": [inline(Outcome), {"type": "array", "items": inline(Outcome), "minItems": 1}]}, idempotent=True
    ),
)
async def outcomes(request: Request, caller: Asking) -> Response:
    """Record how loans went, one or a list; a later outcome of a decision is added, none is overwritten."""
    json_only(request)
    body, now = await request.body(), time.time_ns()
    found = _outcomes(body, service_of(request).settings.max_list, now)
    said = found if isinstance(found, list) else [found]
    make = hot_of(service_of(request)).identifiers.make

    def about(known: dict[str, Event], now: int) -> Said:
        _all_known(said, isinstance(found, list), known)
        _all_decided(said, isinstance(found, list), known)
        events, contents = [], []
        for one in said:
            name = make(now)
            content = {"outcome_id": name, "at": iso(now // 1_000)} | msgspec.structs.asdict(one)
            events.append(_event(name, "outcome", known[one.decision_id], one.outcome, now, caller, one, content))
            contents.append(content)
        return events, encode({"recorded": contents})

    return await _record(request, caller, body, [one.decision_id for one in said], about)


def _outcomes(body: bytes, most: int, now: int) -> Outcome | list[Outcome]:
    """Read a body.

    Raises:
        Problem: 400, or 422 with every wrong field of every outcome.
    """
    tomorrow = dt.datetime.fromtimestamp(now / 1e9, dt.UTC).date() + dt.timedelta(days=1)  # it is later in the east

    def fits(value: object) -> bool:
        return not isinstance(value, dt.date) or EARLIEST <= value <= tomorrow

    def faults(body: bytes) -> list[FieldError]:
        if not body.lstrip().startswith(b"["):
            return faults_of(Outcome, body, fits)
        items = msgspec.json.decode(body, type=list[msgspec.Raw])
        if 1 <= len(items) <= most:
            return faults_of_each(Outcome, items, fits)
        error = FieldError("the body", str(len(items)), "range", f"1 to {most} outcomes")
        raise Problem(422, "invalid-request", f"A list holds 1 to {most:,} outcomes.", [error])

    try:
        found: Outcome | list[Outcome] = msgspec.json.decode(body, type=Outcome | list[Outcome])
    except UNREADABLE as error:
        raise undecodable(body, error, faults) from None
    said = found if isinstance(found, list) else [found]
    if not (1 <= len(said) <= most and all(fits(one.observed_on) for one in said)):
        raise invalid_request(faults(body))
    return found


def _all_known(said: list[Outcome], listed: bool, known: dict[str, Event]) -> None:
    errors = [
        FieldError(_place(number, listed, "decision_id"), one.decision_id, "unknown", "the decision_id of an answer")
        for number, one in enumerate(said)
        if one.decision_id not in known
    ]
    if errors:
        detail = "No decision of this id is recorded; nothing of the request was kept."
        raise Problem(404, "unknown-decision", detail, errors)


def _all_decided(said: list[Outcome], listed: bool, known: dict[str, Event]) -> None:
    errors = [
        FieldError(_place(number, listed, "decision_id"), one.decision_id, "unknown", "a row that could be scored")
        for number, one in enumerate(said)
        if known[one.decision_id].status == REFUSED
    ]
    if errors:
        detail = "A row that could not be scored was not decided and has no outcome; nothing of the request was kept."
        raise Problem(409, "not-decided", detail, errors)


def _place(number: int, listed: bool, name: str) -> str:
    return f"[{number}].{name}" if listed else name


def _event(
    name: str, kind: str, decision: Event, status: str, now: int, caller: Caller | None, said: Any, content: Any
) -> Event:
    """The record; it names the decision's applicant, so that it is erased with them."""
    return Event(
        name,
        kind,
        decision.id,
        now // 1_000,
        caller.id if caller else None,
        decision.applicant_id,
        status,
        decision.purpose,
        decision.version,
        encode(said),
        encode(content),
    )


async def _record(
    request: Request,
    caller: Caller | None,
    body: bytes,
    ids: list[str],
    about: Callable[[dict[str, Event], int], Said],
) -> Response:
    """Look decisions up and record what is said about them; once more where somebody was erased in between."""
    key = request.headers.get("idempotency-key")
    for _ in range(LOOKS):
        known, erasures = await asyncio.to_thread(records_of(request).looked_up, ids)
        now, repeat = time.time_ns(), None
        events, content = about(known, now)
        if key is not None:
            whose = caller.id if caller else None
            repeat = idempotency(key.encode("latin-1"), whose, request.url.path, body, content, now)
        try:
            earlier = await write_down(hot_of(service_of(request)), events, repeat, erasures)
        except Problem as problem:
            if problem.kind != ERASING:
                raise
            refused = problem
        else:
            if earlier is not None:
                return Response(earlier.answer, 201, {"Idempotency-Replayed": "true"}, "application/json")
            return Response(content, 201, media_type="application/json")
    raise refused
