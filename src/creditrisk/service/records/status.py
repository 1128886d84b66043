"""How forwarding goes, for ``/health/ready`` and the metrics: a small file that workers read."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path

import msgspec

NAME = "forwarder.json"
SILENT_SECONDS = 300.0
"""After so long without a word it counts as failing: one that cannot even start writes nothing."""


class Forwarding(msgspec.Struct, frozen=True):
    """The forwarder's state."""

    backlog: int
    """Events that PostgreSQL does not have yet."""
    seq: int
    """The last place in the log that it has."""
    error: str | None
    """Why nothing moves, without a password; null while all is well."""
    since: str | None
    """Since when."""
    written: str


def write(state: Path, forwarding: Forwarding) -> None:
    """Replace the file; it need not survive a power failure."""
    draft = state / f".{NAME}.{os.getpid()}"
    draft.write_bytes(msgspec.json.encode(forwarding))
    draft.replace(state / NAME)


def read(state: Path) -> Forwarding | None:
    """What was last written; None where nothing was."""
    try:
        found = msgspec.json.decode((state / NAME).read_bytes(), type=Forwarding)
        silent = dt.datetime.now(dt.UTC) - dt.datetime.fromisoformat(found.written)
    except (OSError, ValueError, TypeError):
        return None
    if found.error is None and silent.total_seconds() > SILENT_SECONDS:
        return msgspec.structs.replace(found, error="the forwarder has not been heard of", since=found.written)
    return found
