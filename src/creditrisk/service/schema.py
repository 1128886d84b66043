"""The shape of a request, and the JSON Schema of an application, both derived from the contract."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any, Literal

import msgspec

from creditrisk.contract import Column, Contract
from creditrisk.data.rules import Rule, rules
from creditrisk.errors import nearest
from creditrisk.service.problem import FieldError, Problem

Scalar = bool | int | float | str | None
Purpose = Literal["decision", "simulation"]
MAX_ID = 200
SHOWN = 80
_NUMERIC = frozenset((int, float, type(None)))


class Request(msgspec.Struct, forbid_unknown_fields=True):
    """One application and what goes with it."""

    application: dict[str, Scalar]
    applicant_id: str | None = None
    application_date: str | None = None
    purpose: Purpose = "decision"
    protected: dict[str, Scalar] | None = None


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
        if len(text) == 10:
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


def application_schema(contract: Contract) -> dict[str, Any]:
    """JSON Schema of ``application``: what the web form is made from."""
    found = rules(contract, training=False)
    properties = {rule.raw: _property(rule) for rule in found}
    ignored = {raw: {"description": "Taken and not looked at."} for raw in contract.columns if raw not in properties}
    schema: dict[str, Any] = {
        "type": "object",
        "title": contract.title,
        "properties": properties | ignored,
        "additionalProperties": False,
    }
    if needed := [rule.raw for rule in found if rule.required]:
        schema["required"] = needed
    return schema


def _property(rule: Rule) -> dict[str, Any]:
    column = rule.column
    schema: dict[str, Any] = {"title": column.title or rule.name.replace("_", " ")}
    text = " ".join(part for part in (column.description, f"Unit: {column.unit}." if column.unit else "") if part)
    if text:
        schema["description"] = text
    return schema | _type(rule, column)


def _type(rule: Rule, column: Column) -> dict[str, Any]:
    null = [] if rule.required else ["null"]
    if rule.type in ("number", "integer"):
        found: dict[str, Any] = {"type": [rule.type, *(["string"] if column.strip else []), *null]}
        if column.strip:
            found["pattern"] = f"^[{re.escape(column.strip)}]*[-+0-9.eE]+[{re.escape(column.strip)}]*$"
        if column.out_of_range == "quarantine":
            found |= {"minimum": rule.low} if rule.low is not None else {}
            found |= {"maximum": rule.high} if rule.high is not None else {}
        return found
    if rule.type == "category":
        titles = {"x-titles": {key: title for key, title in column.values.items() if title != key}}
        listed: list[Scalar] = [*rule.keys, *(int(n) for n in rule.number_keys if n.is_integer())]
        if column.unknown == "reject":
            return {"enum": [*listed, *([] if rule.required else [None])], **titles}
        return {"type": ["string", "number", "boolean", *null], "examples": listed, **titles}
    if rule.type == "boolean":
        whole = [int(n) for n in rule.number_keys if n.is_integer()]
        return {"enum": [True, False, *rule.keys, *whole, *([] if rule.required else [None])]}
    if rule.type == "date":
        return {"type": ["string", *null], **({} if column.format else {"format": "date"})}
    return {"type": ["string", "number", "boolean", *null]}
