"""``POST /v1/score/file``: a CSV or Parquet table, answered as CSV with a verdict for each row, in bounded memory."""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from creditrisk.errors import ServiceError
from creditrisk.service.access.keys import Caller
from creditrisk.service.files.child import FileChild, no_space
from creditrisk.service.files.job import Job
from creditrisk.service.files.tally import Tally
from creditrisk.service.files.upload import receive_upload, steadily
from creditrisk.service.files.uploads import Upload
from creditrisk.service.http.hot import idempotency
from creditrisk.service.problem import Problem
from creditrisk.service.record import Earlier, Event, Idempotency
from creditrisk.service.records.release import release
from creditrisk.service.routes import describe
from creditrisk.service.routes.common import hot_of, model_of, needs, service_of, write_down
from creditrisk.service.routes.decisions import records_of
from creditrisk.service.scoring.live import Live
from creditrisk.service.scoring.schema import Purpose
from creditrisk.service.service import Service
from creditrisk.service.telemetry.journal import where

router = APIRouter(tags=["scoring"])
PATH = "/v1/score/file"
_FILE: dict[str, Any] = {"type": "string", "format": "binary"}
REFUSED = (413, 422)
"""What a file gets that is refused as a whole; after any other problem it may be sent again as it is."""
TAKES = {
    "multipart/form-data": {"schema": {"type": "object", "properties": {"file": _FILE}, "required": ["file"]}},
    "text/csv": {"schema": _FILE},
    "application/vnd.apache.parquet": {"schema": _FILE},
}


@router.post(
    PATH,
    operation_id="score_file",
    response_class=StreamingResponse,
    responses=describe.answers(
        {"type": "string"},
        400,
        408,
        409,
        413,
        415,
        422,
        text="A line for each row, with a verdict; the file's id stands in X-File-Id.",
        media_type="text/csv",
    ),
    openapi_extra={"requestBody": {"required": True, "content": TAKES}, "parameters": [describe.IDEMPOTENCY]},
)
async def score_file(
    request: Request,
    caller: Annotated[Caller | None, Depends(needs("batch"))],
    purpose: Annotated[Purpose, Query()] = "decision",
) -> Response:
    """Score every row of a file; its record is durable before its answers leave.

    With an Idempotency-Key, the same file gets its recorded answers again, and nothing is scored twice; where the first
    request was broken off, scoring goes on behind what is recorded.
    """
    service = service_of(request)
    model = model_of(service)
    now = time.time_ns()
    file_id = hot_of(service).identifiers.make(now)
    try:
        upload = service.uploads.take(file_id)
        try:
            child = await FileChild.start(service.settings, model.folder, model.named.digest)
            try:
                job = await _received(request, service, model, file_id, upload, caller, purpose, now)
                return await _scored(request, service, model, job, upload, child)
            except BaseException:
                child.end()
                raise
        except BaseException:
            upload.remove()
            raise
    except OSError as error:
        raise no_space() from error


async def _received(
    request: Request,
    service: Service,
    model: Live,
    file_id: str,
    upload: Upload,
    caller: Caller | None,
    purpose: Purpose,
    now: int,
) -> Job:
    """Take the upload in; returns what is to be done with it."""
    settings = service.settings
    content_type = request.headers.get("content-type", "")
    body = steadily(request.stream(), settings.request_seconds, settings.min_upload_rate)
    kind = await receive_upload(body, content_type, upload.path, settings.max_upload_bytes)
    return Job(
        file_id,
        str(upload.path),
        kind,
        model.named.digest,
        model.named.version,
        str(settings.state),
        caller.id if caller else None,
        purpose,
        now // 1_000,
        dt.date.fromtimestamp(now / 1e9),
        settings.max_file_memory_bytes,
        settings.audit,
    )


