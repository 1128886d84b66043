"""The shape of a request, and the JSON Schema of an application, both derived from the contract."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal

import msgspec

from creditrisk.contract import Contract
from creditrisk.data.rules import rules
from creditrisk.errors import nearest
from creditrisk.service.problem import FieldError, Problem

Scalar = bool | int | float | str | None
Purpose = Literal["decision", "simulation"]
SHOWN = 80
_NUMERIC = frozenset((int, float, type(None)))


class Request(msgspec.Struct, forbid_unknown_fields=True):
    """One application and what goes with it."""

    application: dict[str, Scalar]
    applicant_id: Annotated[str, msgspec.Meta(pattern=r"^[^\u0000-\u001f\u007f]{1,200}$(?!\n)")] | None = None
    application_date: str | None = None
    purpose: Purpose = "decision"
    protected: dict[str, Scalar] | None = None


UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding raises; ``undecodable`` puts it in words."""
decode_request = msgspec.json.Decoder(Request).decode


class Fields:
    """What a contract says of an application's fields."""

    def __init__(self, contract: Contract) -> None:
        self.contract = contract
        found = rules(contract, training=False)
        self.rules = {rule.raw: rule for rule in found}
        self.protected = frozenset(
            contract.raw_names[name] for name, column in contract.clean_columns.items() if column.role == "protected"
        )
        self.scored = frozenset(self.rules)
        # Where characters are stripped the lender's own form is a text, such as "48 months".
        self.numbers = tuple(r.raw for r in found if r.type in ("number", "integer") and not r.column.strip)
        # Columns that a row of the lender's table has, and that no score looks at.
        self.known = self.scored | frozenset(contract.columns)

    def check(self, application: dict[str, Scalar]) -> list[FieldError]:
        """Fields that the row function would take or ignore though a program should not send them so."""
        errors = []
        if not self.known.issuperset(application):
            for name in application:
                if name not in self.known:
                    hint = nearest(name, self.scored).strip()
                    expected = f"a column of the contract {self.contract.name}"
                    errors.append(
                        FieldError(name[:SHOWN], None, "unknown", f"{expected}. {hint}" if hint else expected)
                    )
        get = application.get
        if not _NUMERIC.issuperset(map(type, map(get, self.numbers))):
            for name in self.numbers:
                value = get(name)
                if type(value) not in _NUMERIC:
                    errors.append(self._not_a_number(name, value))
        return errors

    def _not_a_number(self, name: str, value: Scalar) -> FieldError:
        rule = self.rules[name]
        what = "a whole number" if rule.type == "integer" else "a number"
        return FieldError(name, str(value)[:SHOWN], "type", f"{what}, not written as a text")


def day(text: str) -> dt.date:
    """The request's application_date.

    Raises:
        Problem: it is no date.
    """
    try:
        if len(text) == 10 and text[4] == text[7] == "-":
            return dt.date.fromisoformat(text)
    except ValueError:
        pass
    error = FieldError("application_date", text[:SHOWN], "type", "a date such as 2024-01-31")
    raise Problem(422, "invalid-request", "application_date is not a date such as 2024-01-31.", [error])


def undecodable(body: bytes, error: Exception) -> Problem:
    """Say what is wrong with a body that is no request."""
    if isinstance(error, msgspec.ValidationError):
        message, _, place = str(error).partition(" - at `$")
        field = place.rstrip("`").lstrip(".") or "the body"
        return Problem(
            422,
            "invalid-request",
            f"{field}: {message}.",
            [FieldError(field, None, "type", message)],
        )
    return Problem(400, "not-json", f"The body is not JSON in UTF-8: {error}.")
