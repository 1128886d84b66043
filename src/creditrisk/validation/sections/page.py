"""The page of the validation report: the sections that hold anything, in order."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from creditrisk.validation.html import Html, join, page, tag
from creditrisk.validation.sections.data import cleaning, data, stability
from creditrisk.validation.sections.decisions import fairness, policy
from creditrisk.validation.sections.figures import calibration, deciles, figures, pictures
from creditrisk.validation.sections.model import influences, model
from creditrisk.validation.sections.summary import summary
from creditrisk.validation.sections.wording import listed

if TYPE_CHECKING:
    from creditrisk.validation.report import ReportContext

SECTIONS: tuple[tuple[str, str, Callable[[ReportContext], Html]], ...] = (
    ("summary", "In short", summary),
    ("data", "Data", data),
    ("model", "Model", model),
    ("figures", "Figures", figures),
    ("pictures", "Pictures", pictures),
    ("deciles", "Deciles", deciles),
    ("calibration", "Calibration", calibration),
    ("characteristics", "Characteristics", influences),
    ("policy", "Policy", policy),
    ("fairness", "Adverse impact", fairness),
    ("stability", "Stability", stability),
    ("cleaning", "Cleaning", cleaning),
    ("not-checked", "What was not checked", lambda context: listed(context.not_checked)),
)
"""Key, title, and what it holds: empty where there is nothing."""


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
