"""FastAPI's and Starlette's own errors as problem details: 404, 405, 422 of a parameter, and what nobody expected."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from creditrisk.service.http.border import internal
from creditrisk.service.problem import MEDIA_TYPE, FieldError, Problem
from creditrisk.service.scoring.schema import SHOWN

DETAILS = {
    404: "There is nothing at this address; /openapi.json lists what there is.",
    405: "This address does not take this method; the header Allow names those it takes.",
}
_RULES = {"missing": "required", "json_invalid": "json"}


def install(app: FastAPI) -> None:
    """Answer every error of an application with a problem."""
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Exception, _unexpected)


def respond(request: Request, problem: Problem) -> Response:
    """A problem as a response; its kind goes to the log."""
    request.scope["problem"] = problem.kind
    body = problem.body(request.scope.get("request_id"))
    return Response(body, problem.status, problem.headers, MEDIA_TYPE)


async def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return respond(request, error)


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    phrase = HTTPStatus(error.status_code).phrase
    detail = DETAILS.get(error.status_code, f"{phrase}.")
    return respond(request, Problem(error.status_code, phrase.lower().replace(" ", "-"), detail, (), error.headers))


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return respond(request, invalid(error.errors()))


def invalid(errors: Sequence[Any]) -> Problem:
    """422 with every wrong parameter or field; 400 where the body is no JSON at all."""
    found = [_field(item) for item in errors]
    names = ", ".join(dict.fromkeys(item.field for item in found))
    if any(item.rule == "json" for item in found):
        return Problem(400, "not-json", "The body is not JSON in UTF-8.")
    return Problem(422, "invalid-request", f"The request cannot be read: look at {names}.", found)


async def _unexpected(request: Request, error: Exception) -> Response:
    request.scope["error"] = error
    return respond(request, internal())


def _field(item: Any) -> FieldError:
    place = [str(part) for part in item["loc"]]
    name = ".".join(place[1:] or place)[:SHOWN]
    given = item.get("input")
    value = str(given)[:SHOWN] if isinstance(given, (str, int, float, bool)) else None
    return FieldError(name, value, _RULES.get(item["type"], item["type"]), item["msg"])
