"""The process that writes one worker's records: it takes batches of groups over a socket and says what became of each.

    python -m creditrisk.service.log.writing HANDLE sqlite PATH
    python -m creditrisk.service.log.writing HANDLE postgres

A thread of the worker would do as well, but for Python's lock: the worker computes all the time, and a thread that
returns from a commit waits for it to make a pause. Here the disk works while the worker does. The process ends when the
socket does, so with its worker, and after it has finished what it was given.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, Protocol

import msgspec

from creditrisk.errors import ServiceError
from creditrisk.service.record import (
    Conflict,
    Earlier,
    Event,
    Group,
    Idempotency,
    NotWrittenError,
    Outdated,
    Stored,
    UnsureError,
)
from creditrisk.service.telemetry.output import take_over

HEAD = 4
"""Bytes before each message: its length, little-endian."""
READ_BYTES = 1 << 16
_LOGGER = logging.getLogger("creditrisk.service")


class Order(msgspec.Struct, array_like=True):
    """A batch to make durable."""

    number: int
    """By which its report is known."""
    groups: list[tuple[Sequence[Event], Idempotency | None, int | None]]
    """Of each: events, idempotency, and what the log knew of erasures when its decisions were looked up."""
    again: bool
    """Whether it may have been written before, by a process that then ended."""


class Fate(msgspec.Struct, array_like=True):
    """What became of a group."""

    kind: Literal["durable", "earlier", "conflict", "outdated", "failed", "unsure"]
    content: bytes = b""
    """The earlier answer, or the kind of error."""


class Report(msgspec.Struct, array_like=True):
    """What became of a batch."""

    number: int
    """Its order's."""
    seconds: float
    """How long it took, in seconds."""
    fates: list[Fate] | None
    """Of each group; None where all are durable."""


_encode = msgspec.msgpack.Encoder().encode
_order = msgspec.msgpack.Decoder(Order).decode
_report = msgspec.msgpack.Decoder(Report).decode


def framed(message: Order | Report) -> bytes:
    """A message behind its length."""
    content = _encode(message)
    return len(content).to_bytes(HEAD, "little") + content


def order_of(number: int, batch: Sequence[Group], again: bool) -> bytes:
    """A batch as it goes over the socket."""
    return framed(Order(number, [(group.events, group.idempotency, group.looked_up) for group in batch], again))


def read_report(content: bytes, number: int, batch: Sequence[Group]) -> tuple[list[Stored], float]:
    """What a report says of each group of its batch, and how long the batch took in seconds.

    Raises:
        msgspec.DecodeError, ValueError: it is no report about this batch.
    """
    report = _report(content)
    results: list[Stored] = [None] * len(batch) if report.fates is None else list(map(_stored, report.fates))
    if report.number != number or len(results) != len(batch):
        raise ValueError(f"report {report.number} of {len(results)} groups, order {number} of {len(batch)}")
    return results, report.seconds


def _stored(fate: Fate) -> Stored:
    if fate.kind == "durable":
        return None
    if fate.kind == "conflict":
        return Conflict()
    if fate.kind == "outdated":
        return Outdated()
    if fate.kind == "unsure":
        return UnsureError(fate.content.decode())
    return Earlier(fate.content) if fate.kind == "earlier" else NotWrittenError(fate.content.decode())


def _fate(result: Stored) -> Fate:
    if result is None:
        return Fate("durable")
    if isinstance(result, Earlier):
        return Fate("earlier", result.answer)
    if isinstance(result, Conflict | Outdated):
        return Fate("conflict" if isinstance(result, Conflict) else "outdated")
    # What an exception says may quote a value, which belongs in no log.
    return Fate("unsure" if isinstance(result, UnsureError) else "failed", type(result).__name__.encode())


class BatchWriter(Protocol):
    """Makes batches durable."""

    def write(self, batch: Sequence[Group], again: bool = False) -> list[Stored]:
        """Make a batch durable. A group whose write failed is not in the log and gets the exception.

        Args:
            batch: what to write.
            again: whether it may have been written before; what is there then stays as it is.
        """
        ...

    def close(self) -> None:
        """Nothing more will be written."""
        ...


def orders(channel: socket.socket) -> Iterator[Order]:
    """What comes over the socket, until nothing more can; an order whose worker ended while it spoke is none."""
    content = bytearray()
    while found := channel.recv(READ_BYTES):
        content += found
        while len(content) >= HEAD and len(content) >= (end := HEAD + int.from_bytes(content[:HEAD], "little")):
            yield _order(memoryview(content)[HEAD:end])
            del content[:end]


def work(channel: socket.socket, writer: BatchWriter) -> None:
    """Carry orders out, one after the other, until no more can come."""
    for order in orders(channel):
        began = time.perf_counter()
        results = _written(
            writer,
            [Group(events, repeat, _nobody, looked_up) for events, repeat, looked_up in order.groups],
            order.again,
        )
        seconds = time.perf_counter() - began
        fates = None if results.count(None) == len(order.groups) else list(map(_fate, results))
        channel.sendall(framed(Report(order.number, seconds, fates)))


def _written(writer: BatchWriter, batch: list[Group], again: bool) -> list[Stored]:
    """What a writer did not foresee costs the answers of one batch and not the process; no group is only a greeting."""
    if not batch:
        return []
    try:
        return writer.write(batch, again)
    except Exception as error:
        _LOGGER.exception("the writer of the decision log failed")
        return [error] * len(batch)


def _nobody(result: Stored) -> None:
    """Nobody waits in this process."""


def writer_of(kind: str, place: Sequence[str]) -> BatchWriter:
    """The writer that the command line names.

    Raises:
        ServiceError: the log cannot be opened.
    """
    if kind == "postgres":
        from creditrisk.service.postgres.writer import PostgresWriter

        return PostgresWriter(os.environ.get("DATABASE_URL"))
    from creditrisk.service.log.sqlite import Writer, connect

    path = Path(place[0])
    return Writer(connect(path), path)


def main() -> int:
    """Write until the worker ends."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):  # meant for the worker, which finishes what it began
        signal.signal(number, signal.SIG_IGN)
    take_over()
    channel = socket.socket(fileno=int(sys.argv[1]))
    try:
        writer = writer_of(sys.argv[2], sys.argv[3:])
    except ServiceError as error:
        _LOGGER.error("%s", error)
        return 1
    with channel, contextlib.suppress(ConnectionError):
        work(channel, writer)
    writer.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
