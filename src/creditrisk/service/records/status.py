"""How forwarding goes, for ``/health/ready`` and the metrics: a small file that workers read."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

NAME = "forwarder.json"


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
        return msgspec.json.decode((state / NAME).read_bytes(), type=Forwarding)
    except (OSError, msgspec.DecodeError):
        return None
