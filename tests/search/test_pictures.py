"""Pictures and tables of a study: what they show, and when there is too little to show."""

from __future__ import annotations

import csv
import io
import re
from typing import cast

import numpy as np
import optuna
from matplotlib.patches import Rectangle
from optuna.trial import TrialState, create_trial
from search.lab import knowing, plan

from creditrisk.search import leaderboard
from creditrisk.search.choice import choose, standings
from creditrisk.search.outcome import Outcome, fold_figures
from creditrisk.search.pictures import draw
from creditrisk.search.study import CHOICES, FAMILY


def study(trials: int) -> optuna.Study:
    """Scorecard and ebm trials whose quality falls with ``c`` and does not depend on ``min_iv``."""
    found = optuna.create_study()
    random = np.random.default_rng(0)
    for number in range(trials):
        family = ("scorecard", "ebm")[number % 5 == 0]
        c, dull = float(random.random()), float(random.random())
        margins = knowing(1.0 - 0.5 * c, seed=number)
        figures = [fold_figures(m, y, w, 0.5 + number, 0.1) for m, (y, w) in zip(margins, plan().truths, strict=True)]
        outcome = Outcome(tuple(figures), tuple(margins), 1_000_000)
        params = {FAMILY: family} | ({"scorecard.c": c, "scorecard.min_iv": dull} if family == "scorecard" else {})
        ranges = {name: optuna.distributions.FloatDistribution(0, 1) for name in params if name != FAMILY}
        found.add_trial(
            create_trial(
                state=TrialState.PRUNED if number == 3 else TrialState.COMPLETE,
                value=outcome.log_loss,
                params=params,
                distributions={FAMILY: CHOICES, **ranges},
                user_attrs={
                    "summary": outcome.summary(),
                    "folds": outcome.by_fold(),
                    "setting": {"c": c, "min_iv": dull},
                    "note": "clearly behind" if number == 3 else "",
                    "run": f"run {number}",
                },
            )
        )
    return found


def test_what_mattered_comes_first_in_the_picture() -> None:
    found = study(30)
    stood = standings({"scorecard": knowing(1.0), "ebm": knowing(0.9)}, plan())
    pictures = draw(found, stood, choose(stood)[0].family)
    assert set(pictures) == {"families.png", "history.png", "quality_and_cost.png", "importance.png"}
    (axes,) = pictures["importance.png"].axes
    widths = [cast(Rectangle, bar).get_width() for bar in axes.patches]
    bars = {label.get_text(): width for label, width in zip(axes.get_yticklabels(), widths, strict=True)}
    assert bars["c"] > 2 * bars["min iv"]
    texts = [text.get_text() for text in pictures["families.png"].axes[0].texts]
    assert any("chosen" in text for text in texts)


def test_every_trial_stands_in_the_history_far_ones_at_its_edge() -> None:
    found = study(12)
    far = found.trials[1]
    summary = far.user_attrs["summary"] | {"log_loss": far.user_attrs["summary"]["log_loss"] + 5}
    found.add_trial(
        create_trial(
            value=summary["log_loss"],
            params=far.params,
            distributions=far.distributions,
            user_attrs=far.user_attrs | {"summary": summary},
        )
    )
    stood = standings({"scorecard": knowing(1.0), "ebm": knowing(0.9)}, plan())
    figure = draw(found, stood, "scorecard")["history.png"]
    (axes,) = figure.axes
    low, high = axes.get_ylim()
    drawn = [y for line in axes.lines[:-1] for y in np.atleast_1d(line.get_ydata())]
    complete = [trial for trial in found.trials if trial.state == TrialState.COMPLETE]
    assert len(drawn) == len(complete)
    assert all(low <= y <= high for y in drawn)
    (legend,) = figure.legends
    assert "beyond the axis" in [text.get_text() for text in legend.get_texts()]


def test_few_trials_say_nothing_of_what_mattered() -> None:
    stood = standings({"scorecard": knowing(1.0)}, plan())
    assert "importance.png" not in draw(study(6), stood, "scorecard")
    assert draw(optuna.create_study(), stood, "scorecard") == {}


def test_the_leaderboard_is_sorted_and_the_same_everywhere() -> None:
    table = leaderboard.rows(study(10).get_trials())
    assert len(table) == 10
    assert [row["log_loss"] for row in table[:-1]] == sorted(row["log_loss"] for row in table[:-1])
    assert table[-1]["note"] == "clearly behind"  # whatever its log loss: it did not run every fold
    read = list(csv.DictReader(io.StringIO(leaderboard.as_csv(table))))
    assert [row["run"] for row in read] == [row["run"] for row in table]
    page = leaderboard.as_html([table[0] | {"note": "<script>"}], "A & B")
    assert "<script>" not in page
    assert "A &amp; B" in page
    stood = standings({"scorecard": knowing(1.0), "ebm": knowing(0.9)}, plan())
    text = leaderboard.as_markdown(table, stood, "Choice: x.", [("rows", "700")])
    assert text.startswith("**Choice: x.**")
    assert len(re.findall(r"^\| \d+ \|", text, re.MULTILINE)) == 10
