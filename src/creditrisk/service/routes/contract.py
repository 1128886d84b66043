"""``/v1/contract``: what an application is, as JSON Schema with a complete example: what a web form is made from."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from creditrisk.service.access.keys import Caller
from creditrisk.service.routes import describe
from creditrisk.service.routes.common import answer, model_of, needs, service_of
from creditrisk.service.scoring.form import application_schema, example
from creditrisk.service.scoring.live import Live

router = APIRouter(tags=["model"])
DIALECT = "https://json-schema.org/draft/2020-12/schema"
SCHEMA = {"type": "object", "properties": {"$schema": {"const": DIALECT}}, "required": ["$schema", "properties"]}


def contract_document(model: Live) -> dict[str, Any]:
    """The schema by itself, with where it comes from."""
    contract, manifest = model.scorer.contract, model.scorer.manifest
    found = {"$schema": DIALECT} | application_schema(contract) | {"examples": [example(model)]}
    found["description"] = contract.description
    digest = manifest.contract_sha256 if manifest else None
    return found | {"x-portfolio": contract.name, "x-contract-sha256": digest, "x-model": model.named}


@router.get("/v1/contract", operation_id="contract", response_class=Response, responses=describe.answers(SCHEMA))
async def contract(request: Request, _: Annotated[Caller | None, Depends(needs("read"))]) -> Response:
    """The JSON Schema of ``application``, titles, units and lists of values included, with a complete example."""
    return answer(contract_document(model_of(service_of(request))))
