"""Golden rows: synthetic applications with the answers expected of a bundle, replayed wherever it is loaded.

They are drawn from the contract and the reference alone, so no applicant is among them, and hold edge cases: nothing
given, limits and beyond, unknown categories, broken values.
"""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from creditrisk.contract import Column, Contract
from creditrisk.errors import BundleError
from creditrisk.model.scorer import Answer, Scorer

ROWS = 200
TOLERANCE = 1e-9
"""A PD may differ by this much: mathematical libraries differ by a last bit between machines."""
EXPECTED = ("_pd", "_score", "_decision", "_reasons", "_scored")
WORDS = ("new", "used", "car", "home", "repair", "school", "wedding", "stock", "medical", "travel")


def draw(contract: Contract, reference: dict[str, Any], rows: int = ROWS, seed: int = 0) -> pl.DataFrame:
    """Make raw applications as a CSV would hold them: every column text, null where nothing is given."""
    random = np.random.default_rng(seed)
    columns = {
        raw: _values(contract, name, contract.clean_columns[name], reference, rows, random)
        for name, raw in contract.raw_names.items()
    }
    for row in range(min(3, rows)):  # nothing given at all; then everything given; then everything odd
        for values in columns.values():
            values[row] = (None, values[row], "odd value")[row]
    return pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))


def write(scorer: Scorer, path: Path) -> None:
    """Draw golden rows, score each through the row path and keep rows and answers."""
    raw = draw(scorer.contract, scorer.reference)
    answers = [scorer.score_row(row) for row in raw.iter_rows(named=True)]
    expected = pl.DataFrame(
        {
            "_pd": pl.Series([a.pd for a in answers], dtype=pl.Float64),
            "_score": pl.Series([a.score for a in answers], dtype=pl.Int64),
            "_decision": pl.Series([a.decision for a in answers], dtype=pl.String),
            "_reasons": pl.Series([_reasons(a) for a in answers], dtype=pl.String),
            "_scored": pl.Series([a.pd is not None for a in answers], dtype=pl.Boolean),
        }
    )
    raw.hstack(expected).write_parquet(path)


def replay(scorer: Scorer, path: Path) -> int:
    """Score the golden rows again, one by one and as a table; return how many there are.

    Raises:
        BundleError: naming the first row whose answer is not the expected one.
    """
    golden = pl.read_parquet(path)
    raw, expected = golden.drop(EXPECTED), golden.select(EXPECTED)
    table = scorer.score_frame(raw)
    for number, (row, want) in enumerate(zip(raw.iter_rows(named=True), expected.iter_rows(named=True), strict=True)):
        answer = scorer.score_row(row)
        _compare(number, "alone", (answer.pd, answer.score, answer.decision), want)
        _compare(number, "in a table", table.row(number)[:3], want)
        if _reasons(answer) != want["_reasons"]:
            raise BundleError(
                f"golden row {number}: reasons are {_reasons(answer)}, expected {want['_reasons']}; refused."
            )
    return golden.height


def _compare(number: int, how: str, found: tuple[Any, ...], want: dict[str, Any]) -> None:
    pd, score, decision = found
    same = pd is None if want["_pd"] is None else pd is not None and abs(pd - want["_pd"]) <= TOLERANCE
    if same and score == want["_score"] and decision == want["_decision"]:
        return
    raise BundleError(
        f"golden row {number}, scored {how}: PD {pd}, score {score}, {decision}; expected PD {want['_pd']}, "
        f"score {want['_score']}, {want['_decision']}. It does not do here what it did where it was made; refused."
    )


def _reasons(answer: Answer) -> str:
    return json.dumps([[reason.characteristic, reason.text] for reason in answer.reasons])


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
        low = column.min if isinstance(column.min, dt.date) else dt.date(2000, 1, 1)
        high = column.max if isinstance(column.max, dt.date) else dt.date(2025, 1, 1)
        days = random.integers((high - low).days + 1, size=20)
        texts = [low + dt.timedelta(days=int(day)) for day in days]
        return [day.strftime(column.format) if column.format else day.isoformat() for day in texts]
    if column.type in ("text", "open_category"):
        known = reference["inputs"].get(name, {}).get("values") or []
        return [*known[:20], *WORDS, " ".join(WORDS[:4]), "Ünïcode"]
    return _numbers(name, column, reference, random)


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
