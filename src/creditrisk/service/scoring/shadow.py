"""A challenger in shadow: scored after the champion's answer is sent, recorded, never answered, dropped when late."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import logging
import threading
import time
from queue import SimpleQueue
from typing import Any

import msgspec

from creditrisk.service.identifiers import Identifiers
from creditrisk.service.record import SHADOW, Event, Group, Log, Stored
from creditrisk.service.scoring.live import Live, ModelNamed, ScoreAnswer
from creditrisk.service.scoring.schema import Request, day
from creditrisk.service.telemetry.counts import Counts
from creditrisk.service.telemetry.journal import where

LIMIT = 256
"""Applications that may wait."""
LATE_SECONDS = 1.0
Waiting = tuple[float, Request, ScoreAnswer, str | None]
_encode = msgspec.json.Encoder().encode


class ShadowAnswer(msgspec.Struct, frozen=True):
    """What the challenger would have said."""

    pd: float | None
    score: int | None
    band: str | None
    decision: str | None
    refused: list[str]
    """Fields that the challenger's contract refuses; empty where it has scored."""
    model: ModelNamed


class Shadow:
    """Scores in a thread of its own, one application at a time, giving way to the event loop after each.

    Args:
        live: the challenger.
        log: where its answers are recorded, by the event loop.
        counts: where it counts what was scored and what was dropped, on the event loop's thread.
    """

    def __init__(self, live: Live, log: Log, loop: asyncio.AbstractEventLoop, counts: Counts) -> None:
        self.live, self._log, self._loop, self._counts = live, log, loop, counts
        self._closed = False
        self._identifiers = Identifiers()
        self._queue: SimpleQueue[Waiting | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="shadow", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Applications that wait."""
        return self._queue.qsize()

    def offer(self, request: Request, answer: ScoreAnswer, key_id: str | None) -> None:
        """Take an answered application in, unless too many wait; a simulation counts in no comparison."""
        if request.purpose != "decision":
            return
        if self._queue.qsize() >= LIMIT:
            self._counts.shadow["dropped"] += 1
        else:
            self._queue.put((time.monotonic(), request, answer, key_id))

    def close(self) -> None:
        """Score no more; what waits is left."""
        self._closed = True
        self._queue.put(None)

    def _work(self) -> None:
        while (item := self._queue.get()) is not None and not self._closed:
            since, request, answer, key_id = item
            if time.monotonic() - since > LATE_SECONDS:
                self._hand_over(None)
                continue
            try:
                event = self._event(request, answer, key_id)
            except Exception as error:  # a challenger's fault costs its answer, and not all that come after
                logging.getLogger("creditrisk.service").error("the challenger failed: %s", where(error))
                event = None
            self._hand_over(event)
            time.sleep(0)  # lets the event loop's thread have the interpreter before the next one

    def _event(self, request: Request, answer: ScoreAnswer, key_id: str | None) -> Event:
        said = shadowed(self.live, request, answer)
        now = time.time_ns()
        return Event(
            self._identifiers.make(now),
            SHADOW,
            answer.decision_id,
            now // 1_000,
            key_id,
            request.applicant_id,
            said.decision or "refused",
            request.purpose,
            self.live.label,
            b"{}",  # the application stands in the decision's record
            _encode(said),
        )

    def _hand_over(self, event: Event | None) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._record, event)

    def _record(self, event: Event | None) -> None:
        if event is None or not self._log.submit(Group((event,), None, self._stored)):
            self._counts.shadow["dropped"] += 1

    def _stored(self, result: Stored) -> None:
        self._counts.shadow["scored" if result is None else "dropped"] += 1


def shadowed(live: Live, request: Request, answer: ScoreAnswer) -> ShadowAnswer:
    """The challenger's answer to an application that the champion has answered, counted from the same day."""
    errors = [error.field for error in live.fields.check(request.application)]
    date = answer.application_date or request.application_date
    when: dt.date | None = None if date is None else day(date)
    found: Any = live.scorer.score_row(request.application, when)
    refused = [*errors, *(fault.column for fault in found.faults if fault.column not in errors)]
    if refused:
        return ShadowAnswer(None, None, None, None, refused, live.named)
    band = live.scorer.policy.band(found.pd)
    return ShadowAnswer(found.pd, found.score, band, found.decision, [], live.named)
