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
LISTED = 50
"""Wrong fields that one answer names beyond those of the contract; a body may hold a hundred thousand."""
_NUMERIC = frozenset((int, float, type(None)))


class Request(msgspec.Struct, forbid_unknown_fields=True):
    """One application and what goes with it."""

    application: dict[str, Scalar]
    applicant_id: Annotated[str, msgspec.Meta(pattern=r"^[^\u0000-\u001f\u007f]{1,200}$(?!\n)")] | None = None
    application_date: str | None = None
    purpose: Purpose = "decision"
    protected: dict[str, Scalar] | None = None


_ID = "1 to 200 characters without control characters are expected"
_SCALAR = "a number, a text, true, false or null"
_FITS = "a number that a double can hold"
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
        errors = [] if self.known.issuperset(application) else self._unknown(application)
        get = application.get
        if not _NUMERIC.issuperset(map(type, map(get, self.numbers))):
            for name in self.numbers:
                value = get(name)
                if type(value) not in _NUMERIC:
                    errors.append(self._not_a_number(name, value))
        return errors

    def _unknown(self, application: dict[str, Scalar]) -> list[FieldError]:
        names = [name for name in application if name not in self.known]
        expected = f"a column of the contract {self.contract.name}"
        errors = []
        for name in names[:LISTED]:
            hint = nearest(name[:SHOWN], self.scored).strip()
            errors.append(FieldError(name[:SHOWN], None, "unknown", f"{expected}. {hint}" if hint else expected))
        if more := len(names) - LISTED:
            errors += [FieldError("application", f"{more:,} further fields", "unknown", expected)] if more > 0 else []
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


class _Loose(msgspec.Struct):
    """A request whose values are not looked at yet."""

    application: dict[str, msgspec.Raw] = {}
    protected: dict[str, msgspec.Raw] | None = None


_decode_loose = msgspec.json.Decoder(_Loose).decode
_decode_scalar = msgspec.json.Decoder(Scalar).decode


def undecodable(body: bytes, error: Exception) -> Problem:
    """Say what is wrong with a body that is no request."""
    if isinstance(error, msgspec.ValidationError):
        message, _, place = str(error).partition(" - at `$")
        field = place.rstrip("`").lstrip(".") or "the body"
        if "[...]" in field and (found := _not_scalar(body)):
            names = ", ".join(item.field for item in found)
            return Problem(422, "invalid-request", f"The request cannot be read: look at {names}.", found)
        if field == "applicant_id" and "regex" in message:
            message = _ID
        return Problem(422, "invalid-request", f"{field}: {message}.", [FieldError(field, None, "type", message)])
    said = str(error)
    if isinstance(error, UnicodeDecodeError):
        said = "some of its bytes are no text"
    elif isinstance(error, RecursionError):
        said = "it is nested too deeply"
    return Problem(400, "not-json", f"The body is not JSON in UTF-8: {said}.")


def _not_scalar(body: bytes) -> list[FieldError]:
    """The fields whose values are lists, objects or numbers beyond what a double holds; the decoder names none."""
    try:
        loose = _decode_loose(body)
    except UNREADABLE:
        return []
    errors: list[FieldError] = []
    for name, raw in (loose.application | (loose.protected or {})).items():
        try:
            _decode_scalar(raw)
        except UNREADABLE as error:
            expected = _FITS if "out of range" in str(error) else _SCALAR
            errors.append(FieldError(name[:SHOWN], bytes(raw)[:SHOWN].decode(errors="replace"), "type", expected))
        if len(errors) == LISTED:
            break
    return errors
