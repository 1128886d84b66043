"""First characteristics for a table that nobody described: ratios that credit analysts know, dates, what is missing.

They are guesses from names; none has a direction, since a wrong one would cost more than it gives.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from creditrisk.contract import APPLICATION_DATE
from creditrisk.data.onboarding.draft import Draft
from creditrisk.data.onboarding.naming import tokens, unused, word_set

MAX_RATIOS = 8
MAX_COUNTED = 25
"""Columns whose missing values are counted; an expression has its limits."""

_AMOUNT = word_set("amount amnt amt loan credit principal betrag kredit kreditbetrag hoehe montant importe sum")
_INCOME = word_set("income inc salary wage wages earnings revenue einkommen gehalt revenu ingreso ingresos")
_PAYMENT = word_set("payment installment instalment annuity emi pmt repayment")
_DEBT = word_set("debt debts balance bal outstanding liabilities expenses obligations")
_LIMIT = word_set("limit limits creditlimit")
_VALUE = word_set("value price collateral appraisal property goods")
_TERM = word_set("term terms duration months laufzeit tenor tenure maturity")
_NO_AMOUNT = word_set("count number num no months mths years pct percent ratio rate share to id status type")


@dataclass(frozen=True)
class Suggestion:
    """One characteristic of the contract in the making."""

    name: str
    sql: str
    title: str
    high: str | None = None
    low: str | None = None
    missing: str | None = None
    unit: str = ""


def suggest_characteristics(drafts: Sequence[Draft], titles: dict[str, str], time: str | None) -> list[Suggestion]:
    """Characteristics over clean columns.

    Args:
        drafts: the columns.
        titles: by clean name.
        time: clean name of the application date, if there is one.
    """
    taken = {draft.name for draft in drafts} | {APPLICATION_DATE}
    found: list[Suggestion] = []

    def add(suggestion: Suggestion) -> None:
        name = unused(suggestion.name[:60], taken)
        taken.add(name)
        found.append(Suggestion(**(vars(suggestion) | {"name": name})))

    for suggestion in _ratios([draft for draft in drafts if draft.is_number], titles):
        add(suggestion)
    for suggestion in _dates(drafts, titles, time):
        add(suggestion)
    for draft in drafts:
        if draft.type == "text" and draft.role == "feature":
            title = titles[draft.name]
            sql = f"COALESCE(LENGTH({draft.name}), 0)"
            add(Suggestion(f"{draft.name}_length", sql, f"Length of {title}", unit="characters"))
    counted = [draft.name for draft in drafts if draft.role == "feature" and draft.keys.get("_lacking")][:MAX_COUNTED]
    if len(counted) > 1:
        sql = " + ".join(f"CASE WHEN {name} IS NULL THEN 1 ELSE 0 END" for name in counted)
        high = "More entries of the application are missing than usual"
        add(Suggestion("missing_entries", sql, "Missing entries", high=high, unit=f"of {len(counted)}"))
    return found


def _ratios(numbers: Sequence[Draft], titles: dict[str, str]) -> list[Suggestion]:
    by = _of(numbers)
    amounts, incomes = by(_AMOUNT, _INCOME | _LIMIT | _PAYMENT | _DEBT | _TERM), by(_INCOME, frozenset())
    payments, debts = by(_PAYMENT, _INCOME), by(_DEBT, _INCOME | _LIMIT)
    limits, values, terms = by(_LIMIT, _INCOME), by(_VALUE, _INCOME), _of(numbers, plain=False)(_TERM, _INCOME)
    pairs = [(a, b) for above in (amounts, payments, debts) for a in above[:2] for b in incomes[:2]]
    pairs += [(a, b) for a in amounts[:2] for b in terms[:1]]
    pairs += [(a, b) for a in debts[:2] for b in limits[:1]] + [(a, b) for a in amounts[:1] for b in values[:2]]
    unique = list(dict.fromkeys((a, b) for a, b in pairs if a != b))[:MAX_RATIOS]
    return [_ratio(a, b, titles) for a, b in unique]


def _of(numbers: Sequence[Draft], plain: bool = True) -> Callable[[frozenset[str], frozenset[str]], list[str]]:
    """A function that finds number columns with one of some words in their names, and none of others."""

    def by(wanted: frozenset[str], unwanted: frozenset[str]) -> list[str]:
        found = []
        for draft in numbers:
            words = {*tokens(draft.raw), *tokens(draft.name)}
            refused = unwanted | (_NO_AMOUNT - wanted if plain else frozenset())
            enough = not plain or draft.type == "number" or float(draft.keys.get("max", 0)) >= 1_000
            if words & wanted and not words & refused and enough:
                found.append(draft.name)
        return found

    return by


def _ratio(above: str, below: str, titles: dict[str, str]) -> Suggestion:
    of = titles[below][:1].lower() + titles[below][1:]
    what = f"{titles[above]} for each unit of {of}"
    return Suggestion(
        name=f"{above}_to_{below}",
        sql=f"{above} / NULLIF({below}, 0)",
        title=what,
        high=f"{titles[above]} is high in relation to {of}",
        low=f"{titles[above]} is low in relation to {of}",
        missing=f"The relation of {titles[above].lower()} to {of} is not known",
    )


def _dates(drafts: Sequence[Draft], titles: dict[str, str], time: str | None) -> list[Suggestion]:
    """A date is no model input; months before the application are, or days from a fixed day."""
    found = []
    for draft in drafts:
        if draft.type != "date" or draft.role != "feature" or draft.name == time:
            continue
        title = titles[draft.name]
        missing = f"{title} is not known"
        if time:
            sql = f"DAYS_BETWEEN({draft.name}, {APPLICATION_DATE})"
            what = f"Days from {title} to the application"
            found.append(Suggestion(f"days_since_{draft.name}", sql, what, missing=missing, unit="days"))
        else:
            sql = f"DAYS_BETWEEN(DATE '2000-01-01', {draft.name})"
            what = f"{title}, in days from 2000-01-01"
            found.append(Suggestion(f"{draft.name}_day", sql, what, missing=missing, unit="days"))
    return found
