"""What an application is, as JSON Schema from the contract, with a complete example: what a web form is made from."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Any

from creditrisk.contract import Column, Contract
from creditrisk.data.cleaning.rules import Rule, rules
from creditrisk.service.scoring.schema import Scalar

if TYPE_CHECKING:
    from creditrisk.service.scoring.live import Live

APPLIED, BEFORE = dt.date(2024, 1, 31), dt.timedelta(days=3_653)
_NUMBER = r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]{1,2})?"


def application_schema(contract: Contract) -> dict[str, Any]:
    """JSON Schema of ``application``: what the web form is made from."""
    found = rules(contract, training=False)
    properties = {rule.raw: _property(rule) for rule in found}
    note = {"description": "Taken and not looked at.", "x-type": "ignored"}
    ignored = {raw: scalar() | note for raw in contract.columns if raw not in properties}
    schema: dict[str, Any] = {
        "type": "object",
        "title": contract.title,
        "properties": properties | ignored,
        "additionalProperties": False,
    }
    if needed := [rule.raw for rule in found if rule.required]:
        schema["required"] = needed
    return schema


def scalar() -> dict[str, Any]:
    """Any single value."""
    return {"type": ["string", "number", "boolean", "null"]}


def _property(rule: Rule) -> dict[str, Any]:
    column = rule.column
    schema: dict[str, Any] = {"title": column.title or rule.name.replace("_", " ")}
    if column.description:
        schema["description"] = column.description
    schema["x-type"] = column.type
    if column.unit:
        schema["x-unit"] = column.unit
    if rule.low is not None or rule.high is not None:
        schema["x-range"] = [_plain(rule.low), _plain(rule.high)]
    return schema | _type(rule, column)


def _type(rule: Rule, column: Column) -> dict[str, Any]:
    null = [] if rule.required else ["null"]
    if rule.type in ("number", "integer"):
        found: dict[str, Any] = {"type": [rule.type, *(["string"] if column.strip else []), *null]}
        if column.strip:
            found["pattern"] = rf"^[{re.escape(column.strip)}]*{_NUMBER}[{re.escape(column.strip)}]*$"
        return found | _limits(rule)
    if rule.type == "category":
        titles = {"x-titles": dict(column.values)}
        listed: list[Scalar] = [*rule.keys, *(int(n) for n in rule.number_keys if n.is_integer())]
        if column.unknown == "reject" or rule.required:
            return {"enum": [*listed, *([] if rule.required else [None])], **titles}
        return {"type": ["string", "number", "boolean", *null], "examples": listed, **titles}
    if rule.type == "boolean":
        whole = [int(n) for n in rule.number_keys if n.is_integer()]
        return {"enum": [True, False, *rule.keys, *whole, *([] if rule.required else [None])]}
    if rule.type == "date":
        return {"type": ["string", *null], **({} if column.format else {"format": "date"})}
    return {"type": ["string", "number", "boolean", *null]}


def _limits(rule: Rule) -> dict[str, Any]:
    """Limits beyond which a number is refused; numbers that mean missing may lie beyond them."""
    if rule.column.out_of_range != "quarantine":
        return {}
    limits = {"minimum": rule.low} if rule.low is not None else {}
    limits |= {"maximum": rule.high} if rule.high is not None else {}
    marks = [] if rule.required else sorted(rule.missing_numbers)
    return {"anyOf": [limits, {"enum": marks}]} if limits and marks else limits


def _plain(limit: float | dt.date | None) -> float | str | None:
    return limit.isoformat() if isinstance(limit, dt.date) else limit


def example(model: Live) -> dict[str, Scalar]:
    """A complete application that the model answers: usual numbers, the first value of each list.

    Its dates, such as that of the oldest account, lie ten years before the application.
    """
    contract, reference = model.scorer.contract, model.scorer.reference["inputs"]
    found = rules(contract, training=False)
    applied = next((_within(rule, APPLIED) for rule in found if rule.name == contract.time), APPLIED)
    days = {rule.name: applied if rule.name == contract.time else _within(rule, applied - BEFORE) for rule in found}
    return {rule.raw: _usual(rule, reference.get(rule.name, {}), days[rule.name]) for rule in found}


def _within(rule: Rule, day: dt.date) -> dt.date:
    """A day, moved to a column's limits."""
    low, high = (limit if isinstance(limit, dt.date) else day for limit in (rule.low, rule.high))
    return max(low, min(high, day))


def _usual(rule: Rule, reference: dict[str, Any], day: dt.date) -> Scalar:
    if rule.type == "category":
        return next(iter(rule.column.values))
    if rule.type == "boolean":
        return next(iter(rule.column.values), True)
    if rule.type == "date":
        return day.strftime(rule.column.format) if rule.column.format else day.isoformat()
    if rule.type == "text":
        return str(next(iter(reference.get("values") or ["none"])))
    return _number(rule, reference.get("median"))


def _number(rule: Rule, median: float | None) -> float | int:
    low, high = (limit if isinstance(limit, float) else None for limit in (rule.low, rule.high))
    value = median
    if value is None:
        value = low if low is not None else (high or 0.0)
        if low is not None and high is not None and high - low < 1_000:
            value = (low + high) / 2
    if rule.type == "integer":
        value = min(float(round(value)), high // 1) if high is not None else float(round(value))
    while value in rule.missing_numbers:
        value += 1.0
    return int(value) if rule.type == "integer" else value
