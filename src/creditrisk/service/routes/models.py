"""The registered versions with their gates, and who shall be champion."""

from __future__ import annotations

import asyncio
import re
import sys
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Depends, Request, Response

from creditrisk.service.front import read_body
from creditrisk.service.keys import Caller
from creditrisk.service.problem import Problem
from creditrisk.service.refresh import Refresh
from creditrisk.service.routes.common import answer, needs, service_of
from creditrisk.service.service import Service

router = APIRouter(tags=["models"])
CHANGE_SECONDS = 300.0
"""A promotion fetches two models and scores the test rows with both."""
_VERSION = re.compile(r"[1-9][0-9]{0,17}")
Action = Literal["promote", "rollback"]


class Why(msgspec.Struct, forbid_unknown_fields=True):
    """The optional body of a promotion or rollback."""

    reason: Annotated[str, msgspec.Meta(max_length=500, pattern=r"^[^\x00]*$")] = ""
    force: bool = False
    """A rollback alone: also where today's performance test fails; the ledger says so."""


_decode = msgspec.json.Decoder(Why).decode


@router.get("/v1/models", dependencies=[Depends(needs("read"))])
async def models(request: Request) -> Response:
    """The versions of the portfolio's model, newest first, as the registry showed them when it was last looked at."""
    report = _refresh(service_of(request)).report
    if report is None or report.model is None:
        raise Problem(503, "registry", "The registry has not been seen yet; /health/ready says why.")
    versions = [msgspec.to_builtins(item) for item in reversed(report.versions)]
    return answer(
        {
            "model": report.model,
            "portfolio": report.portfolio,
            "champion": report.champion,
            "challenger": report.challenger,
            "reachable": report.reachable,
            "versions": versions,
        }
    )


@router.post("/v1/models/{version}/promote")
async def promote(
    request: Request, version: str, caller: Annotated[Caller | None, Depends(needs("admin"))]
) -> Response:
    """Make a version champion if it passes the gates; a refusal is an answer too, with ``promoted`` false."""
    return await _change(request, "promote", version, caller)


@router.post("/v1/models/{version}/rollback")
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
    why = await _why(request, service)
    if refresh.changing.locked():
        raise Problem(409, "busy", "Another promotion or rollback is under way; try again when it has ended.")
    who = f"{caller.name}, key {caller.id}" if caller else "API without keys"
    command = [action, version, f"--who={who}", f"--reason={why.reason}", *(["--force"] if why.force else [])]
    async with refresh.changing:
        found = await _run(command, refresh.environment)
    if found["status"] != 200:
        raise Problem(found["status"], found["kind"], found["detail"])
    return answer(found["answer"])


async def _why(request: Request, service: Service) -> Why:
    body = await read_body(request.receive, service.settings.max_body_bytes)
    try:
        return _decode(body) if body else Why()
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        detail = f"The body, where there is one, holds reason (a text) and force (true or false): {error}."
        raise Problem(422, "invalid-request", detail) from None


async def _run(command: list[str], environment: dict[str, str]) -> dict[str, Any]:
    """Run the child; its answer.

    Raises:
        Problem: 503 where it takes too long or ends without an answer.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "creditrisk.service.change",
        *command,
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
    )
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
