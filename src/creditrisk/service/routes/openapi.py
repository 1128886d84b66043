"""The OpenAPI document: FastAPI's own of the routes it knows, completed by what the live contract says."""

from __future__ import annotations

from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from creditrisk.decision import LETTERS
from creditrisk.service.problem import FieldError
from creditrisk.service.routes import describe
from creditrisk.service.routes.model import Card
from creditrisk.service.routes.models import Models, Why, WhyBack
from creditrisk.service.routes.shapes import SHAPES
from creditrisk.service.scoring.form import application_schema, example, scalar
from creditrisk.service.scoring.live import Live, ScoreAnswer
from creditrisk.service.scoring.schema import Request
from creditrisk.service.settings import ServiceSettings

NAMED: tuple[type, ...] = (Request, ScoreAnswer, FieldError, Card, Models, Why, WhyBack, *SHAPES)
"""Structs that routes name in their descriptions; a route that adds one puts it here."""
ABOUT = """Scores loan applications: the probability of default, points, a decision, and the reasons for it.
Every decision is on record before its answer leaves. Errors are problem details (RFC 9457)."""
METHODS = ("get", "put", "post", "delete", "patch")
_FASTAPIS_OWN = ("HTTPValidationError", "ValidationError")


def document(app: FastAPI, settings: ServiceSettings, model: Live | None, closed: bool) -> dict[str, Any]:
    """Write the document.

    Args:
        app: whose routes.
        settings: limits.
        model: whose contract says what an application is; any object while there is none.
        closed: whether a key is needed.
    """
    found = get_openapi(title=app.title, version=app.version, description=ABOUT, routes=app.routes)
    components = found.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for name in _FASTAPIS_OWN:
        schemas.pop(name, None)
    schemas |= _schemas(settings, model)
    for path in found["paths"].values():
        for method in METHODS:
            if method in path:
                _complete(path[method], closed)
    return found


def _complete(operation: dict[str, Any], closed: bool) -> None:
    """Add what every operation has: its errors, the request id, and that no key is needed while there is none."""
    responses = operation["responses"]
    if describe.JSON in responses.get("422", {}).get("content", {}):  # FastAPI's own, of wrong parameters
        responses["422"] = describe.problems(422)[422]
    general = [500, 503]
    if operation.get("security"):
        general += [401, 403, 429]
        if not closed:
            general.append(421)
            operation["security"] = [*operation["security"], {}]
    if "requestBody" in operation:
        general += [408, 413]
    for status, text in describe.problems(*general).items():
        responses.setdefault(str(status), text)
    for status, text in responses.items():
        text.setdefault("headers", {})["X-Request-Id"] = {"schema": {"type": "string"}}
        if status in ("429", "503"):
            text["headers"]["Retry-After"] = {"description": "Seconds.", "schema": {"type": "string"}}
    operation.setdefault("parameters", []).append(describe.REQUEST_ID)


def _schemas(settings: ServiceSettings, model: Live | None) -> dict[str, Any]:
    _, found = msgspec.json.schema_components(NAMED, ref_template="#/components/schemas/{name}")
    found["Problem"] = _problem()
    found["Application"] = {"type": "object", "additionalProperties": scalar()}
    found["Batch"] = describe.listed("Request") | {
        "description": "A wrong item does not refuse the list: its problem stands in its place.",
        "minItems": 1,
        "maxItems": settings.max_list,
    }
    request = found["Request"]["properties"]
    request["application"] = describe.ref("Application")
    request["application_date"] = {"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}], "default": None}
    request["protected"]["description"] = "Kept apart, for audits of fairness alone; no score looks at it."
    answer = found["ScoreAnswer"]["properties"]
    answer["pd"] |= {"minimum": 0, "maximum": 1, "description": "Probability of default."}
    answer["decision"] = {"enum": ["approve", "refer", "decline"]}
    answer["reasons"]["maxItems"] = 4
    if model is not None:
        found["Application"] = application_schema(model.scorer.contract)
        found["Application"]["examples"] = [example(model)]
        found["Request"]["examples"] = [{"application": example(model)}]
        answer["band"] = {"enum": list(LETTERS[: len(model.scorer.policy.bands) + 1])}
    return found


def _problem() -> dict[str, Any]:
    return {
        "title": "Problem",
        "description": "What is wrong (RFC 9457).",
        "type": "object",
        "properties": {
            "type": {"type": "string", "format": "uri"},
            "title": {"type": "string"},
            "status": {"type": "integer", "minimum": 400, "maximum": 599},
            "detail": {"type": "string"},
            "errors": {"type": "array", "items": describe.ref("FieldError")},
            "request_id": {"type": "string"},
        },
        "required": ["type", "title", "status", "detail"],
        "additionalProperties": False,
    }
