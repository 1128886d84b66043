"""The sections on how well it ranks and fits: figures, pictures, deciles, calibration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from creditrisk.validation.html import Html, facts, image, join, table, tag
from creditrisk.validation.sections.wording import (
    EMPTY,
    number,
    p_value,
    percent,
)

if TYPE_CHECKING:
    from creditrisk.validation.report import ReportContext


def figures(context: ReportContext) -> Html:
    """Every figure with its interval and what it says."""
    e = context.evaluation
    rows = [
        ("AUC", e.auc, 4, "Chance that a bad is ranked riskier than a good. Interval: DeLong."),
        ("Gini", e.gini, 4, "2 AUC − 1."),
        (
            "KS",
            e.ks,
            4,
            f"Largest distance of the shares of bads and goods flagged. Interval: Newcombe, less the bias that "
            f"{e.bootstrap} bootstrap samples show.",
        ),
        ("Average precision", e.average_precision, 4, "Area under precision and recall. Interval: bootstrap."),
        ("Brier score", e.brier, 4, "Mean squared difference of PD and outcome; smaller is better."),
        ("Brier ratio", e.brier_ratio, 4, "To that of the constant bad rate; below 1 is better than knowing nothing."),
        ("Log loss", e.log_loss, 4, "Mean negative log-likelihood; smaller is better."),
        ("Calibration slope", e.calibration_slope, 3, "1 is right; below 1 the PDs lie too far apart."),
        ("Calibration intercept", e.calibration_intercept, 3, "Of the same regression; 0 is right."),
        (
            "Calibration in the large",
            e.calibration_in_the_large,
            3,
            "Log-odds to add to every PD; above 0 they are too low.",
        ),
    ]
    body = [(n, number(f.value, d), number(f.low, d), number(f.high, d), note) for n, f, d, note in rows]
    if context.oracle_auc is not None:
        body.insert(
            1, ("AUC of the true PD", number(context.oracle_auc, 4), "–", "–", "The best any model could reach.")
        )
    return table(
        ["Figure", "Value", "Low", "High", "What it says"], body, (1, 2, 3), f"{100 * e.confidence:g} % intervals"
    )


def pictures(context: ReportContext) -> Html:
    """The curves."""
    made = [
        tag("figure", tag("h3", p.title), image(p.svg(), f"{p.title}. {p.caption}"), tag("figcaption", p.caption))
        for p in context.pictures
    ]
    return tag("div", join(made), class_="pictures") if made else EMPTY


def deciles(context: ReportContext) -> Html:
    """The gains table."""
    head = ["Decile", "Rows", "Bads", "Bad rate", "Mean PD", "Lowest PD", "Highest PD", "Bads caught so far", "Lift"]
    rows = [
        [
            *(d.decile, f"{d.rows:,}", f"{d.bads:,.6g}"),
            *map(percent, (d.bad_rate, d.mean_pd, d.lowest_pd, d.highest_pd, d.cumulative_bads)),
            f"{d.lift:.2f}",
        ]
        for d in context.evaluation.deciles
    ]
    return table(head, rows, range(1, 9), "1 is the riskiest tenth; rows of equal PD stay together")


def calibration(context: ReportContext) -> Html:
    """Decomposition of the Brier score, bins and tests."""
    m = context.evaluation.murphy
    parts = [
        ("Reliability", f"{m.reliability:.5f}", "Squared misfit of PD and bad rate in the bins; smaller is better."),
        ("Resolution", f"{m.resolution:.5f}", "How far the bins' bad rates lie apart; larger is better."),
        ("Uncertainty", f"{m.uncertainty:.5f}", "Of the outcome itself; not the model's doing."),
        ("Within bins", f"{m.within:.5f}", "What the binning leaves."),
    ]
    caption = f"Brier score = reliability − resolution + uncertainty + within, {m.bins} bins of about equal rows"
    made = [_calibrator(context.calibrator), table(["Part", "Value", "What it says"], parts, (1,), caption)]
    check = context.calibration
    if check is not None:
        rows = [[f"{b.rows:,}", *map(percent, (b.mean_pd, b.bad_rate, b.low, b.high))] for b in check.bins]
        tests = [[t.name, number(t.statistic, 2), p_value(t.p_value)] for t in check.tests]
        mean, most = f"{100 * check.error:.2f}", f"{100 * check.largest_error:.2f}"
        error = f"PD and bad rate differ by {mean} percentage points on average, by {most} at most."
        made += [
            table(
                ["Rows", "Mean PD", "Bad rate", "Low", "High"], rows, range(5), "Bins from the safest; Wilson intervals"
            ),
            tag("p", error),
            table(["Test", "Statistic", "p value"], tests, (1, 2), "Small p values speak against the PDs"),
            tag(
                "p",
                "With many rows a test rejects for differences that do not matter; read it beside the curve.",
                class_="note",
            ),
        ]
    return join(made)


def _calibrator(value: Mapping[str, Any] | None) -> Html:
    if value is None:
        return EMPTY
    names = {"platt": "Platt's: a straight line", "beta": "beta calibration", "isotonic": "isotonic, straight pieces"}
    numbers = [(k, f"{v:.4f}") for k, v in value.items() if isinstance(v, float) and k != "tail"]
    knots = [("Knots", str(len(value["margins"])))] if "margins" in value else []
    return facts([("Calibrator", names.get(str(value.get("method")), str(value.get("method")))), *numbers, *knots])
