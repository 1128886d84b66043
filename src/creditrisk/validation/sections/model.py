"""The sections on the model: what it is, the candidates, and what each characteristic adds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from creditrisk.params import FAMILIES
from creditrisk.validation.html import Html, facts, join, table, tag
from creditrisk.validation.sections.wording import (
    EMPTY,
    flat,
    listed,
    percent,
)

if TYPE_CHECKING:
    from creditrisk.validation.report import ReportContext


def model(context: ReportContext) -> Html:
    """Family, restrictions, candidates and settings."""
    model = context.model
    if model is None:
        return EMPTY
    others = set(FAMILIES) - {model.family}
    settings = flat({name: value for name, value in model.settings.items() if name not in others})
    return join(
        [
            facts(
                [
                    ("Family", model.family),
                    ("Inputs", f"{model.inputs:,}"),
                    ("Version", model.version),
                    ("Bundle", tag("span", model.bundle, class_="code") if model.bundle else ""),
                ]
            ),
            join([tag("h3", "Restrictions"), listed(model.restrictions)]) if model.restrictions else EMPTY,
            _leaderboard(model.leaderboard),
            table(["Setting", "Value"], settings.items(), caption="Settings as settled") if settings else EMPTY,
        ]
    )


def _leaderboard(candidates: Any) -> Html:
    if not candidates:
        return EMPTY
    head = ["Family", "Setting", "Folds", "AUC (standard error)", "Log loss (standard error)", "Verdict"]
    rows = [
        [
            str(candidate.get("family", "")),
            ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in candidate.get("setting", {}).items()),
            str(candidate.get("folds", "")),
            _with_error(candidate, "auc"),
            _with_error(candidate, "log_loss"),
            "; ".join(filter(None, ("chosen" if candidate.get("chosen") else "", candidate.get("note", "")))),
        ]
        for candidate in candidates
    ]
    return join([tag("h3", "Candidates on inner folds of the training rows"), table(head, rows, [2, 3, 4])])


def _with_error(candidate: dict[str, Any], name: str) -> str:
    value, error = candidate.get(name), candidate.get(f"{name}_se")
    if value is None:
        return ""
    return f"{value:.4f}" if error is None else f"{value:.4f} ({error:.4f})"


def influences(context: ReportContext) -> Html:
    """Mean absolute contributions."""
    if not context.influences:
        return EMPTY
    most = max(max(i.mean_absolute for i in context.influences), 1e-300)
    rows = [
        [
            i.title,
            tag("span", i.name, class_="code"),
            i.monotone or "free",
            f"{i.mean_absolute:.4f}",
            percent(i.share),
            tag("span", class_="bar", style=f"width:{8 * i.mean_absolute / most:.2f}rem"),
        ]
        for i in context.influences
    ]
    head = ["Characteristic", "Name", "Direction of risk", "Mean absolute contribution", "Share", ""]
    return table(head, rows, (3, 4), "Contributions to the log-odds of bad on the test rows, against the training mean")
