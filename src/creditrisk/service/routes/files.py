"""``POST /v1/score/file``: a CSV or Parquet table, answered as CSV with a verdict for each row, in bounded memory."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse

from creditrisk.service import describe
from creditrisk.service.filework import NO_SPACE, TOO_BIG, WRONG_FILE, Job
from creditrisk.service.keys import Caller
from creditrisk.service.problem import Problem
from creditrisk.service.record import Event
from creditrisk.service.routes.common import hot_of, model_of, needs, service_of, write_down
from creditrisk.service.schema import Purpose
from creditrisk.service.service import Service
from creditrisk.service.upload import receive_upload

router = APIRouter(tags=["scoring"])
READ_BYTES = 1 << 18
_FILE: dict[str, Any] = {"type": "string", "format": "binary"}
TAKES = {
    "multipart/form-data": {"schema": {"type": "object", "properties": {"file": _FILE}, "required": ["file"]}},
    "text/csv": {"schema": _FILE},
    "application/vnd.apache.parquet": {"schema": _FILE},
}


@router.post(
    "/v1/score/file",
    operation_id="score_file",
    response_class=StreamingResponse,
    responses=describe.answers(
        {"type": "string"},
        400,
        408,
        413,
        415,
        422,
        text="A line for each row, with a verdict; the file's id stands in X-File-Id.",
        media_type="text/csv",
    ),
    openapi_extra={"requestBody": {"required": True, "content": TAKES}},
)
async def score_file(
    request: Request,
    caller: Annotated[Caller | None, Depends(needs("batch"))],
    purpose: Annotated[Purpose, Query()] = "decision",
) -> Response:
    """Score every row of a file; its record is on the disk before its answers leave."""
    service = service_of(request)
    model = model_of(service)
    if "idempotency-key" in request.headers:
        raise Problem(400, "not-repeatable", "A file is not kept for a repetition; send no Idempotency-Key.")
    now = time.time_ns()
    file_id = hot_of(service).identifiers.make(now)
    upload = service.settings.state / "uploads" / file_id
    upload.parent.mkdir(parents=True, exist_ok=True)
    try:
        content_type = request.headers.get("content-type", "")
        kind = await receive_upload(request.stream(), content_type, upload, service.settings.max_upload_bytes)
        job = Job(
            file_id,
            str(upload),
            kind,
            str(model.folder),
            model.named.digest,
            model.named.version,
            str(service.settings.state),
            caller.id if caller else None,
            purpose,
            now // 1_000,
            service.settings.max_file_memory_bytes,
            service.settings.audit != "off",
        )
        await _begun(service, job, model.label)
        process = await _start(job)
        first = await _first(process)
    except OSError as error:
        upload.unlink(missing_ok=True)
        raise _no_space() from error
    except BaseException:
        upload.unlink(missing_ok=True)
        raise
    return StreamingResponse(
        _answers(process, first, upload), media_type="text/csv; charset=utf-8", headers={"X-File-Id": file_id}
    )


async def _begun(service: Service, job: Job, label: str) -> None:
    """Write down that a file is being scored, before any of its rows is answered."""
    request = msgspec.json.encode({"kind": job.kind, "bytes": Path(job.upload).stat().st_size})
    event = Event(job.file_id, "file", None, job.at, job.key_id, None, "begun", job.purpose, label, request, b"{}")
    await write_down(hot_of(service), [event])


async def _start(job: Job) -> Process:
    command = [sys.executable, "-m", "creditrisk.service.filework"]
    process = await asyncio.create_subprocess_exec(
        *command, stdin=PIPE, stdout=PIPE, stderr=PIPE, env=os.environ | {"PYTHONUNBUFFERED": "1"}, limit=READ_BYTES
    )
    assert process.stdin is not None
    process.stdin.write(msgspec.json.encode(job))
    process.stdin.close()
    return process


async def _first(process: Process) -> bytes:
    """The first answers.

    Raises:
        Problem: there are none, and why.
    """
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        first = await process.stdout.read(READ_BYTES)
        if first:
            return first
        said = (await process.stderr.read()).decode(errors="replace").strip()
        code = await process.wait()
    except asyncio.CancelledError:
        await _end(process)
        raise
    if code == WRONG_FILE:
        raise Problem(422, "unreadable-file", said or "The file cannot be read.")
    if code == TOO_BIG:
        raise Problem(413, "too-large", "The file takes more memory to read than a file may.")
    if code == NO_SPACE:
        raise _no_space()
    raise Problem(500, "file-failed", "The file could not be scored; nothing was decided.")


async def _answers(process: Process, first: bytes, upload: Path) -> AsyncIterator[bytes]:
    """All answers; broken off, so that the client notices, where the work does not come to its end."""
    assert process.stdout is not None
    try:
        yield first
        while piece := await process.stdout.read(READ_BYTES):
            yield piece
        if code := await process.wait():
            raise RuntimeError(f"the work on a file ended with {code}; its answer is broken off")
    finally:
        await _end(process)
        upload.unlink(missing_ok=True)


async def _end(process: Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _no_space() -> Problem:
    detail = "The file or its record could not be written, so nothing was decided; try again later."
    return Problem(503, "not-recorded", detail, headers={"Retry-After": "30"})
