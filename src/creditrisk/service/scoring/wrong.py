"""What is wrong with a body that its decoder refused: every field, what it holds and what was expected.

A decoder stops at the first fault and is quick; here the body is read once more, member by member.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from functools import cache
from typing import NamedTuple

import msgspec
from msgspec import inspect

from creditrisk.service.problem import FieldError, Problem, invalid_request
from creditrisk.service.scoring.schema import LISTED, SHOWN, UNREADABLE, Request, Scalar, day, no_day, unknown_fields

STRANGE = 10
"""Unknown members that are named of one object; a list may hold a thousand."""
Faults = Callable[[bytes], list[FieldError]]
"""Reads a body once more and names all that is wrong with it; may raise what decoding raises."""
Fits = Callable[[object], bool]
"""Whether a value that its type allows may be."""
Check = Callable[[dict[str, Scalar]], Sequence[FieldError]]
Members = dict[str, msgspec.Raw]
_members = msgspec.json.Decoder(Members).decode
_scalar = msgspec.json.Decoder(Scalar).decode
_EMPTY = msgspec.Raw(b"{}")
_SCALAR = "a number, a text, true, false or null"
_FITS = "a number that a double can hold"
_PLAIN: dict[type, str] = {
    inspect.BoolType: "true or false",
    inspect.DateType: "a date such as 2024-01-31",
    inspect.DictType: "an object",
    inspect.NoneType: "null",
}


def undecodable(body: bytes, error: Exception, faults: Faults = lambda _: []) -> Problem:
    """Say what is wrong with a body: 422 with every field, 400 where it is no JSON."""
    if isinstance(error, msgspec.ValidationError):
        try:
            found = faults(body)
        except UNREADABLE:  # it is no object, or no JSON further on
            found = []
        return invalid_request(found or [_first(error)])
    said = str(error)
    if isinstance(error, UnicodeDecodeError):
        said = "some of its bytes are no text"
    elif isinstance(error, RecursionError):
        said = "it is nested too deeply"
    return Problem(400, "not-json", f"The body is not JSON in UTF-8: {said}.")


def _first(error: msgspec.ValidationError) -> FieldError:
    """What the decoder itself says; it gives no value."""
    message, _, place = str(error).partition(" - at `$")
    return FieldError(place.rstrip("`").lstrip(".") or "the body", None, "type", message)


def faults_of(form: type[msgspec.Struct], body: bytes, fits: Fits = lambda _: True) -> list[FieldError]:
    """Every member that a struct does not take, or whose value does not fit.

    Raises:
        msgspec.DecodeError: it is no JSON object.
    """
    return _faults(form, _members(body), fits)


def faults_of_each(form: type[msgspec.Struct], items: Sequence[msgspec.Raw], fits: Fits) -> list[FieldError]:
    """The same of a list's items, each one's place before the name: ``[2].outcome``."""
    errors = []
    for number, item in enumerate(items):
        members = _object(item)
        if members is None:
            errors.append(FieldError(f"[{number}]", _shown(item), "type", "an object"))
            continue
        faults = _faults(form, members, fits)
        errors += [msgspec.structs.replace(fault, field=f"[{number}].{fault.field}") for fault in faults]
    return errors


def faults_of_request(body: bytes, known: Container[str], check: Check) -> list[FieldError]:
    """Every wrong field of a request, those of its application among them.

    Args:
        known: the columns that an application may have.
        check: names the wrong fields of an application; where one holds no single value it is told None.

    Raises:
        msgspec.DecodeError: it is no JSON object.
    """
    members = _members(body)
    inside: list[FieldError] = []
    for name in ("application", "protected"):
        parts = _object(members.get(name))
        if parts is None:
            continue
        members[name] = _EMPTY  # its members are looked at here
        scalars, wrong = _scalars(parts)
        if name == "application":
            inside += [fault for column, fault in wrong.items() if column in known]
            inside += [fault for fault in check(scalars) if fault.field not in wrong or fault.field not in known]
        else:
            inside += list(wrong.values())[:LISTED]
    errors = _faults(Request, members)
    if (when := _text(members.get("application_date"))) is not None:
        try:
            day(when)
        except ValueError:
            errors.append(no_day(when))
    return errors + inside


def _faults(form: type[msgspec.Struct], members: Members, fits: Fits = lambda _: True) -> list[FieldError]:
    fields = _fields(form)
    errors = []
    for name, field in fields.items():
        raw = members.get(name)
        if raw is None:
            if field.required:
                errors.append(FieldError(name, None, "required", field.expected))
            continue
        try:
            rule = None if fits(field.decode(raw)) else "range"
        except UNREADABLE:
            rule = "type"
        if rule is not None:
            errors.append(FieldError(name, _shown(raw), rule, field.expected))
    names = [name for name in members if name not in fields]
    return [*errors, *unknown_fields(names, fields, f"one of {', '.join(fields)}", "the body", STRANGE)]


def _scalars(members: Members) -> tuple[dict[str, Scalar], dict[str, FieldError]]:
    """An object's single values, None in the place of all others, and what is wrong with these."""
    scalars: dict[str, Scalar] = {}
    wrong: dict[str, FieldError] = {}
    for name, raw in members.items():
        try:
            scalars[name] = _scalar(raw)
        except UNREADABLE as error:
            scalars[name] = None
            expected = _FITS if "out of range" in str(error) else _SCALAR
            wrong[name] = FieldError(name[:SHOWN], _shown(raw), "type", expected)
    return scalars, wrong


class _Field(NamedTuple):
    """A member of a struct."""

    required: bool
    decode: Callable[[msgspec.Raw], object]
    expected: str


@cache
def _fields(form: type[msgspec.Struct]) -> dict[str, _Field]:
    return {
        field.encode_name: _Field(
            field.required, msgspec.json.Decoder(field.type).decode, _words(inspect.type_info(field.type))
        )
        for field in msgspec.structs.fields(form)
    }


def _words(kind: inspect.Type) -> str:
    match kind:
        case inspect.Metadata(extra={"expected": str(said)}):
            return said
        case inspect.Metadata():
            return _words(kind.type)
        case inspect.UnionType():
            return " or ".join(_words(one) for one in kind.types)
        case inspect.LiteralType():
            return f"one of {', '.join(map(str, kind.values))}"
        case inspect.StrType(min_length=int(least), max_length=int(most)):
            return f"a text of {least} to {most:,} characters"
        case inspect.StrType(max_length=int(most)):
            return f"a text of at most {most:,} characters"
    return _PLAIN.get(type(kind), "a text")


def _object(raw: msgspec.Raw | None) -> Members | None:
    try:
        return None if raw is None else _members(raw)
    except UNREADABLE:
        return None


def _text(raw: msgspec.Raw | None) -> str | None:
    try:
        return None if raw is None else msgspec.json.decode(raw, type=str)
    except UNREADABLE:
        return None


def _shown(raw: msgspec.Raw) -> str:
    """A value as it was given: a text without its quotes."""
    text = _text(raw)
    return (bytes(raw)[: SHOWN * 4].decode(errors="replace") if text is None else text)[:SHOWN]
