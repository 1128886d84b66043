"""The hot route as FastAPI knows it: for the document and for other methods; its answers are made in ``hot.py``."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from creditrisk.service.access.keys import Caller
from creditrisk.service.http.hot import PATH
from creditrisk.service.problem import Problem
from creditrisk.service.routes import describe
from creditrisk.service.routes.common import needs

router = APIRouter(tags=["scoring"])


@router.post(
    PATH,
    operation_id="score",
    summary="Score one application",
    response_class=Response,
    responses=describe.answers(describe.ref("ScoreAnswer"), 400, 409, 415, 422),
    openapi_extra=describe.takes(describe.ref("Request"), idempotent=True),
)
async def score(_: Request, __: Annotated[Caller | None, Depends(needs("score"))]) -> Response:
    """Score one application: the answer with up to four reasons, on record before it leaves."""
    raise Problem(503, "starting", "The service is starting.", headers={"Retry-After": "1"})
