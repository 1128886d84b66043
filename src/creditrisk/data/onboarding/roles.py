"""What role a column plays besides its type: identifier, group, leakage, repetition of another column."""

from __future__ import annotations

import polars as pl

from creditrisk.data.cleaning.dates import date_format
from creditrisk.data.cleaning.rules import number_of
from creditrisk.data.onboarding import naming
from creditrisk.data.onboarding.draft import Draft
from creditrisk.data.onboarding.leakage import gives_away, is_suspect, single_auc
from creditrisk.data.onboarding.profile import (
    Profile,
    Table,
    comma_number,
    exact_distinct,
    number_of_column,
    stripped_number,
    text_of_column,
)
from creditrisk.errors import DataError


def mark_identifiers(table: Table, drafts: list[Draft], id_: str | None, time: str | None) -> dict[str, str]:
    """Settle the id and the group; other columns in which each row has a value of its own are left out."""
    marks: dict[str, str] = {}
    if id_ is not None:
        draft = next(draft for draft in drafts if draft.raw == id_)
        if draft.role in ("target", "time"):
            raise DataError(f"--id {id_!r} is the {draft.role} already; name another column, or none.")
        one = table.profiles[id_]
        one.distinct = exact_distinct(table.frame, one)
        draft.type, draft.role, draft.keys, draft.notes = "text", "id", {}, []
        if _tells_rows_apart(table, one):
            marks["id"] = draft.name
        else:
            marks["group"] = draft.name
            draft.notes.append(
                f"{one.rows - one.distinct:,} rows repeat or lack a value, so it is the group (its rows stay on one "
                "side of every split), and each row's id is made from its content"
            )
    for draft in drafts:
        if draft.role != "feature" or draft.raw == time:
            continue
        one = table.profiles[draft.raw]
        if _is_identifier(one, draft):
            if "id" not in marks and _tells_rows_apart(table, one):
                draft.type, draft.role, draft.keys = "text", "id", {}
                draft.notes = ["every row has a value of its own: taken for the row's id"]
                marks["id"] = draft.name
            else:
                draft.ignore(f"an identifier: {one.distinct:,} different values in {one.present:,} rows")
        elif "group" not in marks and naming.is_customer(one.name) and 1 < one.present / max(one.distinct, 1) <= 50:
            draft.type, draft.role, draft.keys = "text", "id", {}
            draft.notes = ["a customer's number that repeats: the customer's rows stay on one side of every split"]
            marks["group"] = draft.name
    return marks


def _tells_rows_apart(table: Table, one: Profile) -> bool:
    """Whether each row has a value of its own; one without any value, which has no outcome either, does not count."""
    return one.present == one.distinct == one.rows - table.blank


def _is_identifier(one: Profile, draft: Draft) -> bool:
    if one.present < 3 or one.distinct < 0.99 * one.present or draft.type in ("date", "boolean", "text"):
        return False
    if draft.type in ("number", "integer"):
        span = (one.high or 0) - (one.low or 0) + 1
        running = span <= 1.1 * one.rows and one.rows >= 50
        return one.whole == one.present and (naming.is_id(one.name) or (running and not one.fractions))
    if naming.is_id(one.name) or naming.is_customer(one.name):
        return True
    return one.spaced < 0.1 and one.present >= 50 and not draft.keys.get("_like_number")


def mark_leakage(table: Table, draft: Draft, bad: pl.Series, time: Draft | None) -> None:
    """Take out what was known only after the application, by its name or because it tells the outcome too well."""
    one = table.profiles[draft.raw]
    values = _numbers(table, one, draft) if draft.type in ("number", "integer") else one.sample
    known = bad.is_not_null()
    values, outcome = values.filter(known), bad.filter(known)
    if draft.type in ("date", "text"):
        values = pl.select(pl.when(values.is_not_null()).then(pl.lit("there"))).to_series()
    value = single_auc(values, outcome)
    later = naming.known_later(draft.raw)
    figure = "" if value is None else f" (AUC of this column alone: {value:.3f})"
    if is_suspect(value, float(outcome.sum()), float((1 - outcome).sum())):
        draft.ignore(f"suspected leakage: it alone tells the outcome{figure}; was it known at the application?")
    elif later and draft.role == "feature":
        draft.ignore(f"suspected leakage: by its name it says {later}{figure}; was it known at the application?")
    elif time is not None and draft.type == "date" and (share := _after(table, draft, time)) > 0.5:
        draft.ignore(f"suspected leakage: {share:.0%} of its dates lie after the application")
    elif draft.role == "feature" and (sign := gives_away(values, outcome)):
        draft.notes.append(f"possible leakage: {sign}{figure}; was it known at the application?")


def _numbers(table: Table, one: Profile, draft: Draft) -> pl.Series:
    """The sampled numbers, null where they mean missing."""
    text = text_of_column(one.name, one.dtype)
    number = number_of_column(one.name, one.dtype)
    if draft.keys.get("decimal") == ",":
        number = comma_number(text)
    elif draft.keys.keys() & {"strip", "currency", "accounting"}:
        number = stripped_number(text)
    values = table.sampled.select(number.alias("value"))["value"]
    missing = [code for item in draft.keys.get("missing", []) if (code := number_of(item)) is not None]
    return values.set(values.is_in(missing), None) if missing else values


def _after(table: Table, draft: Draft, time: Draft) -> float:
    def day(of: Draft) -> pl.Expr:
        dtype = table.profiles[of.raw].dtype
        if dtype in (pl.Date, pl.Datetime):
            date = pl.col(of.raw).cast(pl.Date)
            return pl.when(~date.dt.to_string("%Y-%m-%d").is_in(of.keys.get("missing", []))).then(date)
        text = text_of_column(of.raw, dtype)
        there = ~text.is_in(of.keys.get("missing", []))
        return date_format(of.keys.get("format"), of.raw).expression(pl.when(there).then(text))

    # A month is read as its first day; the application may have been on any of it.
    written = time.keys.get("format")
    tolerance = "1d" if written is None or "%d" in written else "1mo"
    share = table.sampled.select((day(draft) > day(time).dt.offset_by(tolerance)).mean()).item()
    return float(share or 0.0)


def mark_repeated(table: Table, drafts: list[Draft]) -> None:
    """Leave out a column that says the same as an earlier one in every row."""
    used = [draft for draft in drafts if draft.role == "feature"]
    keys: dict[tuple[object, ...], list[Draft]] = {}
    for draft in used:
        one = table.profiles[draft.raw]
        key = (one.present, one.distinct, one.low, one.high, tuple(one.sample.head(2_000)))
        keys.setdefault(key, []).append(draft)
    for first, *others in keys.values():
        for other in others:
            texts = [text_of_column(d.raw, table.profiles[d.raw].dtype) for d in (first, other)]
            same = table.frame.select(texts[0].eq_missing(texts[1]).all()).collect(engine="streaming").item()
            if same:
                other.ignore(f"the same as {first.raw} in every row")