async def _scored(
    request: Request, service: Service, model: Live, job: Job, upload: Upload, child: FileChild
) -> Response:
    """Begin to score, and answer when the first rows are on record."""
    size = upload.path.stat().st_size
    begun = msgspec.json.encode({"kind": job.kind, "bytes": size, "day": job.day})
    repeat = await _repeat(request, job, upload)
    earlier = await _write_down(service, _event(job, model, job.file_id, None, "begun", begun, b"{}"), repeat)
    if earlier is not None:
        job = await _earlier(request, job, model, earlier.answer.decode())
        if job.upload is None:
            upload.remove()

    def told(tally: Tally) -> None:
        if job.purpose == "decision" and not tally.before:
            tally.count(service.counts, model.label)

    child.tell(job, told)
    try:
        first = await child.first(_leaving(request))
    except Problem as problem:
        if repeat is not None and not job.again and not child.rows and problem.status in REFUSED:
            await _release(service, repeat)
        raise
    if first is None:
        raise ClientDisconnect

    async def ended() -> None:
        if job.upload is None:
            return
        name = hot_of(service).identifiers.make(time.time_ns())
        counted = {"rows": child.rows, "scored": child.scored, "refused": child.rows - child.scored}
        await _write_down(service, _event(job, model, name, job.file_id, "ended", b"{}", msgspec.json.encode(counted)))

    return _Streamed(_answers(first, child, ended), child, upload, job)


async def _earlier(request: Request, job: Job, model: Live, file_id: str) -> Job:
    """What is to be done with a file that came before: its answers again, and the rest where it was broken off.

    Raises:
        Problem: 409: another model answers by now, and a file's answers come from one.
    """
    known = await asyncio.to_thread(records_of(request).file, file_id)
    begun = [msgspec.json.decode(event.request) for event in known if event.status == "begun"]
    day = dt.date.fromisoformat(begun[0]["day"]) if begun and "day" in begun[0] else job.day
    again = msgspec.structs.replace(job, file_id=file_id, day=day, again=True)
    if any(event.status == "ended" for event in known):
        return msgspec.structs.replace(again, upload=None)
    if all(event.version == model.label for event in known):
        return again
    detail = (
        f"The file with this Idempotency-Key, {file_id}, was not scored to its end, and another model answers by now. "
        "Send it with a new key, and it is scored anew."
    )
    raise Problem(409, "file-not-complete", detail)


async def _repeat(request: Request, job: Job, upload: Upload) -> Idempotency | None:
    """What is kept of a file that may be sent again: its content, not the form around it."""
    key = request.headers.get("idempotency-key")
    if key is None:
        return None
    digest = await asyncio.to_thread(_digest, upload.path)
    named, now = job.file_id.encode(), time.time_ns()
    return idempotency(key.encode("latin-1"), job.key_id, f"{PATH}?purpose={job.purpose}", digest, named, now)


async def _release(service: Service, taken: Idempotency) -> None:
    """Let the corrected file come under the same key; where that fails, the refusal is answered all the same."""
    try:
        async with asyncio.timeout(service.settings.request_seconds):
            await asyncio.to_thread(release, service.settings, service.log_path, taken)
    except (ServiceError, OSError) as error:
        logging.getLogger("creditrisk.service").warning("a refused file keeps its idempotency key: %s", where(error))


def _digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


class _Streamed(StreamingResponse):
    """The answer; whatever becomes of it, nothing of the file is left behind."""

    def __init__(self, content: AsyncIterator[bytes], child: FileChild, upload: Upload, job: Job) -> None:
        headers = {"X-File-Id": job.file_id} | ({"Idempotency-Replayed": "true"} if job.again else {})
        super().__init__(content, media_type="text/csv; charset=utf-8", headers=headers)
        self._child, self._upload = child, upload

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stream, then clean up: here and not where the answers are made, which may never begin."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._upload.remove()
            self._child.end()


async def _leaving(request: Request) -> None:
    """Wait until the client is gone."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _answers(first: bytes, child: FileChild, ended: Callable[[], Awaitable[None]]) -> AsyncIterator[bytes]:
    """All answers; broken off, so that the client notices, where the work does not come to its recorded end."""
    yield first
    async for piece in child.rest():
        yield piece
    await ended()


async def _write_down(service: Service, event: Event, repeat: Idempotency | None = None) -> Earlier | None:
    """Make an event durable; the first answer where the file came before.

    Raises:
        Problem: it cannot be. OSError: the disk has hung for too long.
    """
    async with asyncio.timeout(service.settings.request_seconds):
        return await write_down(hot_of(service), [event], repeat)


def _event(job: Job, model: Live, name: str, subject: str | None, status: str, request: bytes, answer: bytes) -> Event:
    at = time.time_ns() // 1_000
    return Event(name, "file", subject, at, job.key_id, None, status, job.purpose, model.label, request, answer)
