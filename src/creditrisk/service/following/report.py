"""What the watch last saw of the registry: ``registry.json``, written by the child, read by every worker."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import msgspec

from creditrisk.service.following.pointer import write_atomically

REPORT_FILE = "registry.json"
LOOK_FILE = "look"
"""Touched by whoever has changed the champion: the watch need not wait for its time."""


class Listed(msgspec.Struct, frozen=True):
    """One version of the portfolio's model."""

    version: str
    aliases: tuple[str, ...]
    digest: str
    family: str
    created: str
    """UTC, ISO."""
    readiness: str | None
    """promoted, refused, or none: not judged yet."""
    readiness_reason: str | None
    gates: dict[str, Any]
    """The bound that each gate was judged by."""


class Report(msgspec.Struct, frozen=True):
    """The registry as the watch saw it."""

    portfolio: str
    reachable: bool
    since: str
    """From when on it has been so, UTC, ISO."""
    checked: float
    """When it was last looked at, seconds since 1970."""
    pid: int
    error: str | None = None
    waiting: str | None = None
    """Why there is no champion, where there is none."""
    alerts: dict[str, str] = {}
    model: str | None = None
    champion: str | None = None
    challenger: str | None = None
    versions: tuple[Listed, ...] = ()

    @property
    def seen(self) -> str:
        """When the registry was last looked at, UTC, ISO."""
        return dt.datetime.fromtimestamp(self.checked, dt.UTC).isoformat(timespec="seconds")


def read_report(path: Path) -> Report | None:
    """The report; None where there is none or it cannot be read: the next one replaces it."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Report)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None


def write_report(path: Path, report: Report) -> None:
    """Put a report in place."""
    write_atomically(path, msgspec.json.format(msgspec.json.encode(report), indent=1))
