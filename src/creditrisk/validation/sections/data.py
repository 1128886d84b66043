"""The sections on data: where rows came from, what cleaning did, what moved since training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from creditrisk.validation.html import Html, facts, join, table, tag
from creditrisk.validation.sections.wording import (
    EMPTY,
    alarm,
    listed,
    percent,
)
from creditrisk.validation.stability import reading

if TYPE_CHECKING:
    from creditrisk.validation.report import ReportContext


def data(context: ReportContext) -> Html:
    """Source, counts, digests and parts."""
    data = context.data
    if data is None:
        return facts([("Source", context.source), ("Licence", context.licence)]) if context.source else EMPTY
    counts = [("Rows read", f"{data.rows_read:,}")]
    quarantined = data.rows_quarantined / max(data.rows_read, 1)
    counts.append(("Rows in quarantine", f"{data.rows_quarantined:,} ({percent(quarantined, 2)})"))
    counts += [(name, f"{count:,}") for name, count in data.other_counts.items()]
    digests = [(f"SHA-256, {name}", tag("span", value, class_="code")) for name, value in data.digests.items()]
    period = any(part.first for part in data.parts)
    head = ["Part", "Rows", "Bad rate", *(["From", "To"] if period else []), "Use"]
    rows = [
        [
            p.name,
            f"{p.rows:,}",
            percent(p.bad_rate),
            *([p.first, p.last] if period else []),
            "used" if p.used else "left out",
        ]
        for p in data.parts
    ]
    return join(
        [
            facts([("Source", context.source), ("Licence", context.licence), *counts, *digests]),
            table(head, rows, (1, 2)) if rows else EMPTY,
            listed(data.notes),
        ]
    )


def cleaning(context: ReportContext) -> Html:
    """What each rule did."""
    if context.cleaning is None:
        return EMPTY
    if not context.cleaning:
        return tag("p", "No rule of cleaning had to act on any row.")
    rows = [[r.column, r.rule, r.effect or "–", f"{r.rows:,}"] for r in sorted(context.cleaning, key=lambda r: -r.rows)]
    return table(["Column", "Rule", "Effect", "Rows"], rows, (3,))


def stability(context: ReportContext) -> Html:
    """PSI on the training bins."""
    if context.stability is None:
        return EMPTY
    ordered = sorted(context.stability.items(), key=lambda item: -item[1])
    rows = [
        [name, f"{value:.3f}", tag("span", reading(value), **alarm(reading(value) == "changed"))]
        for name, value in ordered
    ]
    return table(["What", "PSI", "Reading"], rows, (1,), "Training rows against test rows on bins frozen in training")
