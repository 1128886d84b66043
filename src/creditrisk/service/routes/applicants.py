"""``DELETE /v1/applicants/{applicant_id}``: forget an applicant."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import PIPE
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Request, Response

from creditrisk.service import describe
from creditrisk.service.keys import Caller
from creditrisk.service.problem import Problem
from creditrisk.service.records.erasing import Erased, Order
from creditrisk.service.routes.common import needs, service_of

router = APIRouter(tags=["applicants"])


ERASED = dict(msgspec.json.schema_components([Erased])[1]["Erased"])


@router.delete(
    "/v1/applicants/{applicant_id:path}",
    operation_id="erase_applicant",
    response_class=Response,
    responses=describe.answers(ERASED, text="What was removed."),
)
async def erase(
    request: Request, applicant_id: str, caller: Annotated[Caller | None, Depends(needs("admin"))]
) -> Response:
    """Remove every record of an applicant, here and in PostgreSQL; may be repeated, and must be after an error."""
    settings = service_of(request).settings
    order = Order(applicant_id, caller.name if caller else "nobody's key", caller.id if caller else None)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "creditrisk.service.records.erasing",
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
        env=os.environ | settings.to_environment(),
    )
    said, trouble = await asyncio.shield(process.communicate(msgspec.json.encode(order)))
    if process.returncode:
        sentence = trouble.decode(errors="replace").strip() if process.returncode == 1 else ""
        detail = sentence.rpartition("\n")[2] or "The erasure did not come to its end; repeat it."
        print(f"erasure: {detail}", file=sys.stderr, flush=True)
        detail = "The erasure is not complete: a database did not answer or a file could not be written. Repeat it."
        raise Problem(503, "not-erased", detail, headers={"Retry-After": "10"})
    return Response(said, media_type="application/json")
