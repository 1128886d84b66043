"""Is the process alive, and can it answer?"""

from __future__ import annotations

import re
from typing import Any

from fastapi import APIRouter, Request, Response

from creditrisk.service import describe
from creditrisk.service.problem import Problem
from creditrisk.service.routes.common import answer, service_of

router = APIRouter(tags=["operations"])
_FOLDERS = re.compile(r"(?<![\w.])/(?:[^\s:,;'\"/]+/)*(?=[^\s:,;'\"/])")
STATUS: dict[str, Any] = {"type": "object", "properties": {"status": {"const": "live"}}, "required": ["status"]}
READY: dict[str, Any] = {
    "type": "object",
    "properties": {
        "status": {"const": "ready"},
        "model": describe.ref("ModelNamed"),
        "alerts": {
            "description": "What needs a person, by the short names that the metric creditrisk_alert has.",
            "type": "array",
            "items": {"type": "string"},
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
    """A verified model is loaded; 503 with the reason while there is none."""
    service = service_of(request)
    model = service.model
    if model is None:
        raise Problem(503, "not-ready", without_folders(service.trouble), headers={"Retry-After": "5"})
    return answer({"status": "ready", "model": model.named, "alerts": sorted(service.alerts)})


def without_folders(text: str) -> str:
    """A sentence with the names of files and not their folders, which are nobody's business."""
    return _FOLDERS.sub("", text)
