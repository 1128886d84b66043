"""What is written down: events (a decision, a review, an outcome), and groups of them that become durable together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol


class Event(NamedTuple):
    """One row of the log. Texts are UTF-8 JSON where they are bytes."""

    id: str
    kind: str
    """decision, review, outcome, erasure, shadow or file."""
    subject: str | None
    """The decision that a review, outcome or shadow score is about; the file that has ended."""
    at: int
    """Microseconds since 1970."""
    key_id: str | None
    """The API key that asked."""
    applicant_id: str | None
    status: str
    """Of a decision: approve, refer or decline; of a review: its verdict; of an outcome: good or bad;
    of a shadow: what the challenger would have said, or refused; of a file: begun or ended."""
    purpose: str
    """decision, or simulation: a what-if that counts in no monitoring."""
    version: str
    """The model's version and digest, as ``VERSION@DIGEST``."""
    request: bytes
    answer: bytes
    protected: bytes | None = None
    """Protected attributes, kept in a table of their own."""


SHADOW = "shadow"
COLUMNS = Event._fields[:-1]
"""Columns of the events' table; protected attributes are not among them."""


class Idempotency(NamedTuple):
    """A request that may be repeated: within ``key_id``, the same ``key`` gives the first answer."""

    key_id: str
    key: str
    digest: bytes
    """SHA-256 of route and body: the same key with another body is a conflict."""
    answer: bytes
    at: int


class Earlier(NamedTuple):
    """The answer that an earlier request with this idempotency key got."""

    answer: bytes


class Conflict(NamedTuple):
    """The idempotency key was used for another body."""


class Outdated(NamedTuple):
    """Somebody was erased since the decisions that a group is about were looked up; it is not in the log."""


class NotWrittenError(Exception):
    """Why a group is not in the log, as the process that writes said it."""


class UnsureError(Exception):
    """Nobody knows whether a group is in the log: the process that writes ended over it, or a connection was lost."""


Stored = Earlier | Conflict | Outdated | Exception | None
"""What became of a group: None when it is durable now."""
Done = Callable[[Stored], None]


@dataclass(slots=True)
class Group:
    """Events of one request: durable together or not at all; ``done`` is called on the event loop's thread."""

    events: Sequence[Event]
    idempotency: Idempotency | None
    done: Done
    looked_up: int | None = None
    """A number for the erasures that the log knew of when the decisions that the events are about were looked up; None
    where they are about none. Where it knows of others by now, the group is not written: it might name who was just
    erased."""

    @property
    def guarded(self) -> bool:
        """Whether it is about decisions that may have been erased meanwhile, so that a log looks before it writes."""
        return self.looked_up is not None or self.events[0].kind == SHADOW


class Log(Protocol):
    """Where events become durable."""

    commit_seconds: float
    """How long the last commit took."""
    failures: int
    """Groups that could not be written."""
    unwritten: bool
    """Whether the last group could not be: the disk is full, or the database away."""

    def submit(self, group: Group) -> bool:
        """Take a group in; False where too many are waiting, and nothing was taken."""
        ...

    @property
    def waiting(self) -> int:
        """Groups taken in that are not durable yet."""
        ...

    @property
    def waited(self) -> float:
        """For how many seconds what is being written now has been so; 0 where nothing is."""
        ...

    async def ready(self) -> None:
        """Wait until groups can be written; to be called before the first is submitted.

        Raises:
            ServiceError: they never can be.
        """
        ...

    async def close(self) -> None:
        """Write what is waiting, then close."""
        ...


class Off:
    """No record at all: for measurements alone."""

    waiting = 0
    waited = 0.0
    commit_seconds = 0.0
    failures = 0
    unwritten = False

    def submit(self, group: Group) -> bool:
        """Call back at once."""
        group.done(None)
        return True

    async def ready(self) -> None:
        """Nothing to wait for."""

    async def close(self) -> None:
        """Nothing to close."""
