"""What the report says first: the figures as tiles, and sentences."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from creditrisk.validation.fairness import FOUR_FIFTHS, lowest
from creditrisk.validation.figure import Figure
from creditrisk.validation.html import Html, join, tag
from creditrisk.validation.sections.wording import (
    EMPTY,
    alarm,
    interval,
    number,
    percent,
    plain,
    signed,
)

if TYPE_CHECKING:
    from creditrisk.validation.report import ReportContext


def summary(context: ReportContext) -> Html:
    """Tiles and sentences."""
    e = context.evaluation
    tiles = [
        (number(e.auc.value), "AUC", interval(e.auc)),
        (number(e.ks.value), "KS", interval(e.ks)),
        (number(e.gini.value), "Gini", interval(e.gini)),
        (number(e.brier.value, 4), "Brier score", interval(e.brier, 4)),
        (percent(e.bad_rate), "bad rate", f"{e.bads:,} of {e.rows:,} test rows"),
        (percent(e.mean_pd), "mean PD", f"{plain(f'{100 * (e.mean_pd - e.bad_rate):+.1f}')} points to the bad rate"),
    ]
    shown = tag(
        "div", join(tag("div", tag("b", v), n, tag("span", s), class_="tile") for v, n, s in tiles), class_="tiles"
    )
    said = tag("ul", join(tag("li", sentence) for sentence in _sentences(context)))
    return join([tag("p", context.description) if context.description else EMPTY, shown, said])


def _sentences(context: ReportContext) -> Iterator[Html | str]:
    e = context.evaluation
    level = f"{100 * e.confidence:g} %"
    yield f"All figures are of {e.rows:,} rows that the model neither trained nor calibrated on; intervals are {level}."
    if e.customers is not None:
        yield f"These {e.rows:,} rows are of {e.customers:,} customers: intervals count customers, not rows."
    if context.oracle_auc is not None:
        yield (
            f"No model can rank these rows better than an AUC of {context.oracle_auc:.3f}, that of the true PD; "
            f"this one reaches {e.auc.value:.3f}."
        )
    if context.train_auc is not None:
        apart = context.train_auc - e.auc.value
        yield f"On its training rows the AUC is {context.train_auc:.3f}, {apart:+.3f} to the test rows."
    yield _verdict(
        e.calibration_slope,
        1.0,
        "Calibration slope",
        "PDs are spread as they should be",
        "PDs are spread too far or too little",
    )
    yield _verdict(
        e.calibration_in_the_large,
        0.0,
        "Calibration in the large",
        "the level of the PDs fits",
        "the level of the PDs is off",
    )
    yield from _impact(context)
    if context.comparison is not None:
        c = context.comparison
        verdict = "better than" if c.better else "not shown to be better than"
        yield f"AUC against the champion on the same rows: {signed(c.auc_difference)}; it is {verdict} the champion."


def _impact(context: ReportContext) -> Iterator[Html]:
    """The smallest ratio with its group; whether its interval reaches four fifths tells noise from a finding."""
    found = lowest(context.fairness)
    if found is None or found[1].ratio is None:
        return
    attribute, group = found
    ratio, low = found[1].ratio, found[1].ratio < FOUR_FIFTHS
    ends = "" if group.low is None or group.high is None else f" ({group.low:.2f} to {group.high:.2f})"
    sure = low and group.high is not None and group.high < FOUR_FIFTHS
    chance = " beyond chance" if sure else ", within chance" if low else ""
    words = f"{'below' if low else 'not below'} four fifths{chance}"
    yield tag(
        "span",
        f"Smallest adverse impact ratio {ratio:.2f}{ends}, of {group.name} ({attribute.replace('_', ' ')}): {words}.",
        **alarm(low),
    )


def _verdict(figure: Figure, right: float, name: str, fits: str, off: str) -> Html:
    if not math.isfinite(figure.value):
        return tag(
            "span",
            f"{name}: no finite value, since PDs and outcomes are parted without error or all alike.",
            **alarm(on=True),
        )
    holds = figure.low <= right <= figure.high
    words = f"{name} {number(figure.value, 2)} ({interval(figure, 2)}): {fits if holds else off}."
    return tag("span", words, **alarm(not holds))
