"""``DELETE /v1/applicants/{applicant_id}``: forget an applicant."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from asyncio.subprocess import PIPE
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Request, Response

from creditrisk.service.access.keys import Caller
from creditrisk.service.problem import FieldError, Problem
from creditrisk.service.processes.stopped import watch_over
from creditrisk.service.records.erasing import BROKEN, FAILED, Order
from creditrisk.service.routes import describe
from creditrisk.service.routes.common import needs, service_of

router = APIRouter(tags=["applicants"])
ERASE_SECONDS = 300.0
"""For an answer; the work goes on to its end, and may be asked for again."""


@router.delete(
    "/v1/applicants/{applicant_id:path}",
    operation_id="erase",
    response_class=Response,
    responses=describe.answers({"description": "How much was removed, and where.", "type": "object"}, 404, 422),
)
async def erase(
    request: Request, applicant_id: str, caller: Annotated[Caller | None, Depends(needs("admin"))]
) -> Response:
    """Remove every record of an applicant, here and in PostgreSQL; may be repeated, and must be after an error."""
    if not applicant_id:
        error = FieldError("applicant_id", "", "required", "the applicant_id that applications were sent with")
        raise Problem(422, "invalid-request", "No applicant is named.", [error])
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
    watch_over(process, "an erasure")
    try:
        async with asyncio.timeout(ERASE_SECONDS):
            said, trouble = await asyncio.shield(process.communicate(msgspec.json.encode(order)))
    except TimeoutError:
        raise _not_erased(f"not at its end after {ERASE_SECONDS:g} seconds") from None
    if process.returncode:
        raise _not_erased(
            trouble.decode(errors="replace").strip() if process.returncode in (FAILED, BROKEN) else "ended"
        )
    return Response(said, media_type="application/json")


def _not_erased(why: str) -> Problem:
    """503; why is for the log alone."""
    logging.getLogger("creditrisk.service").error("erasure: %s", why)
    detail = "The erasure is not complete: a database did not answer or a file could not be written. Repeat it."
    return Problem(503, "not-erased", detail, headers={"Retry-After": "10"})
