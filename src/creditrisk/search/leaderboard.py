"""The trials of a study as a table, best first: for the MLflow page, a spreadsheet and the terminal."""

from __future__ import annotations

import csv
import html
import io
from collections.abc import Mapping, Sequence
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from creditrisk.search.choice import Standing
from creditrisk.search.study import FAMILY

SHOWN = 30
"""Trials that the page's description lists; the files have them all."""
FIGURES = ("auc", "ks", "brier", "log_loss")


def rows(trials: Sequence[FrozenTrial]) -> list[dict[str, Any]]:
    """One row for each trial that ended with figures; complete ones first, then by log loss."""
    settled = [t for t in trials if t.state in (TrialState.COMPLETE, TrialState.PRUNED) and "summary" in t.user_attrs]
    settled.sort(key=lambda t: (t.state != TrialState.COMPLETE, t.user_attrs["summary"]["log_loss"]))
    return [_row(trial) for trial in settled]


def as_csv(table: Sequence[Mapping[str, Any]]) -> str:
    """The table as CSV, header first."""
    out = io.StringIO()
    writer = csv.DictWriter(out, fieldnames=list(table[0]) if table else ["trial"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(table)
    return out.getvalue()


def as_html(table: Sequence[Mapping[str, Any]], title: str) -> str:
    """The table as a page of its own."""
    heads = ("trial", FAMILY, *FIGURES, "folds", "seconds", "row_us", "megabytes", "setting", "note")
    head = "".join(f"<th>{html.escape(name.replace('_', ' '))}</th>" for name in heads)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(_text(row, name))}</td>" for name in heads) + "</tr>" for row in table
    )
    return (
        f'<!doctype html><meta charset="utf-8"><title>{html.escape(title)}</title><style>'
        "body{font:14px/1.45 system-ui,sans-serif;margin:1.2rem;color:#1f2933}table{border-collapse:collapse}"
        "th,td{padding:.25rem .6rem;border-bottom:1px solid #e3e7eb;text-align:left;vertical-align:top}"
        "th{position:sticky;top:0;background:#fff}td{font-variant-numeric:tabular-nums}"
        f"</style><h1>{html.escape(title)}</h1><table><tr>{head}</tr>{body}</table>"
    )


def as_markdown(
    table: Sequence[Mapping[str, Any]], found: Sequence[Standing], verdict: str, facts: Sequence[tuple[str, str]]
) -> str:
    """What the run's page opens with: the facts, families side by side, and the best trials."""
    lines = [f"**{verdict}**", ""] if verdict else []
    lines += [f"- {name}: {text}" for name, text in facts]
    lines += ["", "| family | AUC of the folds | behind the best |", "|---|---|---|"]
    for one in found:
        behind = f"{one.loss:.4f} ± {one.loss_error:.4f}" if one.loss else "the best"
        lines.append(f"| {one.family} | {one.auc:.4f} ± {one.error:.4f} | {behind} |")
    lines += [
        "",
        "| trial | family | AUC | KS | Brier | log loss | seconds | setting |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in table[:SHOWN]:
        cells = [_text(row, name) for name in ("trial", FAMILY, *FIGURES, "seconds", "setting")]
        lines.append("| " + " | ".join(cells) + " |")
    if len(table) > SHOWN:
        lines.append(f"\n{len(table) - SHOWN} more in leaderboard.html and leaderboard.csv.")
    return "\n".join(lines)


def _row(trial: FrozenTrial) -> dict[str, Any]:
    summary = trial.user_attrs["summary"]
    row: dict[str, Any] = {"trial": trial.number, FAMILY: trial.params[FAMILY]}
    for name in FIGURES:
        row[name], row[f"{name}_sd"] = summary[name], summary[f"{name}_sd"]
    row["folds"] = len(trial.user_attrs["folds"])
    row["seconds"] = sum(fold["fit_seconds"] for fold in trial.user_attrs["folds"])
    row["row_us"] = summary["score_microseconds"]
    row["megabytes"] = summary["model_bytes"] / 1e6
    row["setting"] = ", ".join(f"{name} {_number(value)}" for name, value in trial.user_attrs["setting"].items())
    row["note"] = trial.user_attrs.get("note", "")
    row["run"] = trial.user_attrs.get("run", "")
    return row


def _text(row: Mapping[str, Any], name: str) -> str:
    value = row[name]
    if name in FIGURES:
        return f"{value:.4f} ± {row[f'{name}_sd']:.4f}"
    if isinstance(value, float):
        return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
    return str(value)


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
