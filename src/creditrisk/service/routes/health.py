"""Is the process alive, and can it answer?"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from creditrisk.service.records import status
from creditrisk.service.routes.common import answer, service_of

router = APIRouter(tags=["health"])


@router.get("/health/live")
async def live() -> Response:
    """The process answers."""
    return answer({"status": "live"})


@router.get("/health/ready")
async def ready(request: Request) -> Response:
    """A verified model is loaded; 503 with the reason while there is none.

    ``alerts`` says what somebody should look at though the service answers, ``registry`` whether it can be reached.
    """
    service = service_of(request)
    model = service.model
    content: dict[str, Any] = {"status": "ready" if model else "not ready"}
    content |= {"model": model.named} if model else {"reason": service.trouble}
    if service.refresh is not None:
        content["registry"] = service.refresh.registry()
    if service.hot is not None and (shadow := service.hot.shadow) is not None:
        content["shadow"] = {"version": shadow.live.named.version, "scored": shadow.scored, "dropped": shadow.dropped}
    if service.alerts:
        content["alerts"] = service.alerts
    if service.keeper is not None:
        content["forwarder"] = status.read(service.settings.state)
    return answer(content, 200 if model else 503)
