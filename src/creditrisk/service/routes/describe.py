"""Words for the OpenAPI document: what a route takes and gives, for routes that read and write bytes themselves."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from creditrisk.service.problem import MEDIA_TYPE

JSON = "application/json"
Described = dict[int | str, dict[str, Any]]
IDEMPOTENCY: dict[str, Any] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "A repeated request with the same key gets the first answer and leaves no second record. The same "
    "key with another body is a 409. Keys are unique within an API key.",
    "schema": {"type": "string", "pattern": r"^[\x21-\x7e]{1,255}$"},
}
REQUEST_ID: dict[str, Any] = {
    "name": "X-Request-Id",
    "in": "header",
    "required": False,
    "description": "Comes back in the answer and stands in the log: 1 to 64 letters, digits, dots, dashes or "
    "underscores. Anything else is taken for none, and the service makes one.",
    "schema": {"type": "string"},
}
REASONS = {
    400: "The body is not JSON, or a header is not what it must be.",
    401: "No valid API key.",
    403: "The key lacks the scope; without keys, a page of another site would write.",
    404: "There is no such thing.",
    408: "The request was not complete in time.",
    409: "It contradicts what is there already.",
    413: "The body is too large.",
    415: "Another media type is wanted.",
    421: "While there are no keys: the service is called by another name than localhost or a loopback address.",
    422: "A field is wrong; `errors` names every one.",
    429: "The key asks too often; Retry-After says when to come back.",
    500: "A fault of the service; its log says more under the request id.",
    503: "No answer now; Retry-After says when to come back.",
}


def ref(name: str) -> dict[str, Any]:
    """A schema by name: one of ``creditrisk.service.routes.openapi.NAMED``, Application or Problem."""
    return {"$ref": f"#/components/schemas/{name}"}


def listed(*names: str) -> dict[str, Any]:
    """A list whose items are each of one of these schemas."""
    items = ref(names[0]) if len(names) == 1 else {"oneOf": [ref(name) for name in names]}
    return {"type": "array", "items": items}


def answers(
    schema: dict[str, Any], *errors: int, text: str = "The answer.", media_type: str = JSON, status: int = 200
) -> Described:
    """What a route gives: its status with this schema, and problems beside those that every route has."""
    return {status: {"description": text, "content": {media_type: {"schema": schema}}}} | problems(*errors)


def problems(*statuses: int) -> Described:
    """Problems of these statuses."""
    content = {MEDIA_TYPE: {"schema": ref("Problem")}}
    return {s: {"description": REASONS.get(s, HTTPStatus(s).phrase), "content": content} for s in statuses}


def takes(schema: dict[str, Any], idempotent: bool = False, media_type: str = JSON) -> dict[str, Any]:
    """What a route takes, as FastAPI's ``openapi_extra``."""
    found: dict[str, Any] = {"requestBody": {"required": True, "content": {media_type: {"schema": schema}}}}
    return found | ({"parameters": [IDEMPOTENCY]} if idempotent else {})
