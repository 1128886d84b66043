"""``/openapi.json`` and ``/docs``: the document, and Swagger UI 5 on it; every file comes from here."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request, Response

from creditrisk.service.problem import Problem
from creditrisk.service.routes.common import answer, service_of
from creditrisk.service.routes.openapi import document

router = APIRouter(include_in_schema=False)
FILES = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "favicon-32x32.png": "image/png",
}
"""What is taken from the package that ships Swagger UI."""
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Credit risk: API</title>
<link rel="stylesheet" href="docs/swagger-ui.css"><link rel="icon" href="docs/favicon-32x32.png">
</head><body><div id="swagger-ui"></div>
<script src="docs/swagger-ui-bundle.js"></script><script src="docs/start.js"></script></body></html>
"""
START = """window.ui = SwaggerUIBundle({
  url: "openapi.json", dom_id: "#swagger-ui", deepLinking: true, validatorUrl: null,
  presets: [SwaggerUIBundle.presets.apis], layout: "BaseLayout"
});
"""


@router.get("/openapi.json")
async def openapi(request: Request) -> Response:
    """The document of the contract that answers now."""
    service = service_of(request)
    key = (service.model.label if service.model else None, service.gate.closed)
    held: dict[Any, dict[str, Any]] = request.app.state.__dict__.setdefault("documents", {})
    if key not in held:
        held.clear()
        held[key] = document(request.app, service.settings, service.model, service.gate.closed)
    return answer(held[key])


@router.get("/docs")
async def docs() -> Response:
    """The page."""
    return Response(PAGE, 200, {"Content-Security-Policy": POLICY}, "text/html")


@router.get("/docs/{name}")
async def asset(name: str) -> Response:
    """One of its files."""
    headers = {"Cache-Control": "public, max-age=86400"}
    if name == "start.js":
        return Response(START, 200, headers, "text/javascript")
    if name not in FILES:
        raise Problem(404, "not-found", "There is no such file.")
    return Response(_asset(name), 200, headers, FILES[name])


@cache
def _asset(name: str) -> bytes:
    return (_folder() / name).read_bytes()


def _folder() -> Path:
    """Where the package lies; it is not imported, since its code is of no use here."""
    found = find_spec("fastapi_swagger")
    if found is None or found.origin is None:
        raise Problem(404, "not-found", "Swagger UI is not installed; /openapi.json is the document.")
    return Path(found.origin).parent / "resources"
