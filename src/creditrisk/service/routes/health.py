"""Is the process alive, and can it answer?"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from creditrisk.service import describe
from creditrisk.service.problem import Problem
from creditrisk.service.records import status
from creditrisk.service.routes.common import answer, service_of

router = APIRouter(tags=["operations"])
STATUS: dict[str, Any] = {"type": "object", "properties": {"status": {"const": "live"}}, "required": ["status"]}
READY: dict[str, Any] = {
    "type": "object",
    "properties": {
        "status": {"const": "ready"},
        "model": describe.ref("ModelNamed"),
        "alerts": {
            "description": "What needs a person, by a short name.",
            "type": "object",
            "additionalProperties": {"type": "string"},
        },
    },
    "required": ["status", "model", "alerts"],
}


@router.get("/health/live", operation_id="live", response_class=Response, responses=describe.answers(STATUS))
async def live() -> Response:
    """The process answers."""
    return answer({"status": "live"})


@router.get("/health/ready", operation_id="ready", response_class=Response, responses=describe.answers(READY))
async def ready(request: Request) -> Response:
    """A verified model is loaded; 503 with the reason while there is none.

    ``alerts`` says what somebody should look at though the service answers, ``registry`` whether it can be reached.
    """
    service = service_of(request)
    model = service.model
    if model is None:
        trouble = service.trouble.replace(str(service.settings.bundle), "the bundle")
        raise Problem(503, "not-ready", trouble or "There is no model.", headers={"Retry-After": "5"})
    content: dict[str, Any] = {"status": "ready", "model": model.named, "alerts": service.alerts}
    if service.refresh is not None:
        content["registry"] = service.refresh.registry()
    if service.hot is not None and (shadow := service.hot.shadow) is not None:
        content["shadow"] = {"version": shadow.live.named.version, "scored": shadow.scored, "dropped": shadow.dropped}
    if service.keeper is not None:
        content["forwarder"] = status.read(service.settings.state)
    return answer(content)
