"""The service's own log: one JSON object a line on standard error, and never a word of an application.

Lines are made of a fixed set of fields: route templates in the place of addresses, identifiers in the place of bodies,
kinds of problems in the place of their sentences. What an exception says may quote a value, so only its type and the
line of code it came from are written.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
import sys
import traceback
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import msgspec

NAME = "creditrisk.service"
KNOWN = ("creditrisk", "uvicorn")
"""Whose sentences are known to quote no application. A parser of forms quotes what it stumbles over, and asyncio what
an exception says."""
LEFT_OUT = "what a library said, left out since it may quote what was sent"
_encode = msgspec.json.Encoder().encode


class JsonLines(logging.Formatter):
    """A record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Time, level, logger and message, or a library's line of code; a request's fields; an exception's place."""
        at = dt.datetime.fromtimestamp(record.created, dt.UTC).isoformat(timespec="milliseconds")
        found: dict[str, Any] = {"at": at, "level": record.levelname.lower(), "logger": record.name}
        if record.name.partition(".")[0] in KNOWN:
            found["message"] = record.getMessage()
        else:
            found |= {"message": LEFT_OUT, "place": f"{record.filename}:{record.lineno}"}
        found |= getattr(record, "fields", {})
        if record.exc_info and record.exc_info[1] is not None:
            found["error"] = where(record.exc_info[1])
        return _encode(found).decode()


class StandardError(logging.Handler):
    """Writes JSON lines to what standard error is at that moment."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(JsonLines())

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line; a closed or full standard error stops no request."""
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(self.format(record) + "\n")
            sys.stderr.flush()


def where(error: BaseException) -> str:
    """An exception's type and the line of code it came from; its text may hold personal data and is left out."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {PurePath(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{place}"


def configure(requests: bool) -> None:
    """Write JSON lines to standard error, uvicorn's own among them; its access log is off, since ours takes its place.

    Args:
        requests: whether answers that are no errors get a line.
    """
    handler = StandardError()
    for name, level in ((NAME, logging.INFO if requests else logging.WARNING), ("uvicorn", logging.WARNING)):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(level)
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    logging.getLogger("uvicorn.access").disabled = True


@dataclass
class Journal:
    """One worker's lines about requests.

    Args:
        every: of the applications that were answered, one in so many gets a line; none where it is None.
    """

    every: int | None = None
    _answered: int = 0

    def due(self) -> bool:
        """Whether the application that was just answered gets a line."""
        if self.every is None:
            return False
        self._answered += 1
        return self._answered % self.every == 0

    def request(
        self,
        method: str,
        route: str,
        status: int,
        seconds: float,
        request_id: str | None,
        key_id: str | None = None,
        decision_id: str | None = None,
        problem: str | None = None,
        error: BaseException | None = None,
    ) -> None:
        """Write a line about one request."""
        level = logging.INFO if status < 400 else logging.WARNING if status < 500 else logging.ERROR
        logger = logging.getLogger(NAME)
        if not logger.isEnabledFor(level):
            return
        fields = {
            "method": method,
            "route": route,
            "status": status,
            "ms": round(seconds * 1_000, 3),
            "request_id": request_id,
            "key_id": key_id,
            "decision_id": decision_id,
            "problem": problem,
            "error": None if error is None else where(error),
        }
        logger.log(level, "request", extra={"fields": {k: v for k, v in fields.items() if v is not None}})
