"""Whether a new contract takes every application that the old one takes, by the contracts alone.

The law, held by property tests: where ``refusals`` finds nothing, an application that is valid under the old contract
is valid under the new one. It may find something where no harm would come, never the other way round.
"""

from __future__ import annotations

from creditrisk.contract import Column, Contract
from creditrisk.data.cleaning.cell import compile_cell
from creditrisk.data.cleaning.rules import FAULT, OUT_OF_RANGE, Rule, number_of
from creditrisk.service.scoring.schema import Fields

NUMBERS = ("number", "integer")
LISTS = ("category", "boolean")
_DIGITS = frozenset("0123456789+-.eE")


def refusals(old: Contract, new: Contract) -> list[str]:
    """Why an application that was valid may be refused, a sentence's part for each field; empty: none can be."""
    was, now = Fields(old), Fields(new)
    found = [f"{raw} is no field any more (removed or renamed)" for raw in sorted(was.known - now.known)]
    for raw, rule in now.rules.items():
        before = was.rules.get(raw)
        if raw not in was.known:
            found += [f"{raw} is new and required"] if rule.required else []
        elif before is None or (before.name == old.time and rule.name != new.time):
            # An application date given with the request keeps the time column from being looked at.
            found += [] if _takes_anything(rule) else [f"{raw} was not looked at and is now of type {rule.type}"]
        else:
            found += [f"{raw} {reason}" for reason in _narrower(before, rule)]
    return found


def _takes_anything(rule: Rule) -> bool:
    return not rule.required and (rule.type == "text" or (rule.type == "category" and rule.column.unknown == "missing"))


def _narrower(before: Rule, after: Rule) -> list[str]:
    """What the new rule refuses of what the old one takes."""
    if _takes_anything(after):
        return []
    found = []
    if after.required:
        found += [] if before.required else ["is now required"]
        found += _more_is_missing(before, after)
    if before.type in NUMBERS and after.type in NUMBERS:
        return found + _numbers(before, after)
    if before.type == after.type == "date":
        return found + _dates(before, after)
    if after.type in LISTS:
        return found + (_lists(before, after) if _closed(before) else ["takes only listed values now"])
    if after.type != "text":
        found.append(f"was of type {before.type} and is now of type {after.type}")
    return found


def _more_is_missing(before: Rule, after: Rule) -> list[str]:
    """A required field: what means missing now must have meant so before."""
    if before.type in NUMBERS and not before.column.strip:  # such a field comes as a number, never as a text
        return ["has more values that mean missing"] if after.missing_numbers - before.missing_numbers else []
    if set(after.column.strip) != set(before.column.strip):
        return ["is stripped of other characters"]
    return ["has more values that mean missing"] if after.missing_texts - before.missing_texts else []


def _numbers(before: Rule, after: Rule) -> list[str]:
    found = []
    if after.type == "integer" and before.type == "number":
        found.append("must be a whole number now")
    old, new = set(before.column.strip), set(after.column.strip)
    if old:
        added = new - old
        if not old <= new or added & (_DIGITS | set("".join(before.missing_texts))):
            found.append("is stripped of other characters")
        found += ["is written in another form"] if _written_otherwise(before.column, after.column) else []
    if not before.required:
        gone: list[str | float] = [*sorted(before.missing_numbers), *(sorted(before.missing_texts) if old else [])]
        found += [f"does not take {_limit(value)} for missing any more" for value in gone if _refuses(after, value)]
    return found + _range(before, after)


def _written_otherwise(before: Column, after: Column) -> bool:
    """Whether a text that was a number may be none now."""
    other_word = before.currency not in (None, after.currency)
    return before.decimal != after.decimal or other_word or (before.accounting and not after.accounting)


def _dates(before: Rule, after: Rule) -> list[str]:
    if before.column.format != after.column.format or set(before.column.strip) != set(after.column.strip):
        return ["is written in another form"]
    found = []
    if not before.required:
        gone = sorted(before.missing_texts - after.missing_texts)
        found += [
            f"does not take {text} for missing any more"
            for text in gone
            if number_of(text) is not None or _refuses(after, text)
        ]
    return found + _range(before, after)


def _lists(before: Rule, after: Rule) -> list[str]:
    """Both take listed values alone."""
    if set(before.column.strip) != set(after.column.strip) or before.column.case not in ("keep", after.column.case):
        return ["is read in another way"]
    numbers = set(after.number_keys) | after.missing_numbers
    gone: list[str | float] = [key for key in before.keys if not _refuses(before, key) and _refuses(after, key)]
    lost = before.missing_numbers if before.required else set()  # listed, but missing comes first, and is refused
    taken = [key for key in before.number_keys if key not in lost]
    gone += [key for key in taken if key not in numbers or _refuses(after, key)]
    if not before.required:
        for text in sorted(before.missing_texts - after.missing_texts):
            number = number_of(text)
            if _refuses(after, text) or (number is not None and number not in numbers):
                gone.append(text)
    written = dict.fromkeys(f"{value:g}" if isinstance(value, float) else value for value in gone)
    return [f"does not take the value {value} any more" for value in written]


def _range(before: Rule, after: Rule) -> list[str]:
    if not _refuses_beyond(after):
        return []
    held = _refuses_beyond(before)
    found = []
    if after.low is not None and not (held and before.low is not None and before.low >= after.low):  # type: ignore[operator]
        found.append(f"must be at least {_limit(after.low)} now")
    if after.high is not None and not (held and before.high is not None and before.high <= after.high):  # type: ignore[operator]
        found.append(f"must be at most {_limit(after.high)} now")
    return found


def _limit(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _refuses_beyond(rule: Rule) -> bool:
    return rule.beyond >= FAULT or (rule.beyond == OUT_OF_RANGE and rule.required)


def _closed(rule: Rule) -> bool:
    return rule.type == "boolean" or (rule.type == "category" and (rule.column.unknown == "reject" or rule.required))


def _refuses(rule: Rule, value: str | float) -> bool:
    return compile_cell(rule)(value)[1] >= FAULT
