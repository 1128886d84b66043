"""Write a contract as YAML that a person will read and correct: comments say what to check."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import yaml

from creditrisk.contract import Format
from creditrisk.data.onboarding.draft import Draft
from creditrisk.data.onboarding.ratios import Suggestion

WIDTH = 110
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_]*(?:[ ./+-][A-Za-z0-9_]+)*")
_WORDS = frozenset(["true", "false", "null", "yes", "no", "on", "off", "y", "n", "none", "nan", "inf", "infinity"])


def quoted(value: Any) -> str:
    """A scalar as YAML of any version reads it: plain where that is safe, else in quotation marks."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value) if isinstance(value, int) or value != int(value) or abs(value) >= 2**53 else str(int(value))
    text = str(value)
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS and not re.fullmatch(r"[eE][0-9]+", text):
        return text
    dumped: str = yaml.safe_dump(text, default_style='"', allow_unicode=True, width=2**31)
    return dumped.strip()


def contract_text(
    name: str,
    title: str,
    url: str,
    form: Format,
    form_notes: Sequence[str],
    target: Mapping[str, Any],
    target_notes: Sequence[str],
    drafts: Sequence[Draft],
    titles: Mapping[str, str],
    characteristics: Sequence[Suggestion],
    id_: str | None,
    group: str | None,
    time: str | None,
    test_from: dt.date | None,
) -> str:
    """The contract's text; every top-level key is written out, as ``Contract.load`` asks for."""
    lines = [
        f"# First contract of {_comment(title)}, written from the table. Lines marked CHECK are guesses: correct what",
        "# is wrong; add titles, units, licence, and directions (monotone: increasing where risk rises with it).",
        f"name: {quoted(name)}",
        f"title: {quoted(title)}",
        *(f"# CHECK {_comment(note)}" for note in form_notes),
        "source:",
        f"  url: {quoted(url)}",
        f"  format: {_flow(_format(form))}",
        '  licence: ""             # who may use the table, and for what',
        *(f"# CHECK {_comment(note)}" for note in target_notes),
        "target:",
        f"  column: {quoted(target['column'])}",
        f"  bad: {_list(target['bad'])}",
        f"  good: {_list(target['good'])}",
        "population: null          # an SQL condition, where some rows are not of this portfolio",
        f"id: {quoted(id_)}",
        f"group: {quoted(group)}             # whose rows stay on one side of every split, such as a customer's number",
        "weight: null",
        f"time: {quoted(time)}              # the application date; with it the test rows are the latest ones",
        'as_of: null               # the day on which outcomes were read, such as "2024-12-31"',
        "maturity: null            # {months: 12}: younger rows have no final outcome; needs time and as_of",
        f"test_from: {quoted(test_from)}   # the first day of the test part, written so that new rows move no old one;",
        "                          # null takes the table's latest months each time",
        "quarantine: {max_share: 0.05}",
        "duplicates: drop",
        "extra_columns: refuse",
        "",
        "columns:",
    ]
    for draft in drafts:
        lines += _column(draft, titles[draft.name])
    lines += ["", "characteristics:" if characteristics else "characteristics: {}"]
    for item in characteristics:
        lines += _characteristic(item)
    return "\n".join(lines) + "\n"


def _format(form: Format) -> dict[str, Any]:
    found: dict[str, Any] = {"kind": form.kind}
    if form.kind == "csv":
        found["separator"] = form.separator
        if form.encoding != "utf-8":
            found["encoding"] = form.encoding
    return found


def _column(draft: Draft, title: str) -> list[str]:
    lines = [f"  {quoted(draft.raw)}:"]
    lines += [f"    # CHECK {_comment(note)}" for note in draft.notes]
    if draft.name != draft.raw and draft.role != "ignore":
        lines.append(f"    rename: {quoted(draft.name)}")
    lines += [f"    title: {quoted(title)}", f"    type: {draft.type}"]
    if draft.role != "feature":
        lines.append(f"    role: {draft.role}")
    if draft.notes and draft.role in ("ignore", "protected"):
        lines.append(f"    note: {quoted('; '.join(draft.notes))}")
    for key, value in draft.keys.items():
        if key == "values":
            lines += ["    values:", *(f"      - {quoted(item)}" for item in value)]
        elif isinstance(value, list):
            lines.append(f"    {key}: {_list(value)}")
        elif not key.startswith("_"):
            lines.append(f"    {key}: {quoted(value)}")
    return lines


def _characteristic(item: Suggestion) -> list[str]:
    lines = [f"  {item.name}:"]
    if len(item.sql) <= WIDTH - 10:
        lines.append(f"    sql: {item.sql if _PLAIN_SQL.fullmatch(item.sql) else quoted(item.sql)}")
    else:
        lines += ["    sql: >-", *(f"      {line}" for line in _wrapped(item.sql))]
    lines.append(f"    title: {quoted(item.title)}")
    if item.unit:
        lines.append(f"    unit: {quoted(item.unit)}")
    texts = {key: getattr(item, key) for key in ("high", "low", "missing") if getattr(item, key)}
    if texts:
        lines += ["    reason:", *(f"      {key}: {quoted(text)}" for key, text in texts.items())]
    return lines


_PLAIN_SQL = re.compile(r"[A-Za-z][A-Za-z0-9_ ()/*+,.<>=-]*")


def _wrapped(sql: str) -> Iterable[str]:
    line = ""
    for word in sql.split(" "):
        if line and len(line) + len(word) + 1 > WIDTH - 6:
            yield line
            line = word
        else:
            line = f"{line} {word}".strip()
    yield line


def _list(values: Sequence[Any]) -> str:
    return "[" + ", ".join(quoted(value) for value in values) + "]"


def _flow(keys: Mapping[str, Any]) -> str:
    return "{" + ", ".join(f"{key}: {quoted(value)}" for key, value in keys.items()) + "}"


def _comment(text: str) -> str:
    """Text that stays on one line of a comment."""
    return "".join(character if character.isprintable() else " " for character in text)
