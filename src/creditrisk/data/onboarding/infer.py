"""Write a first contract for any CSV or Parquet table, such that a run works on it unedited.

What cannot be known from a table (directions, maturity, whether a column was known at the time of application) is left
open or guessed; each guess is a note, and a comment in the contract.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path

import polars as pl

from creditrisk.contract import APPLICATION_DATE, MAX_COLUMNS, Contract, Format
from creditrisk.data.cleaning.clean import clean_training
from creditrisk.data.cleaning.messages import check_names
from creditrisk.data.cleaning.rules import number_of
from creditrisk.data.onboarding import naming
from creditrisk.data.onboarding.draft import Draft
from creditrisk.data.onboarding.first_contract import contract_text
from creditrisk.data.onboarding.outcome import Outcome, bad_rows, settle_outcome
from creditrisk.data.onboarding.profile import Profile, Table, profile
from creditrisk.data.onboarding.ratios import suggest_characteristics
from creditrisk.data.onboarding.roles import mark_identifiers, mark_leakage, mark_repeated
from creditrisk.data.onboarding.suggest import suggest
from creditrisk.data.onboarding.suggest_dates import describe_dates, first_misfit
from creditrisk.data.reading.header import BROKEN, BROKEN_TEXT
from creditrisk.data.reading.sniff import sniff
from creditrisk.data.reading.source import scan
from creditrisk.data.split import newest_months
from creditrisk.errors import ContractError, DataError, SourceError, nearest
from creditrisk.params import Split

SPLIT = Split()


@dataclass(frozen=True)
class Inferred:
    """A first contract: its text, the portfolio's name, and what a person should check."""

    text: str
    name: str
    notes: tuple[str, ...]


def infer(
    table: Path,
    target: str,
    bad: str | None = None,
    time: str | None = None,
    id_: str | None = None,
    name: str | None = None,
    root: Path | None = None,
    split: Split = SPLIT,
) -> Inferred:
    """Describe a table as a contract.

    Args:
        table: a CSV (any usual separator, plain or packed), Parquet or Excel file.
        target: raw name of the outcome's column.
        bad: the target's value that means bad; several may be separated by commas. Guessed where there are two values.
        time: raw name of the application date.
        id_: raw name of the identifier; guessed where absent.
        name: the portfolio's name; made from the file's where absent.
        root: the project's root, which the contract's path starts from where the table lies below it.
        split: how large the test part is; with ``time``, the contract says the day on which it begins.

    Raises:
        SourceError: the table cannot be read.
        DataError: a named column is not there, the table is empty, the target has one value, or it has several and
            ``bad`` does not say which one is meant.
        ContractError: the name is no name.
    """
    portfolio = _portfolio(table, name)
    form = sniff(table)
    with tempfile.TemporaryDirectory() as folder:
        frame, broken = _copied(table, form, Path(folder) / "table.parquet")
        names = frame.collect_schema().names()
        try:
            check_names(names)
        except DataError as error:
            raise DataError(f"{table}: {error}") from None
        if len(names) > MAX_COLUMNS:
            raise DataError(
                f"{table}: it has {len(names):,} columns, and a contract names {MAX_COLUMNS:,} at most; leave out "
                "those that say nothing of an applicant."
            )
        for what, wanted in (("target", target), ("time", time), ("id", id_)):
            _check_column(table, what, wanted, names)
        found = profile(frame)
        if not found.rows:
            none = (
                f"no row that can be read: {broken}" if broken else "no rows below it, so there is nothing to describe"
            )
            raise DataError(f"{table}: it has a header row and {none}.")
        form_notes = _encoding_notes(form, found)
        outcome = settle_outcome(table, found, target, bad)
        drafts, marks = _drafts(table, found, outcome, time, id_)
        clean = {draft.raw: draft.name for draft in drafts}
        titles = {draft.name: naming.title(draft.raw) for draft in drafts}
        write = partial(
            contract_text,
            name=portfolio,
            title=naming.title(portfolio),
            url=_url(table, root),
            form=form,
            form_notes=form_notes,
            target={"column": target, "bad": outcome.bad, "good": outcome.good},
            target_notes=outcome.notes,
            drafts=drafts,
            titles=titles,
            characteristics=suggest_characteristics(drafts, titles, clean.get(time) if time else None),
            id_=marks.get("id"),
            group=marks.get("group"),
            time=clean[time] if time else None,
        )
        text = write(test_from=None)
        contract = Contract.from_text(text, f"{portfolio}.yaml")
        contract.check_expressions()
        if time:
            dates = clean_training(frame, contract).table.select(APPLICATION_DATE).collect(engine="streaming")
            text = write(test_from=newest_months(dates.to_series(), split))
    notes = [*form_notes, *(f"target {target}: {note}" for note in outcome.notes)]
    if broken is not None:
        notes.append(broken)
    notes += [f"{draft.raw}: {note}" for draft in drafts for note in draft.notes]
    return Inferred(text, portfolio, tuple(notes))


