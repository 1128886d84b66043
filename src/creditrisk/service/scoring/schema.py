"""The shape of a request, and the JSON Schema of an application, both derived from the contract."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Annotated, Literal

import msgspec

from creditrisk.contract import Contract
from creditrisk.data.cleaning.rules import rules
from creditrisk.errors import nearest
from creditrisk.service.problem import FieldError

Scalar = bool | int | float | str | None
Purpose = Literal["decision", "simulation"]
SHOWN = 80
LISTED = 50
"""Wrong fields that one answer names beyond those of the contract; a body may hold a hundred thousand."""
_ID = "1 to 200 characters without control characters"
_DAY = "a date such as 2024-01-31"
_NUMERIC = frozenset((int, float, type(None)))


class Request(msgspec.Struct, forbid_unknown_fields=True):
    """One application and what goes with it."""

    application: dict[str, Scalar]
    applicant_id: (
        Annotated[str, msgspec.Meta(pattern=r"^[^\u0000-\u001f\u007f]{1,200}$(?!\n)", extra={"expected": _ID})] | None
    ) = None
    application_date: Annotated[str, msgspec.Meta(extra={"expected": _DAY})] | None = None
    purpose: Purpose = "decision"
    protected: dict[str, Scalar] | None = None


UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding raises; ``creditrisk.service.scoring.wrong`` puts it in words."""
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
        return unknown_fields(names, self.scored, f"a column of the contract {self.contract.name}", "application")

    def _not_a_number(self, name: str, value: Scalar) -> FieldError:
        rule = self.rules[name]
        what = "a whole number" if rule.type == "integer" else "a number"
        return FieldError(name, str(value)[:SHOWN], "type", f"{what}, not written as a text")


def unknown_fields(
    names: Sequence[str], known: Iterable[str], expected: str, whole: str, most: int = LISTED
) -> list[FieldError]:
    """Say of fields that nobody knows which was meant; of many, how many there are.

    Args:
        expected: what a name must be.
        whole: what they are fields of.
        most: fields that are named.
    """
    errors = []
    for name in names[:most]:
        hint = nearest(name[:SHOWN], known).strip()
        errors.append(FieldError(name[:SHOWN], None, "unknown", f"{expected}. {hint}" if hint else expected))
    if (more := len(names) - most) > 0:
        errors.append(FieldError(whole, f"{more:,} further fields", "unknown", expected))
    return errors


def day(text: str) -> dt.date:
    """The request's application_date.

    Raises:
        ValueError: it is no date.
    """
    if len(text) == 10 and text[4] == text[7] == "-":
        return dt.date.fromisoformat(text)
    raise ValueError("no date")


def no_day(text: str) -> FieldError:
    """What is said of an application_date that is no date."""
    return FieldError("application_date", text[:SHOWN], "type", _DAY)
