"""Whether a new version may take over: what was valid before must stay valid.

The contracts alone settle it (``creditrisk.service.following.compatibility``); the old bundle's golden rows and the
applications last answered are asked as well, as evidence that owes nothing to that reasoning.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from functools import partial
from pathlib import Path

import msgspec

from creditrisk.errors import ServiceError
from creditrisk.model import golden
from creditrisk.service.following.compatibility import refusals
from creditrisk.service.log.sqlite import connect
from creditrisk.service.scoring.live import Live
from creditrisk.service.scoring.schema import Scalar, decode_request

RECENT = 200
NAMED = 5
"""Reasons that one sentence names."""


def objection(old: Live, new: Live, log: Path) -> str | None:
    """Why the new version may not take over from the old one, None where it may.

    Args:
        log: the decision log; it need not exist.
    """
    named = f"version {new.named.version} is refused, version {old.named.version} stays"
    if found := refusals(old.scorer.contract, new.scorer.contract):
        more = f"; and {len(found) - NAMED} more" if len(found) > NAMED else ""
        return f"{named}: its contract refuses applications that are valid now: {'; '.join(found[:NAMED])}{more}."
    for number, row in _golden(old):
        if names := _tried(partial(_faulty, new, row)):
            return f"{named}: it refuses golden row {number} of the present bundle: {names[0]}."
    for identifier, application in _recent(log, old.label):
        if names := _tried(partial(_wrong, new, application)):
            return f"{named}: it refuses the application of decision {identifier}: {', '.join(names)}."
    return None


def _tried(wrong: Callable[[], list[str]]) -> list[str]:
    """What is refused; to fail is to refuse, since a bundle must not take the process with it."""
    try:
        return wrong()
    except Exception as error:
        return [type(error).__name__]


def _faulty(live: Live, row: Mapping[str, Scalar]) -> list[str]:
    return [fault.column for fault in live.scorer.score_row(row).faults]


def _wrong(live: Live, application: dict[str, Scalar]) -> list[str]:
    errors = [error.field for error in live.fields.check(application)]
    return errors or _faulty(live, application)


def _golden(old: Live) -> Iterator[tuple[int, golden.Raw]]:
    if (old.folder / golden.FILE).is_file():
        for number, row in enumerate(golden.read(old.folder)):
            if row.pd is not None:
                yield number, row.raw


def _recent(log: Path, label: str) -> list[tuple[str, dict[str, Scalar]]]:
    """Applications among the last decisions that this version answered."""
    if not log.is_file():
        return []
    query = "SELECT id, version, request FROM events WHERE kind = 'decision' ORDER BY seq DESC LIMIT ?"
    try:
        with closing(connect(log, read_only=True)) as connection:
            rows = connection.execute(query, (RECENT,)).fetchall()
    except (ServiceError, sqlite3.Error):
        return []
    found = []
    for identifier, version, request in rows:
        try:
            if version == label:
                found.append((str(identifier), decode_request(request).application))
        except (msgspec.DecodeError, UnicodeDecodeError, TypeError):  # erased since
            continue
    return found