def _copied(table: Path, form: Format, copy: Path) -> tuple[pl.LazyFrame, str | None]:
    """The whole lines of the table as a Parquet file, which can be scanned often, and what to say of broken ones."""
    frame = scan(table, form, broken="mark")
    if form.kind == "parquet":
        return frame.drop(BROKEN, BROKEN_TEXT), None
    try:
        frame.sink_parquet(copy, compression="zstd", compression_level=1)
    except pl.exceptions.ComputeError as error:
        cause = error.__cause__ or error
        raise SourceError(f"{table}: cannot be read: {str(cause).splitlines()[0]}") from None
    whole = pl.scan_parquet(copy)
    return whole.filter(pl.col(BROKEN).is_null()).drop(BROKEN, BROKEN_TEXT), _broken_lines(whole)


def _broken_lines(table: pl.LazyFrame) -> str | None:
    """How many lines are broken, and which is the first."""
    numbered = table.select(BROKEN, BROKEN_TEXT).with_row_index("row", offset=1).filter(pl.col(BROKEN).is_not_null())
    found = numbered.select(pl.len().alias("count"), pl.all().first()).collect(engine="streaming").row(0, named=True)
    if not found["count"]:
        return None
    lines = "1 broken line goes" if found["count"] == 1 else f"{found['count']:,} broken lines go"
    return (
        f"{lines} to quarantine; row {found['row']:,}: expected {found[BROKEN]}: {found[BROKEN_TEXT][:100]!r}. "
        "Mend the file where that is not meant"
    )


def _encoding_notes(form: Format, table: Table) -> list[str]:
    """What to check where the text is not UTF-8: one encoding of one byte a character looks like another."""
    if form.encoding == "utf-8":
        return []
    columns = (column for column in table.sampled if column.dtype == pl.String)
    texts = chain(table.profiles, *columns)
    example = next((text for text in texts if text and not text.isascii()), "")[:40]
    return [
        f"the text is not UTF-8 and is read as {form.encoding} (Western European): {example!r}. Where letters are "
        "wrong, correct source.format.encoding: cp1250 (Central European), cp1251 (Cyrillic), cp1253, cp1254, ..."
    ]


def _portfolio(table: Path, name: str | None) -> str:
    if name is not None:
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,62}", name):
            raise ContractError(
                f"--name {name!r} is no portfolio's name: it starts with a letter and has only letters, digits and "
                "underscores (63 at most), such as car_loans_2024."
            )
        return name
    stem = table.name.split(".")[0]
    slug = "_".join(naming.tokens(stem))[:50].strip("_")
    return slug if slug[:1].isalpha() else f"portfolio_{slug}".strip("_")


def _url(table: Path, root: Path | None) -> str:
    if root is not None and table.resolve().is_relative_to(root.resolve()):
        return table.resolve().relative_to(root.resolve()).as_posix()
    return os.path.abspath(table)  # noqa: PTH100 (resolve would follow links, and say another path than was typed)


