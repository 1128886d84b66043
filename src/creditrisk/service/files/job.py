"""What a worker tells the process that works on an uploaded file, and how that process says that it could not."""

from __future__ import annotations

import datetime as dt
import secrets
from functools import partial
from typing import Literal

import msgspec
from msgspec import field

WRONG_FILE, TOO_BIG, NO_SPACE, WORKED_ON = 3, 4, 5, 6
"""Exit codes: the file cannot be read (the sentence stands on standard error), needs too much memory, cannot be
recorded, is being scored by another process."""


class Job(msgspec.Struct):
    """One upload."""

    file_id: str
    upload: str | None
    """None where nothing is left to score: the recorded answers are given again."""
    kind: str
    digest: str
    """Of the bundle that scores it."""
    version: str
    state: str
    key_id: str | None
    purpose: str
    at: int
    day: dt.date
    """What counts as today for rows that name no date of application: the day on which the file first came."""
    max_memory_bytes: int
    audit: Literal["sqlite", "postgres", "off"] = "sqlite"
    again: bool = False
    """Whether ``file_id`` came before: what is recorded is answered from the record, and scoring goes on behind it."""
    mark: str = field(default_factory=partial(secrets.token_hex, 16))
    """How a line of standard error begins that holds counts. What else stands there may quote the file, whose sender
    cannot guess it."""
