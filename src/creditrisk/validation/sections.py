"""The sections of the validation report: each a function from the context to HTML, empty where there is nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from creditrisk.params import FAMILIES
from creditrisk.validation.fairness import FOUR_FIFTHS, Impact, smallest_ratio
from creditrisk.validation.html import Html, facts, image, join, page, table, tag
from creditrisk.validation.metrics import Figure
from creditrisk.validation.stability import reading

if TYPE_CHECKING:
    from creditrisk.validation.report import ReportContext

Section = tuple[str, str, Callable[["ReportContext"], Html]]
SHOWN_GROUPS = 20
EMPTY = Html("")


def render(context: ReportContext) -> str:
    """The whole page as text."""
    made = [(key, title, build(context)) for key, title, build in SECTIONS]
    there = [(key, title, body) for key, title, body in made if body]
    links = tag("nav", join(tag("a", title, href=f"#{key}") for key, title, _ in there))
    name = " · ".join(part for part in (context.portfolio, context.made) if part)
    head = tag(
        "header",
        tag("p", "Model validation report", class_="note"),
        tag("h1", context.title),
        tag("p", name, class_="lead"),
        links,
    )
    body = [tag("section", tag("h2", title), content, id=key) for key, title, content in there]
    foot = tag(
        "footer", "Intervals are of the level stated beside them. Rates and means are weighted where rows have weights."
    )
    return page(f"{context.title}: model validation", join([head, tag("main", join(body)), foot]))


def _summary(context: ReportContext) -> Html:
    e = context.evaluation
    tiles = [
        (_number(e.auc.value), "AUC", _interval(e.auc)),
        (_number(e.ks.value), "KS", _interval(e.ks)),
        (_number(e.gini.value), "Gini", _interval(e.gini)),
        (_number(e.brier.value, 4), "Brier score", _interval(e.brier, 4)),
        (_percent(e.bad_rate), "bad rate", f"{e.bads:,} of {e.rows:,} test rows"),
        (_percent(e.mean_pd), "mean PD", f"{_plain(f'{100 * (e.mean_pd - e.bad_rate):+.1f}')} points to the bad rate"),
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
    ratio = smallest_ratio(context.fairness)
    if ratio is not None:
        low = ratio < FOUR_FIFTHS
        yield tag(
            "span",
            f"Smallest adverse impact ratio {ratio:.2f}, {'below' if low else 'not below'} four fifths.",
            **_alarm(low),
        )
    if context.comparison is not None:
        c = context.comparison
        verdict = "better than" if c.better else "not shown to be better than"
        yield f"AUC against the champion on the same rows: {_signed(c.auc_difference)}; it is {verdict} the champion."


def _verdict(figure: Figure, right: float, name: str, fits: str, off: str) -> Html:
    if not math.isfinite(figure.value):
        return tag(
            "span",
            f"{name}: no finite value, since PDs and outcomes are parted without error or all alike.",
            **_alarm(on=True),
        )
    holds = figure.low <= right <= figure.high
    words = f"{name} {_number(figure.value, 2)} ({_interval(figure, 2)}): {fits if holds else off}."
    return tag("span", words, **_alarm(not holds))


def _data(context: ReportContext) -> Html:
    data = context.data
    if data is None:
        return facts([("Source", context.source), ("Licence", context.licence)]) if context.source else EMPTY
    counts = [("Rows read", f"{data.rows_read:,}")]
    quarantined = data.rows_quarantined / max(data.rows_read, 1)
    counts.append(("Rows in quarantine", f"{data.rows_quarantined:,} ({_percent(quarantined, 2)})"))
    counts += [(name, f"{count:,}") for name, count in data.other_counts.items()]
    digests = [(f"SHA-256, {name}", tag("span", value, class_="code")) for name, value in data.digests.items()]
    period = any(part.first for part in data.parts)
    head = ["Part", "Rows", "Bad rate", *(["From", "To"] if period else []), "Use"]
    rows = [
        [
            p.name,
            f"{p.rows:,}",
            _percent(p.bad_rate),
            *([p.first, p.last] if period else []),
            "used" if p.used else "left out",
        ]
        for p in data.parts
    ]
    return join(
        [
            facts([("Source", context.source), ("Licence", context.licence), *counts, *digests]),
            table(head, rows, (1, 2)) if rows else EMPTY,
            _list(data.notes),
        ]
    )


def _model(context: ReportContext) -> Html:
    model = context.model
    if model is None:
        return EMPTY
    others = set(FAMILIES) - {model.family}
    settings = _flat({name: value for name, value in model.settings.items() if name not in others})
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
            join([tag("h3", "Restrictions"), _list(model.restrictions)]) if model.restrictions else EMPTY,
            _leaderboard(model.leaderboard),
            table(["Setting", "Value"], settings.items(), caption="Settings as settled") if settings else EMPTY,
        ]
    )


def _leaderboard(candidates: Any) -> Html:
    if not candidates:
        return EMPTY
    head = ["Family", "Setting", "Folds", "AUC (standard error)", "Log loss (standard error)", "Seconds", "Verdict"]
    rows = [
        [
            str(candidate.get("family", "")),
            ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in candidate.get("setting", {}).items()),
            str(candidate.get("folds", "")),
            _with_error(candidate, "auc"),
            _with_error(candidate, "log_loss"),
            str(candidate.get("seconds", "")),
            "; ".join(filter(None, ("chosen" if candidate.get("chosen") else "", candidate.get("note", "")))),
        ]
        for candidate in candidates
    ]
    return join([tag("h3", "Candidates on inner folds of the training rows"), table(head, rows, [2, 3, 4, 5])])


def _with_error(candidate: dict[str, Any], name: str) -> str:
    value, error = candidate.get(name), candidate.get(f"{name}_se")
    if value is None:
        return ""
    return f"{value:.4f}" if error is None else f"{value:.4f} ({error:.4f})"


def _figures(context: ReportContext) -> Html:
    e = context.evaluation
    rows = [
        ("AUC", e.auc, 4, "Chance that a bad is ranked riskier than a good. Interval: DeLong."),
        ("Gini", e.gini, 4, "2 AUC − 1."),
        (
            "KS",
            e.ks,
            4,
            f"Largest distance of the shares of bads and goods flagged. Interval: {e.bootstrap} bootstrap samples.",
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
    body = [(n, _number(f.value, d), _number(f.low, d), _number(f.high, d), note) for n, f, d, note in rows]
    if context.oracle_auc is not None:
        body.insert(
            1, ("AUC of the true PD", _number(context.oracle_auc, 4), "–", "–", "The best any model could reach.")
        )
    return table(
        ["Figure", "Value", "Low", "High", "What it says"], body, (1, 2, 3), f"{100 * e.confidence:g} % intervals"
    )


def _pictures(context: ReportContext) -> Html:
    made = [
        tag("figure", tag("h3", p.title), image(p.svg(), f"{p.title}. {p.caption}"), tag("figcaption", p.caption))
        for p in context.pictures
    ]
    return tag("div", join(made), class_="pictures") if made else EMPTY


def _deciles(context: ReportContext) -> Html:
    head = ["Decile", "Rows", "Bads", "Bad rate", "Mean PD", "Lowest PD", "Highest PD", "Bads caught so far", "Lift"]
    rows = [
        [
            *(d.decile, f"{d.rows:,}", f"{d.bads:,.6g}"),
            *map(_percent, (d.bad_rate, d.mean_pd, d.lowest_pd, d.highest_pd, d.cumulative_bads)),
            f"{d.lift:.2f}",
        ]
        for d in context.evaluation.deciles
    ]
    return table(head, rows, range(1, 9), "1 is the riskiest tenth; rows of equal PD stay together")


def _calibration(context: ReportContext) -> Html:
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
        rows = [[f"{b.rows:,}", *map(_percent, (b.mean_pd, b.bad_rate, b.low, b.high))] for b in check.bins]
        tests = [[t.name, _number(t.statistic, 2), _p_value(t.p_value)] for t in check.tests]
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


def _influences(context: ReportContext) -> Html:
    if not context.influences:
        return EMPTY
    most = max(max(i.mean_absolute for i in context.influences), 1e-300)
    rows = [
        [
            i.title,
            tag("span", i.name, class_="code"),
            i.monotone or "free",
            f"{i.mean_absolute:.4f}",
            _percent(i.share),
            tag("span", class_="bar", style=f"width:{8 * i.mean_absolute / most:.2f}rem"),
        ]
        for i in context.influences
    ]
    head = ["Characteristic", "Name", "Direction of risk", "Mean absolute contribution", "Share", ""]
    return table(head, rows, (3, 4), "Contributions to the log-odds of bad on the test rows, against the training mean")


def _policy(context: ReportContext) -> Html:
    made = []
    if context.policy is not None:
        p = context.policy
        made.append(
            facts(
                [
                    ("Approve", f"PD below {_percent(p.approve_below, 2)}"),
                    (
                        "Refer to a person",
                        f"PD from {_percent(p.approve_below, 2)} to below {_percent(p.decline_from, 2)}",
                    ),
                    ("Decline", f"PD of {_percent(p.decline_from, 2)} and above"),
                    (
                        "Score",
                        f"{p.base_score:g} points at odds of {p.base_odds:g} to 1, {p.pdo:g} more as the odds double",
                    ),
                ]
            )
        )
    if context.bands:
        rows = [
            [b.decision, f"{b.rows:,}", *map(_percent, (b.share, b.bad_rate, b.mean_pd, b.share_of_bads))]
            for b in context.bands
        ]
        head = ["Decision", "Rows", "Share", "Bad rate", "Mean PD", "Share of all bads"]
        made.append(table(head, rows, range(1, 6), "What the policy would have done with the test rows"))
    return join(made)


def _fairness(context: ReportContext) -> Html:
    if not context.fairness:
        return EMPTY
    said = (
        "Approval rate of each group over that of the group approved most often. A ratio below four fifths is the "
        "usual sign to look closer; it is no proof of unfair treatment, nor is a higher one proof of fair treatment."
    )
    return join([tag("p", said), *(_impact(impact) for impact in context.fairness)])


def _impact(impact: Impact) -> Html:
    rows = [
        [
            g.name,
            f"{g.rows:,}",
            _percent(g.approved),
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
    return tag("span", f"{value:.2f}", **_alarm(mark and value < FOUR_FIFTHS))


def _stability(context: ReportContext) -> Html:
    if context.stability is None:
        return EMPTY
    ordered = sorted(context.stability.items(), key=lambda item: -item[1])
    rows = [
        [name, f"{value:.3f}", tag("span", reading(value), **_alarm(reading(value) == "changed"))]
        for name, value in ordered
    ]
    return table(["What", "PSI", "Reading"], rows, (1,), "Training rows against test rows on bins frozen in training")


def _cleaning(context: ReportContext) -> Html:
    if context.cleaning is None:
        return EMPTY
    if not context.cleaning:
        return tag("p", "No rule of cleaning had to act on any row.")
    rows = [[r.column, r.rule, r.effect or "–", f"{r.rows:,}"] for r in sorted(context.cleaning, key=lambda r: -r.rows)]
    return table(["Column", "Rule", "Effect", "Rows"], rows, (3,))


def _not_checked(context: ReportContext) -> Html:
    return _list(context.not_checked)


SECTIONS: tuple[Section, ...] = (
    ("summary", "In short", _summary),
    ("data", "Data", _data),
    ("model", "Model", _model),
    ("figures", "Figures", _figures),
    ("pictures", "Pictures", _pictures),
    ("deciles", "Deciles", _deciles),
    ("calibration", "Calibration", _calibration),
    ("characteristics", "Characteristics", _influences),
    ("policy", "Policy", _policy),
    ("fairness", "Adverse impact", _fairness),
    ("stability", "Stability", _stability),
    ("cleaning", "Cleaning", _cleaning),
    ("not-checked", "What was not checked", _not_checked),
)


def _list(sentences: Any) -> Html:
    return tag("ul", join(tag("li", sentence) for sentence in sentences)) if sentences else EMPTY


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in settings.items():
        name = f"{prefix}{key}"
        found |= _flat(value, f"{name}.") if isinstance(value, Mapping) else {name: _value(value)}
    return found


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {v}" for k, v in _flat(value).items())
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_value, value)) or "none"
    return "–" if value is None else str(value)


def _number(value: float, digits: int = 3) -> str:
    return _plain(f"{value:.{digits}f}") if math.isfinite(value) else "–"


def _plain(number: str) -> str:
    """Without the sign of a zero."""
    return number.lstrip("+-") if float(number) == 0 else number


def _percent(value: float | None, digits: int = 1) -> str:
    if value is None or not math.isfinite(value):
        return "–"
    return f"{100 * value:.{digits}f} %"


def _interval(figure: Figure, digits: int = 3) -> str:
    return f"{_number(figure.low, digits)} to {_number(figure.high, digits)}"


def _signed(figure: Figure) -> str:
    return f"{figure.value:+.4f} ({figure.low:+.4f} to {figure.high:+.4f})"


def _p_value(value: float) -> str:
    return "below 0.001" if value < 0.001 else f"{value:.3f}"


def _alarm(on: bool) -> dict[str, str]:
    return {"class_": "alarm"} if on else {}
