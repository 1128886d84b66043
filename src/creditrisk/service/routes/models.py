"""The registered versions with their gates, and who shall be champion."""

from __future__ import annotations

import asyncio
import re
import sys
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Depends, Request, Response

from creditrisk.service.access.keys import Caller
from creditrisk.service.following.refresh import Refresh
from creditrisk.service.following.report import Listed
from creditrisk.service.problem import Problem
from creditrisk.service.processes.stopped import watch_over
from creditrisk.service.routes import describe
from creditrisk.service.routes.common import answer, json_only, needs, service_of
from creditrisk.service.scoring.schema import UNREADABLE
from creditrisk.service.scoring.wrong import faults_of, undecodable
from creditrisk.service.service import Service

router = APIRouter(tags=["models"])
CHANGE_SECONDS = 300.0
"""A promotion fetches two models and scores the test rows with both."""
_VERSION = re.compile(r"[1-9][0-9]{0,17}")
Action = Literal["promote", "rollback"]


CHANGED: dict[str, Any] = {
    "type": "object",
    "properties": {
        "action": {"enum": ["promote", "rollback"]},
        "version": {"type": "string"},
        "promoted": {"description": "Whether the version is champion now by this request.", "type": "boolean"},
        "champion": {"description": "The champion now.", "type": ["string", "null"]},
        "loading": {"description": "The loading test.", "type": "object"},
        "verdict": {"description": "The performance test with its gates.", "type": ["object", "null"]},
        "summary": {"description": "What came of it, in a sentence.", "type": "string"},
    },
    "required": ["action", "version", "promoted", "summary"],
}


class Why(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a promotion; it may be empty."""

    reason: Annotated[str, msgspec.Meta(max_length=500, pattern=r"^[^\x00]*$")] = ""


class WhyBack(Why, forbid_unknown_fields=True):
    """The body of a rollback; each field may be left out."""

    force: Annotated[
        bool, msgspec.Meta(description="Also where today's performance test fails; the ledger says so.")
    ] = False


class Models(msgspec.Struct, frozen=True):
    """The portfolio's model in the registry, as it was when last looked at; newest version first."""

    model: str
    portfolio: str
    champion: str | None
    challenger: str | None
    reachable: bool
    versions: list[Listed]


_DESCRIBED: dict[str, Any] = {
    "response_class": Response,
    "responses": describe.answers(CHANGED, 400, 404, 409, 415, 422),
}


@router.get(
    "/v1/models",
    operation_id="models",
    response_class=Response,
    responses=describe.answers(describe.ref("Models"), 409),
)
async def models(request: Request, _: Annotated[Caller | None, Depends(needs("read"))]) -> Response:
    """The versions of the portfolio's model, newest first, as the registry showed them when it was last looked at."""
    refresh = _refresh(service_of(request))
    report = refresh.report
    if report is None or report.model is None:
        detail = "The registry has not been seen yet; /health/ready says why."
        raise Problem(503, "registry", detail, headers={"Retry-After": "5"})
    return answer(
        Models(
            report.model,
            report.portfolio,
            report.champion,
            report.challenger,
            report.reachable and not refresh.silent,
            list(reversed(report.versions)),
        )
    )


@router.post(
    "/v1/models/{version}/promote",
    operation_id="promote",
    openapi_extra=describe.takes(describe.ref("Why")),
    **_DESCRIBED,
)
async def promote(
    request: Request, version: str, caller: Annotated[Caller | None, Depends(needs("admin"))]
) -> Response:
    """Make a version champion if it passes the gates; a refusal is an answer too, with ``promoted`` false."""
    return await _change(request, "promote", version, caller)


@router.post(
    "/v1/models/{version}/rollback",
    operation_id="rollback",
    openapi_extra=describe.takes(describe.ref("WhyBack")),
    **_DESCRIBED,
)
async def rollback(
    request: Request, version: str, caller: Annotated[Caller | None, Depends(needs("admin"))]
) -> Response:
    """Go back to the former champion, which must be this version."""
    return await _change(request, "rollback", version, caller)


def _refresh(service: Service) -> Refresh:
    if service.refresh is None:
        raise Problem(409, "local-bundle", "This service answers from a local bundle; no registry stands behind it.")
    return service.refresh


async def _change(request: Request, action: Action, version: str, caller: Caller | None) -> Response:
    service = service_of(request)
    refresh = _refresh(service)
    if not _VERSION.fullmatch(version):
        raise Problem(404, "unknown-version", "A version is a whole number; GET /v1/models lists them.")
    why = await _why(request, Why if action == "promote" else WhyBack)
    forced = ["--force"] if isinstance(why, WhyBack) and why.force else []
    if refresh.changing.locked():
        raise Problem(409, "busy", "Another promotion or rollback is under way; try again when it has ended.")
    who = f"{caller.name}, key {caller.id}" if caller else "API without keys"
    command = [action, version, f"--who={who}", f"--reason={why.reason}", *forced]
    async with refresh.changing:
        found = await _run(command, refresh.environment)
    if found["status"] != 200:
        raise Problem(found["status"], found["kind"], found["detail"])
    return answer(found["answer"])


async def _why(request: Request, form: type[Why]) -> Why:
    json_only(request)  # so that no page of another site can have a browser send it
    seconds = service_of(request).settings.request_seconds
    try:
        async with asyncio.timeout(seconds):
            body = await request.body()
        return msgspec.json.decode(body, type=form)
    except TimeoutError:
        raise Problem(408, "too-slow", f"The request was not complete after {seconds:g} seconds.") from None
    except UNREADABLE as error:
        raise undecodable(body, error, lambda body: faults_of(form, body)) from None


async def _run(command: list[str], environment: dict[str, str]) -> dict[str, Any]:
    """Run the child; its answer.

    Raises:
        Problem: 503 where it takes too long or ends without an answer.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "creditrisk.service.following.change",
        *command,
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
    )
    watch_over(process, "a promotion or rollback")
    try:
        output, _ = await asyncio.wait_for(process.communicate(), CHANGE_SECONDS)
    except TimeoutError:
        detail = f"No result after {CHANGE_SECONDS:g} seconds; GET /v1/models says later what came of it."
        raise Problem(503, "too-slow", detail) from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    try:
        found: dict[str, Any] = msgspec.json.decode(output.strip().rpartition(b"\n")[2])
    except msgspec.DecodeError:
        raise Problem(503, "no-result", "It ended without a result; the log of the service says why.") from None
    return found
