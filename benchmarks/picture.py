"""The readme's pictures, from what the last run and the last search of the simulated portfolio left behind.

uv run main.py run --portfolio simulated && uv run python benchmarks/picture.py
uv run main.py experiment --portfolio simulated && uv run python benchmarks/picture.py --search
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import polars as pl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from creditrisk.model.scorer import Answer, Scorer
from creditrisk.paths import Project

DOCS = Path(__file__).resolve().parents[1] / "docs"
OUT, SEARCH = DOCS / "result.png", DOCS / "search.png"
PANELS = ("families.png", "history.png", "importance.png", "quality_and_cost.png")
BLUE, RED, GREY = "#1f5fa8", "#c2452d", "#8a94a0"


def main() -> None:
    """Draw four panels and save them."""
    project = Project.find()
    artifacts = project.artifacts("simulated")
    plots = {path.stem: json.loads(path.read_text()) for path in (artifacts / "plots").glob("*.json")}
    metrics = json.loads((artifacts / "metrics.json").read_text())
    scorer = Scorer.load(artifacts / "bundle")
    answer = declined(scorer, pl.read_parquet(project.tables("simulated") / "raw" / "raw.parquet"))
    figure = Figure(figsize=(11, 7.2), layout="constrained")
    FigureCanvasAgg(figure)
    (roc, calibration), (scores, reasons) = figure.subplots(2, 2)
    draw_roc(roc, plots["roc"], metrics)
    draw_calibration(calibration, plots["calibration"])
    draw_scores(scores, plots["score_distribution"])
    draw_reasons(reasons, answer)
    for axes in (roc, calibration, scores, reasons):
        axes.spines[["top", "right"]].set_visible(False)
    OUT.parent.mkdir(exist_ok=True)
    figure.savefig(OUT, dpi=110)
    print(OUT.name)


def search() -> None:
    """Put the pictures of the last search of the simulated portfolio side by side."""
    from matplotlib.image import imread

    from creditrisk.params import Params
    from creditrisk.search.journal import STUDY
    from creditrisk.tracking.experiments import experiment_id
    from creditrisk.tracking.store import connected

    project = Project.find()
    figure = Figure(figsize=(12, 8.4), layout="constrained")
    FigureCanvasAgg(figure)
    with connected(project) as client, tempfile.TemporaryDirectory() as folder:
        wanted = f"tags.`{STUDY}` LIKE 'simulated-%'"
        (run,) = client.search_runs([experiment_id(client, project, Params())], wanted, max_results=1)
        for axes, name in zip(figure.subplots(2, 2).flat, PANELS, strict=True):
            axes.imshow(imread(client.download_artifacts(run.info.run_id, name, folder)))
            axes.axis("off")
    figure.savefig(SEARCH, dpi=110)
    print(SEARCH.name)


def declined(scorer: Scorer, raw: pl.DataFrame) -> Answer:
    """The first application of the table that is declined for four reasons."""
    answers = (scorer.score_row(row) for row in raw.iter_rows(named=True))
    return next(a for a in answers if a.decision == "decline" and len(a.reasons) == 4)


def draw_roc(axes: Any, points: list[dict[str, float]], metrics: dict[str, Any]) -> None:
    """ROC curve of the test rows."""
    axes.plot([p["false_positive_rate"] for p in points], [p["true_positive_rate"] for p in points], color=BLUE, lw=2)
    axes.plot([0, 1], [0, 1], color=GREY, lw=1, ls=":")
    auc = metrics["auc"]
    axes.set(title="Out-of-time test rows", xlabel="share of goods flagged", ylabel="share of bads flagged")
    best = f"the true PD itself: {metrics['oracle_auc']:.3f}"
    text = f"AUC {auc['value']:.3f}  [{auc['low']:.3f}, {auc['high']:.3f}]\n{best}"
    axes.text(0.97, 0.05, text, ha="right", transform=axes.transAxes)


def draw_calibration(axes: Any, points: list[dict[str, float]]) -> None:
    """Mean PD against bad rate, with intervals."""
    x, y = [p["mean_pd"] for p in points], [p["bad_rate"] for p in points]
    low = [b - p["low"] for b, p in zip(y, points, strict=True)]
    high = [p["high"] - b for b, p in zip(y, points, strict=True)]
    axes.errorbar(x, y, yerr=[low, high], fmt="o", color=BLUE, ms=5, lw=1.2, capsize=2)
    top = max(*x, *(p["high"] for p in points)) * 1.05
    axes.plot([0, top], [0, top], color=GREY, lw=1, ls=":")
    axes.set(title="Calibration, 95 % intervals", xlabel="mean PD", ylabel="bad rate", xlim=(0, None), ylim=(0, None))


def draw_scores(axes: Any, points: list[dict[str, float]]) -> None:
    """Scores of goods and bads."""
    x, width = [p["score"] for p in points], points[0]["to"] - points[0]["from"]
    for key, colour, name in (("share_of_goods", BLUE, "repaid"), ("share_of_bads", RED, "defaulted")):
        axes.bar(x, [p[key] for p in points], width=width, color=colour, alpha=0.55, label=name)
    axes.set(title="Scores by outcome", xlabel="points", ylabel="share")
    top = max(max(p["share_of_goods"], p["share_of_bads"]) for p in points)
    axes.set_ylim(0, 1.2 * top)
    axes.legend(frameon=False, ncol=2, loc="upper center")


def draw_reasons(axes: Any, answer: Answer) -> None:
    """What one applicant is told."""
    found = list(reversed(answer.reasons))
    axes.barh(range(len(found)), [reason.contribution for reason in found], color=RED, alpha=0.75, height=0.35)
    for place, reason in enumerate(found):
        axes.text(0, place + 0.24, reason.text, va="bottom", fontsize=9.5)
    axes.set(yticks=[], xlabel="log-odds added to the average applicant's", ylim=(-0.5, len(found) - 0.1))
    axes.set_title(f"One applicant: PD {answer.pd:.0%}, score {answer.score}, {answer.decision}")


if __name__ == "__main__":
    search() if "--search" in sys.argv else main()
