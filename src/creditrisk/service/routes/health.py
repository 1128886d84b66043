"""Is the process alive, and can it answer?"""

from __future__ import annotations

from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response

from creditrisk.service.problem import Problem
from creditrisk.service.records import status
from creditrisk.service.redact import without_places
from creditrisk.service.routes import describe
from creditrisk.service.routes.common import answer, service_of

router = APIRouter(tags=["operations"])
STATUS: dict[str, Any] = {"type": "object", "properties": {"status": {"const": "live"}}, "required": ["status"]}
READY: dict[str, Any] = {
    "type": "object",
    "properties": {
        "status": {"const": "ready"},
        "model": describe.ref("ModelNamed"),
        "alerts": {
            "description": "What needs a person, by the short names that the metric creditrisk_alert has.",
            "type": "object",
            "additionalProperties": {"type": "string"},
        },
        "registry": {
            "description": "Whether the registry answers, from when on that is so, and why not.",
            "type": "object",
        },
        "shadow": {"description": "The challenger that is scored beside the model.", "type": "object"},
    },
    "required": ["status", "model", "alerts"],
}


def _forwarding(found: status.Forwarding | None) -> status.Forwarding | None:
    """Without the database's own sentence, which names its host and user."""
    if found is None or found.error is None:
        return found
    return msgspec.structs.replace(
        found, error="records wait on this machine; the forwarder's line in the log says why"
    )


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
    service.heed()
    model, roots = service.model, (service.settings.state, service.project.root)
    if model is None:
        raise Problem(503, "not-ready", without_places(service.trouble, *roots), headers={"Retry-After": "5"})
    content: dict[str, Any] = {
        "status": "ready",
        "model": model.named,
        "alerts": {kind: without_places(text, *roots) for kind, text in sorted(service.alerts.items())},
    }
    if service.refresh is not None:
        content["registry"] = service.refresh.registry()
    if service.hot is not None and (shadow := service.hot.shadow) is not None:
        content["shadow"] = {"model": shadow.live.named, **service.counts.shadow}
    if service.keeper is not None:
        content["forwarder"] = _forwarding(status.read(service.settings.state))
    return answer(content)
