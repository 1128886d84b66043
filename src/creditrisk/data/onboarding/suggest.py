"""What a contract could say of a column, from what stands in it and from its name."""

from __future__ import annotations

import polars as pl

from creditrisk.data.onboarding import naming
from creditrisk.data.onboarding.draft import Draft, list_missing
from creditrisk.data.onboarding.profile import Profile, Table
from creditrisk.data.onboarding.suggest_dates import describe_dates
from creditrisk.data.onboarding.suggest_numbers import as_number

CLOSED_UP_TO = 40
"""Text values up to which a column gets a closed list."""
FREE_TEXT = 40
"""Mean characters from which a column of mostly different values is free text."""
_TRUTH = ({"true", "false"}, {"yes", "no"}, {"y", "n"}, {"t", "f"})


def suggest(table: Table, one: Profile, name: str) -> Draft:
    """Type, range, values and missing markers of one column; names count as well."""
    draft = Draft(one.name, name)
    if not one.usable:
        return draft.ignore(f"holds {one.dtype} values, which no rule reads")
    if not one.present:
        return draft.ignore("empty: no row has a value")
    if one.distinct <= 1 and one.present == one.rows:
        return draft.ignore(f"constant: {next(iter(one.counts), '')[:40]!r} in every row")
    if one.dtype.is_numeric() and not one.numbers:
        return draft.ignore("no row has a finite number")
    _type(table, one, draft)
    _by_name(one, draft)
    return draft


def _type(table: Table, one: Profile, draft: Draft) -> None:
    if one.dtype == pl.Boolean:
        draft.type = "boolean"
    elif _is_boolean(one):
        draft.type = "boolean"
        list_missing(table, one, draft, ())
    elif not (describe_dates(table, one, draft) or as_number(table, one, draft)):
        _text(table, one, draft)


def _is_boolean(one: Profile) -> bool:
    words = set(one.counts)
    usual = {word for word in words if word in (word.lower(), word.upper(), word.capitalize())}
    return not one.typed and words == usual and {word.lower() for word in words} in _TRUTH


def _text(table: Table, one: Profile, draft: Draft) -> None:
    list_missing(table, one, draft, ())
    values = list(one.counts)
    if values and 0 < len(values) <= CLOSED_UP_TO and not _mostly_different(one):
        draft.type = "category"
        lowered = {value.lower() if value.isascii() else value for value in values}
        if len(lowered) < len(values) and all(value.isascii() for value in values):
            draft.keys["case"] = "lower"
            draft.notes.append("upper and lower case are mixed; everything is read in lower case")
            values = list(dict.fromkeys(value.lower() for value in values))
        draft.keys["values"] = _same_numbers_once(values)
        return
    if one.length >= FREE_TEXT and one.distinct > 0.3 * one.present:
        draft.type = "text"
        draft.notes.append("free text: a model sees its length alone")
        return
    draft.type = "open_category"
    if example := _like_number(one):
        draft.keys["_like_number"] = True
        draft.notes.append(
            f"looks like numbers, written in a way that is not read ({example!r}): write them plainly in the table, or "
            "as strip, decimal, currency and accounting can say"
        )
    lowered_count = one.sample.drop_nulls().str.to_lowercase().n_unique()
    if lowered_count < one.sample.drop_nulls().n_unique():
        draft.keys["case"] = "lower"


def _mostly_different(one: Profile) -> bool:
    return one.present > 20 and one.distinct > 0.5 * one.present


def _like_number(one: Profile) -> str | None:
    """An example, where nearly all texts are digits and the marks of a number with something short behind."""
    if naming.is_code(one.name):
        return None
    texts = one.sample.drop_nulls()
    number = r"[0-9]{1,3}(?:[0-9]*|(?:[.,' ][0-9]{2,3})*)(?:[.,][0-9]+)?"
    sign = r"[<>~\u2212\u00b1]"
    like = texts.str.contains(rf"^(?:{sign}?[(+$€£-]*{number}[^0-9]{{1,8}}|{sign}{number}|[0-9]+(?:,[0-9]{{2,3}})+)$")
    return str(texts.filter(like)[0]) if like.sum() > 0.9 * texts.len() else None


def _same_numbers_once(values: list[str]) -> list[str]:
    """01, 1 and 1.0 are one value to a contract where all values are numbers."""
    try:
        numbers = [float(value) for value in values]
    except ValueError:
        return values
    return [value for place, value in enumerate(values) if numbers.index(numbers[place]) == place]


def _by_name(one: Profile, draft: Draft) -> None:
    """Roles that a name suggests: protected attributes, birth dates, personal data."""
    protected = naming.protected_by_name(one.name)
    if protected:
        draft.role = "protected"
        draft.notes.append(f"by its name it says {protected}: left to the audit, never an input; check")
        return
    if draft.type == "date" and naming.is_birth(one.name):
        draft.ignore("a date of birth: age is protected in many places, and a birth date identifies a person")
    elif draft.is_number and naming.is_age(one.name):
        draft.keys["audited"] = True
        draft.notes.append("an input that fairness is judged on; role: protected where the law forbids its use")
    elif naming.is_personal(one.name) and _mostly_different(one):
        draft.ignore("personal data: by its name it identifies a person")
