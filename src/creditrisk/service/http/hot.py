"""The hot path: one application from bytes to bytes, the record durable before the answer leaves.

Nothing here waits: ``handle`` decodes, scores and hands the record to the log, and the answer is sent when the log
calls back. It is reached in two ways: from uvicorn's HTTP protocol directly (``creditrisk.service.http.protocol``), and
as a plain ASGI handler where another server runs the application (``creditrisk.service.http.front``).
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Iterable

import msgspec

from creditrisk.service.access.gate import Gate
from creditrisk.service.access.hosts import elsewhere, is_here
from creditrisk.service.access.keys import Caller
from creditrisk.service.http.border import REQUEST_ID, internal
from creditrisk.service.identifiers import Identifiers
from creditrisk.service.problem import Problem
from creditrisk.service.record import (
    Conflict,
    Earlier,
    Event,
    Group,
    Idempotency,
    Log,
    Outdated,
    Stored,
    UnsureError,
)
from creditrisk.service.scoring.live import Live, ScoreAnswer
from creditrisk.service.scoring.schema import UNREADABLE, Request, decode_request
from creditrisk.service.scoring.shadow import Shadow
from creditrisk.service.telemetry.counts import Counts
from creditrisk.service.telemetry.journal import Journal

PATH = "/v1/score"
Header = tuple[bytes, bytes]
Respond = Callable[[int, Iterable[Header], bytes], bool]
"""Sends an answer: status, headers beside content-type and content-length (which are the callee's), body. False where
nobody waits for it any more, so that a request is not counted twice."""

JSON, PROBLEM = b"application/json", b"application/problem+json"
_JSON_TYPE = re.compile(rb"application/json\s*(?:;.*)?", re.IGNORECASE)
_IDEMPOTENCY_KEY = re.compile(rb"[\x21-\x7e]{1,255}")
encode = msgspec.json.Encoder().encode


class Hot:
    """Answers to single applications.

    Args:
        log: where records become durable.
        gate: keys and rate limits.
        counts: for the metrics.
        model: the model that answers now; None while there is none.
        journal: lines about requests.
    """

    def __init__(
        self, log: Log, gate: Gate, counts: Counts, model: Live | None = None, journal: Journal | None = None
    ) -> None:
        self.log, self.gate, self.counts, self.model = log, gate, counts, model
        self.journal = journal or Journal()
        self.identifiers = Identifiers()
        self.shadow: Shadow | None = None
        """Where a challenger is scored beside the model."""

    def handle(self, headers: Iterable[Header], body: bytes, respond: Respond) -> None:
        """Answer one application; ``respond`` is called now for an error, else when the record is durable."""
        began = time.perf_counter()
        request_id = caller = None
        try:
            content_type = authorization = api_key = idempotency_key = host = None
            for name, value in headers:
                if name == b"content-type":
                    content_type = value
                elif name == b"host":
                    host = value
                elif name == b"authorization":
                    authorization = value
                elif name == b"x-api-key":
                    api_key = value
                elif name == b"idempotency-key":
                    idempotency_key = value
                elif name == b"x-request-id" and REQUEST_ID.fullmatch(value):
                    request_id = value.decode()
            caller = self.gate.admit(authorization, api_key, "score")
            if caller is None and host and not is_here(host):
                raise elsewhere(host)  # another site's page cannot send the media type that is asked for next
            if content_type is None or (content_type != JSON and not _JSON_TYPE.fullmatch(content_type)):
                raise Problem(415, "unsupported-media-type", "Send the application as application/json.")
            self._score(caller, body, idempotency_key, request_id, respond, began)
        except Problem as problem:
            self.refuse(problem, request_id, respond, began, caller.id if caller else None)
        except Exception as error:  # a fault of ours must cost one answer, not the connection
            self.refuse(internal(), request_id, respond, began, caller.id if caller else None, error)

    def _score(
        self,
        caller: Caller | None,
        body: bytes,
        idempotency_key: bytes | None,
        request_id: str | None,
        respond: Respond,
        began: float,
    ) -> None:
        model = self.model
        if model is None:
            raise Problem(
                503, "no-model", "No model is loaded yet; /health/ready says why.", headers={"Retry-After": "5"}
            )
        try:
            request = decode_request(body)
        except UNREADABLE as error:
            raise model.unreadable(body, error) from None
        now = time.time_ns()
        answer = model.answer(request, self.identifiers.make(now))
        encoded = encode(answer)
        key_id = caller.id if caller else None
        event = event_of(model, request, answer, encoded, key_id, now)
        repeat = None if idempotency_key is None else idempotency(idempotency_key, key_id, PATH, body, encoded, now)

        def stored(result: Stored) -> None:
            if result is None:
                if request.purpose == "decision":
                    self.counts.scored(answer.band, answer.decision, model.label, answer.pd)
                if respond(200, _echo(request_id), encoded):
                    self.counts.answered(PATH, 200, time.perf_counter() - began)
                    if self.journal.every is not None and self.journal.due():
                        seconds, name = time.perf_counter() - began, answer.decision_id
                        self.journal.request("POST", PATH, 200, seconds, request_id, key_id, name)
                if self.shadow is not None:
                    self.shadow.offer(request, answer, key_id)
            elif isinstance(result, Earlier):
                if respond(200, [(b"idempotency-replayed", b"true"), *_echo(request_id)], result.answer):
                    self.counts.answered(PATH, 200, time.perf_counter() - began)
            else:
                self.refuse(not_stored(result), request_id, respond, began, key_id)

        if not self.log.submit(Group((event,), repeat, stored)):
            raise busy()

    def refuse(
        self,
        problem: Problem,
        request_id: str | None,
        respond: Respond,
        began: float,
        key_id: str | None = None,
        error: Exception | None = None,
    ) -> None:
        """Answer with a problem; it gets a request id where the client gave none, and a line in the log.

        Where nobody waits for it any more, as after 503 for a disk that hesitates, only a fault of ours gets its line.
        """
        seconds = time.perf_counter() - began
        request_id = request_id or self.identifiers.make(time.time_ns())
        headers = [(name.lower().encode(), value.encode()) for name, value in problem.headers.items()]
        answered = respond(problem.status, [*headers, *_echo(request_id)], problem.body(request_id))
        if answered:
            self.counts.answered(PATH, problem.status, seconds)
        if answered or error is not None:
            self.journal.request("POST", PATH, problem.status, seconds, request_id, key_id, None, problem.kind, error)


def _echo(request_id: str | None) -> list[Header]:
    return [] if request_id is None else [(b"x-request-id", request_id.encode())]


def event_of(model: Live, request: Request, answer: ScoreAnswer, encoded: bytes, key_id: str | None, now: int) -> Event:
    """The record of an answer; protected attributes are taken out of the request and kept apart.

    The request is written down as it was read, not as it came: a body that names a field twice would bring what is
    protected into the record.
    """
    protected: bytes | None = None
    hidden = model.fields.protected
    if request.protected is not None or (hidden and not hidden.isdisjoint(request.application)):
        inside = {name: value for name, value in request.application.items() if name in hidden}
        protected = encode(inside | (request.protected or {}))
        open_part = {name: value for name, value in request.application.items() if name not in hidden}
        kept = encode(msgspec.structs.replace(request, application=open_part, protected=None))
    else:
        kept = encode(request)
    return Event(
        answer.decision_id,
        "decision",
        None,
        now // 1_000,
        key_id,
        request.applicant_id,
        answer.decision,
        request.purpose,
        model.label,
        kept,
        encoded,
        protected,
    )


def idempotency(key: bytes, key_id: str | None, route: str, body: bytes, answer: bytes, now: int) -> Idempotency:
    """What is kept of a request that may be repeated.

    Raises:
        Problem: the key is no text of 1 to 255 visible ASCII characters.
    """
    if not _IDEMPOTENCY_KEY.fullmatch(key):
        raise Problem(400, "invalid-idempotency-key", "Idempotency-Key: 1 to 255 visible ASCII characters, no spaces.")
    digest = hashlib.sha256(route.encode() + b"\0" + body).digest()
    return Idempotency(key_id or "", key.decode(), digest, answer, now // 1_000)


ERASING = "erasing"


def not_stored(result: Conflict | Outdated | Exception) -> Problem:
    """Why there is no answer though the application could be scored."""
    if isinstance(result, Conflict):
        return Problem(
            409, "idempotency-conflict", "This Idempotency-Key was used for another request; take a new key."
        )
    if isinstance(result, Outdated):
        detail = "Applicants are being erased, one after the other; nothing was kept. Try again later."
        return Problem(503, ERASING, detail, headers={"Retry-After": "5"})
    if isinstance(result, UnsureError):
        return Problem(
            503,
            "record-unknown",
            "There is no answer, since whether it was recorded is not known; repeat the request with the same "
            "Idempotency-Key.",
            headers={"Retry-After": "5"},
        )
    return Problem(
        503,
        "not-recorded",
        "The record could not be written, so no answer is given. Nothing was decided; try again later.",
        headers={"Retry-After": "5"},
    )


def busy() -> Problem:
    """503: too many wait for the disk."""
    return Problem(
        503, "busy", "More requests are waiting than the log can take; try again.", headers={"Retry-After": "1"}
    )
