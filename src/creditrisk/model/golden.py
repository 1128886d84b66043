"""Golden rows: synthetic applications with the answers expected of a bundle, replayed wherever it is loaded.

They are drawn from the contract and the reference alone, so no applicant is among them, and hold edge cases: nothing
given, limits and beyond, unknown categories, broken values. ``golden.json`` is text that a person can read, so that the
service needs no table engine to replay it.
"""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from creditrisk.contract import Column, Contract
from creditrisk.errors import BundleError
from creditrisk.model.scorer import Answer, Scorer

ROWS = 200
TOLERANCE = 1e-9
"""A PD may differ by this much: mathematical libraries differ by a last bit between machines."""
FILE = "golden.json"
"""In a bundle."""
WORDS = ("new", "used", "car", "home", "repair", "school", "wedding", "stock", "medical", "travel")


Raw = dict[str, str | None]
"""An application as a CSV would hold it: every field text, None where nothing is given."""


class Golden(NamedTuple):
    """An application and what is answered to it; without a PD where it cannot be scored."""

    raw: Raw
    pd: float | None
    score: int | None
    decision: str | None
    reasons: list[list[str]]
    """Characteristic and text of each."""


def draw(contract: Contract, reference: dict[str, Any], rows: int = ROWS, seed: int = 0) -> list[Raw]:
    """Make raw applications."""
    random = np.random.default_rng(seed)
    columns = {
        raw: _values(contract, name, contract.clean_columns[name], reference, rows, random)
        for name, raw in contract.raw_names.items()
    }
    for row in range(min(3, rows)):  # nothing given at all; then everything given; then everything odd
        for values in columns.values():
            values[row] = (None, values[row], "odd value")[row]
    return [{name: values[row] for name, values in columns.items()} for row in range(rows)]


def write(scorer: Scorer, path: Path) -> None:
    """Draw golden rows, score each through the row path and keep rows and answers."""
    rows = []
    for raw in draw(scorer.contract, scorer.reference):
        answer = scorer.score_row(raw)
        rows.append(Golden(raw, answer.pd, answer.score, answer.decision, _reasons(answer))._asdict())
    path.write_text(json.dumps(rows, ensure_ascii=False, allow_nan=False, indent=0), encoding="utf-8")


def read(folder: Path) -> list[Golden]:
    """The golden rows of a bundle.

    Raises:
        BundleError: the file is not there or is not one that ``write`` wrote.
    """
    path = folder / FILE
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(found, list) or not found:
            raise ValueError("expected a list of rows")
        return [_checked(Golden(**row)) for row in found]
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise BundleError(f"{path}: golden rows cannot be read: {error}; the bundle is refused.") from None


def _checked(row: Golden) -> Golden:
    texts = isinstance(row.raw, dict) and all(isinstance(value, str | None) for value in row.raw.values())
    if not texts or not isinstance(row.pd, float | None):
        raise ValueError("expected a row's texts and its PD")
    return row


def replay(scorer: Scorer, rows: list[Golden]) -> None:
    """Score a bundle's golden rows again, one by one.

    Raises:
        BundleError: naming the first row whose answer is not the expected one.
    """
    for number, want in enumerate(rows):
        answer = scorer.score_row(want.raw)
        _compare(number, "alone", (answer.pd, answer.score, answer.decision), want)
        if _reasons(answer) != want.reasons:
            raise BundleError(f"golden row {number}: reasons are {_reasons(answer)}, expected {want.reasons}; refused.")


def replay_table(scorer: Scorer, rows: list[Golden]) -> None:
    """The same with all of them as one table, for whoever scores tables; it raises likewise."""
    import polars as pl

    names = scorer.contract.raw_names.values()
    table = scorer.score_frame(pl.DataFrame([row.raw for row in rows], schema=dict.fromkeys(names, pl.String)))
    for number, want in enumerate(rows):
        _compare(number, "in a table", table.row(number)[:3], want)


def _compare(number: int, how: str, found: tuple[Any, ...], want: Golden) -> None:
    pd, score, decision = found
    same = pd is None if want.pd is None else pd is not None and abs(pd - want.pd) <= TOLERANCE
    if same and (score, decision) == (want.score, want.decision):
        return
    raise BundleError(
        f"golden row {number}, scored {how}: PD {pd}, score {score}, {decision}; expected PD {want.pd}, "
        f"score {want.score}, {want.decision}. It does not do here what it did where it was made; refused."
    )


def _reasons(answer: Answer) -> list[list[str]]:
    return [[reason.characteristic, reason.text] for reason in answer.reasons]


def _values(
    contract: Contract, name: str, column: Column, reference: dict[str, Any], rows: int, random: np.random.Generator
) -> list[str | None]:
    pool = _pool(name, column, reference, random)
    # The time column decides nothing by itself and must be there; others are missing or odd now and then.
    odd = 0.0 if name == contract.time else 0.08
    return [None if random.random() < odd else pool[int(random.integers(len(pool)))] for _ in range(rows)]


def _pool(name: str, column: Column, reference: dict[str, Any], random: np.random.Generator) -> list[str]:
    if column.type in ("category", "boolean"):
        given = list(column.values) or ["true", "false"]
        return [*given * 4, "never seen"] if column.unknown == "missing" and column.type == "category" else given
    if column.type == "date":
        low, high = _span(column)
        days = random.integers((high - low).days + 1, size=20)
        texts = [low + dt.timedelta(days=int(day)) for day in days]
        return [day.strftime(column.format) if column.format else day.isoformat() for day in texts]
    if column.type in ("text", "open_category"):
        known = reference["inputs"].get(name, {}).get("values") or []
        return [*known[:20], *WORDS, " ".join(WORDS[:4]), "Ünïcode"]
    return _numbers(name, column, reference, random)


def _span(column: Column) -> tuple[dt.date, dt.date]:
    """The days that a date may lie between; 25 years where the contract leaves a side open."""
    low, high = dt.date(2000, 1, 1), dt.date(2025, 1, 1)
    years = (high - low).days
    if isinstance(column.min, dt.date):
        low = column.min
        high = max(high, dt.date.fromordinal(min(low.toordinal() + years, dt.date.max.toordinal())))
    if isinstance(column.max, dt.date):
        high = column.max
        low = low if low <= high else dt.date.fromordinal(max(high.toordinal() - years, 1))
    return low, high


def _numbers(name: str, column: Column, reference: dict[str, Any], random: np.random.Generator) -> list[str]:
    edges = [float(edge) for edge in reference["inputs"].get(name, {}).get("edges") or []]
    low = float(column.min) if isinstance(column.min, (int, float)) else (edges[0] if edges else 0.0)
    high = float(column.max) if isinstance(column.max, (int, float)) else (edges[-1] if edges else 1000.0)
    inner = [edge for edge in edges if low <= edge <= high] or [low, high]
    spots = [float(np.interp(random.random(), np.linspace(0, 1, len(inner)), inner)) for _ in range(20)]
    values = [*spots, *spots, low, high, low - 1.0, high + 1.0]
    if column.type == "integer":
        return [str(round(value)) for value in values]
    return [repr(round(value, 4)) for value in values]
