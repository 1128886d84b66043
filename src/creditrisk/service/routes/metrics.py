"""``/metrics``: open while no key is needed, which is so on loopback alone; else to a key with the scope read."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from creditrisk.service.access.keys import Caller
from creditrisk.service.routes.common import needs, service_of

router = APIRouter(tags=["operations"])
TEXT = {"description": "Prometheus' text format.", "content": {"text/plain": {"schema": {"type": "string"}}}}


@router.get("/metrics", response_class=Response, responses={200: TEXT})
async def metrics(request: Request, _: Annotated[Caller | None, Depends(needs("read"))]) -> Response:
    """What Prometheus scrapes, summed over the workers of this machine."""
    from creditrisk.service.prometheus import exposition  # 40 ms of imports that a start need not wait for

    service = service_of(request)
    await service.write_counts()
    accept = request.headers.get("accept", "")
    content, media_type = await asyncio.get_running_loop().run_in_executor(None, exposition, service, accept)
    return Response(content, media_type=media_type)
