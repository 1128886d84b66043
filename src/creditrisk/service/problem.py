"""Errors as problem details (RFC 9457): what is wrong, in which field, what was expected. Never a trace or a path."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import msgspec

from creditrisk.data.cleaning.rules import Fault

MEDIA_TYPE = "application/problem+json"
NAMED = 20
"""Fields that the sentence names; the list behind it has all."""
_TYPE = "urn:creditrisk:problem:"


class FieldError(msgspec.Struct, frozen=True):
    """One wrong field: its name, the value found (null: none), and what was expected."""

    field: str
    value: str | None
    rule: str
    expected: str


class Problem(Exception):  # noqa: N818 - RFC 9457 calls it so
    """An answer that is an error.

    Args:
        status: of HTTP.
        kind: a short name that stays the same, such as ``invalid-application``.
        detail: a sentence a person can act on.
        errors: every wrong field.
        headers: further headers, such as Retry-After.
    """

    def __init__(
        self,
        status: int,
        kind: str,
        detail: str,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.kind, self.detail = status, kind, detail
        self.errors, self.headers = tuple(errors), dict(headers or {})

    def content(self, request_id: str | None = None) -> dict[str, Any]:
        """The document's members."""
        found: dict[str, Any] = {
            "type": _TYPE + self.kind,
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
        }
        if self.errors:
            found["errors"] = self.errors
        if request_id is not None:
            found["request_id"] = request_id
        return found

    def body(self, request_id: str | None = None) -> bytes:
        """The document."""
        return msgspec.json.encode(self.content(request_id))


def field_error(fault: Fault) -> FieldError:
    """A fault of the row function as a field's error."""
    return FieldError(fault.column, fault.value, fault.rule, fault.expected)


def invalid_application(errors: Sequence[FieldError]) -> Problem:
    """422 with every wrong field of an application."""
    return Problem(422, "invalid-application", f"The application cannot be scored: look at {_named(errors)}.", errors)


def invalid_request(errors: Sequence[FieldError]) -> Problem:
    """422 with every wrong field of a body or query."""
    return Problem(422, "invalid-request", f"The request cannot be read: look at {_named(errors)}.", errors)


def _named(errors: Sequence[FieldError]) -> str:
    names = list(dict.fromkeys(error.field for error in errors))
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more:,} more" if more > 0 else "")