def _check_column(table: Path, what: str, wanted: str | None, names: Sequence[str]) -> None:
    if wanted is not None and wanted not in names:
        listed = ", ".join(names[:40]) + (", ..." if len(names) > 40 else "")
        hint = nearest(wanted, names)
        hint = hint or _header_doubt(names)
        raise DataError(f"{table}: no column {wanted!r} for --{what}.{hint} It has: {listed}.")


def _header_doubt(names: Sequence[str]) -> str:
    """What to ask where a first line does not look like one of names: one alone, or several empty ones or numbers."""
    if len(names) == 1:
        return " Is its first line the header row, and parted by commas, semicolons, tabs, bars or spaces?"
    odd = [name.startswith(("Unnamed: ", "__UNNAMED__")) or number_of(name) is not None for name in names]
    return " Is its first line the header row?" if sum(odd) > 1 else ""


def _drafts(
    path: Path, table: Table, outcome: Outcome, time: str | None, id_: str | None
) -> tuple[list[Draft], dict[str, str]]:
    """Every column's draft, in the table's order, and which clean names are the id and the group."""
    clean = naming.clean_names(table.profiles, time)
    bad = bad_rows(table, outcome)
    drafts = []
    for raw, one in table.profiles.items():
        if raw == outcome.column:
            drafts.append(Draft(raw, clean[raw], "text", "target"))
            continue
        draft = suggest(table, one, clean[raw])
        if one.present < one.rows or draft.keys.get("missing"):
            draft.keys["_lacking"] = True
        drafts.append(draft)
    by_name = {draft.raw: draft for draft in drafts}
    if time is not None:
        _as_time(path, table, by_name[time], table.profiles[time])
    marks = mark_identifiers(table, drafts, id_, time)
    for draft in drafts:
        if draft.role in ("feature", "protected"):
            mark_leakage(table, draft, bad, by_name.get(time) if time else None)
    mark_repeated(table, drafts)
    _suggest_time(drafts, time)
    if not any(draft.role == "feature" for draft in drafts):
        left_out = "; ".join(f"{draft.raw} ({draft.notes[0]})" for draft in drafts[:20] if draft.notes)
        raise DataError(
            f"{path}: no column is left to learn from{f': {left_out}' if left_out else ''}. Bring a table with what "
            "was known at the time of application."
        )
    return drafts, marks


def _as_time(path: Path, table: Table, draft: Draft, one: Profile) -> None:
    if one.distinct == 1:
        raise DataError(
            f"{path}: column {one.name!r} for --time has one value alone, {next(iter(one.counts), '')!r}, so that no "
            "row is later than another; leave --time out, or bring rows of several months."
        )
    if draft.type != "date":
        example = next(iter(one.sample.drop_nulls()), "nothing")
        found = first_misfit(table, one) or f"found {example!r}"
        raise DataError(
            f"{path}: column {one.name!r} for --time does not hold dates throughout ({found}); expected dates such as "
            "2024-01-31 or 31/01/2024, all written alike."
        )
    again = Draft(draft.raw, draft.name)
    describe_dates(table, one, again)  # what its name says of it is of no account here; how its dates are read is
    draft.role, draft.notes = "time", again.notes
    if lacking := one.rows - one.present:
        draft.notes.append(
            f"{lacking:,} of {one.rows:,} rows have none and go to quarantine; where these are more than "
            "quarantine.max_share a run stops"
        )
    draft.keys["required"] = True


def _suggest_time(drafts: list[Draft], time: str | None) -> None:
    if time is not None:
        return
    for draft in drafts:
        if draft.type == "date" and draft.role == "feature" and naming.is_application_time(draft.raw):
            note = "if it is the day of application, name it with --time: the latest rows are then the test rows"
            draft.notes.append(note)
            return
