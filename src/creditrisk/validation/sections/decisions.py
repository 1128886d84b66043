"""The sections on what follows from the PDs: decisions by the policy, and who is approved how often."""

from __future__ import annotations

from typing import TYPE_CHECKING

from creditrisk.validation.fairness import FOUR_FIFTHS, Impact
from creditrisk.validation.html import Html, facts, join, table, tag
from creditrisk.validation.sections.wording import (
    EMPTY,
    alarm,
    percent,
)

if TYPE_CHECKING:
    from creditrisk.validation.report import ReportContext

SHOWN_GROUPS = 20
"""Groups with too few rows that are named."""


def policy(context: ReportContext) -> Html:
    """Cut-offs, and what they would have done with the test rows."""
    made = []
    if context.policy is not None:
        p = context.policy
        made.append(
            facts(
                [
                    ("Approve", f"PD below {percent(p.approve_below, 2)}"),
                    (
                        "Refer to a person",
                        f"PD from {percent(p.approve_below, 2)} to below {percent(p.decline_from, 2)}",
                    ),
                    ("Decline", f"PD of {percent(p.decline_from, 2)} and above"),
                    (
                        "Score",
                        f"{p.base_score:g} points at odds of {p.base_odds:g} to 1, {p.pdo:g} more as the odds double",
                    ),
                ]
            )
        )
    if context.bands:
        rows = [
            [b.decision, f"{b.rows:,}", *map(percent, (b.share, b.bad_rate, b.mean_pd, b.share_of_bads))]
            for b in context.bands
        ]
        head = ["Decision", "Rows", "Share", "Bad rate", "Mean PD", "Share of all bads"]
        made.append(table(head, rows, range(1, 6), "What the policy would have done with the test rows"))
    return join(made)


def fairness(context: ReportContext) -> Html:
    """Adverse impact ratios by group."""
    if not context.fairness:
        return EMPTY
    said = (
        "Approval rate of each group over that of the group approved most often. A ratio below four fifths is the "
        "usual sign to look closer; it is no proof of unfair treatment, nor is a higher one proof of fair treatment. "
        "Where its interval reaches four fifths, chance alone may have brought it there."
    )
    return join([tag("p", said), *(_impact(impact) for impact in context.fairness)])


def _impact(impact: Impact) -> Html:
    rows = [
        [
            g.name,
            f"{g.rows:,}",
            percent(g.approved),
            _ratio(g.ratio),
            _ratio(g.low, mark=False),
            _ratio(g.high, mark=False),
        ]
        for g in impact.groups
        if g.name not in impact.left_out
    ]
    left = list(impact.left_out)
    names = ", ".join(left[:SHOWN_GROUPS]) + (
        f" and {len(left) - SHOWN_GROUPS} more" if len(left) > SHOWN_GROUPS else ""
    )
    return join(
        [
            tag("h3", impact.attribute.replace("_", " ")),
            table(["Group", "Rows", "Approved", "Ratio", "Low", "High"], rows, range(1, 6)) if rows else EMPTY,
            tag("p", f"Too few rows to judge: {names}.", class_="note") if left else EMPTY,
        ]
    )


def _ratio(value: float | None, mark: bool = True) -> Html | str:
    if value is None:
        return "–"
    return tag("span", f"{value:.2f}", **alarm(mark and value < FOUR_FIFTHS))
