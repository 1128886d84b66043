"""Pictures of a search: how it went, what mattered, what quality costs, and the families side by side."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import optuna
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from optuna.trial import FrozenTrial, TrialState

from creditrisk.search.choice import Standing
from creditrisk.search.space import SEARCHED
from creditrisk.search.study import FAMILY

INK, MUTED, GRID = "#1f2933", "#66727f", "#e3e7eb"
COLOURS = {
    "scorecard": "#66727f",
    "ebm": "#1f5f99",
    "catboost": "#b4442f",
    "lightgbm": "#3a7d44",
    "xgboost": "#c28f2c",
    "blend": "#6b3fa0",
}
MIN_FOR_IMPORTANCE = 8
"""Trials of a family below which nothing is said of what mattered."""


def draw(study: optuna.Study, found: Sequence[Standing], chosen: str) -> dict[str, Figure]:
    """Every picture that the study has enough trials for, by file name."""
    trials = [trial for trial in study.get_trials(deepcopy=False) if "summary" in trial.user_attrs]
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    if not complete:
        return {}
    pictures = {
        "families.png": families(found, chosen),
        "history.png": history(complete),
        "quality_and_cost.png": quality_and_cost(complete),
    }
    importance = importances(study, trials)
    return pictures | ({"importance.png": importance} if importance is not None else {})


def families(found: Sequence[Standing], chosen: str) -> Figure:
    """Mean AUC of each family's best trial with its 95 % interval, the chosen one marked."""
    figure, axes = _axes("Mean AUC of the folds, 95 % interval (DeLong)", "", (6.4, 0.55 * len(found) + 1.5))
    ordered = sorted(found, key=lambda one: one.auc)
    for place, one in enumerate(ordered):
        colour = COLOURS[one.family]
        axes.errorbar(one.auc, place, xerr=1.96 * one.error, fmt="o", color=colour, capsize=3, markersize=7)
        behind = "" if not one.loss else f"  {one.loss:.4f} ± {one.loss_error:.4f} behind"
        mark = "  chosen" if one.family == chosen else ""
        axes.annotate(
            f"{one.auc:.4f}{behind}{mark}",
            (one.auc, place),
            xytext=(0, 9),
            textcoords="offset points",
            ha="center",
            fontsize=8.5,
            color=INK,
            weight="bold" if mark else "normal",
        )
    axes.set_yticks(range(len(ordered)), [one.family for one in ordered])
    axes.set_ylim(-0.6, len(ordered) - 0.2)
    axes.set_title("The best trial of each family, on the same folds", loc="left", fontsize=11, color=INK)
    return figure


def history(trials: Sequence[FrozenTrial]) -> Figure:
    """Mean log loss of each complete trial in the order they ended, and the best so far."""
    figure, axes = _axes("Trial, in the order they ended", "Mean log loss of the folds")
    ordered = sorted(trials, key=lambda t: t.datetime_complete.timestamp() if t.datetime_complete else 0.0)
    values = np.array([trial.user_attrs["summary"]["log_loss"] for trial in ordered])
    # A setting that is far off would press all others into one line.
    best, usual = float(values.min()), float(np.quantile(values, 0.9))
    span = max(usual - best, 1e-6)
    bottom, top = best - 0.08 * span, best + 1.15 * span
    for family in dict.fromkeys(str(trial.params[FAMILY]) for trial in ordered):
        own = [place for place, trial in enumerate(ordered) if trial.params[FAMILY] == family and values[place] <= top]
        axes.plot(np.array(own) + 1, values[own], "o", color=COLOURS[family], label=family, markersize=5, alpha=0.85)
    far = np.flatnonzero(values > top)
    for place in far:
        colour = COLOURS[str(ordered[place].params[FAMILY])]
        said = "beyond the axis" if place == far[0] else None
        axes.plot(place + 1, top, "^", color=colour, label=said, markersize=6, clip_on=False)
    axes.step(
        np.arange(1, len(values) + 1), np.minimum.accumulate(values), where="post", color=INK, label="best so far"
    )
    axes.set_ylim(bottom, top)
    axes.set_title("How the search went", loc="left", fontsize=11, color=INK)
    _legend(figure)
    return figure


def quality_and_cost(trials: Sequence[FrozenTrial]) -> Figure:
    """Mean AUC against the time of a fit, on a logarithmic axis."""
    figure, axes = _axes("Seconds for one fit", "Mean AUC of the folds")
    values = np.array([trial.user_attrs["summary"]["auc"] for trial in trials])
    seconds = np.array([max(trial.user_attrs["summary"]["fit_seconds"], 0.01) for trial in trials])
    for family in dict.fromkeys(str(trial.params[FAMILY]) for trial in trials):
        own = [place for place, trial in enumerate(trials) if trial.params[FAMILY] == family]
        axes.plot(seconds[own], values[own], "o", color=COLOURS[family], label=family, markersize=5, alpha=0.85)
    axes.set_xscale("log")
    for kind in (axes.xaxis.set_major_formatter, axes.xaxis.set_minor_formatter):
        kind(lambda value, _: f"{value:g}" if f"{value:e}"[0] in "125" else "")
    axes.tick_params(axis="x", which="minor", pad=5)
    axes.set_title("What quality costs", loc="left", fontsize=11, color=INK)
    _legend(figure)
    return figure


def importances(study: optuna.Study, trials: Sequence[FrozenTrial]) -> Figure | None:
    """How much of the spread of a family's log loss each parameter accounts for (fANOVA, Hutter et al. 2014)."""
    shares = {}
    for family in SEARCHED:
        own = [trial for trial in trials if trial.params[FAMILY] == family and trial.state == TrialState.COMPLETE]
        names = [name for name in (own[0].params if own else {}) if name != FAMILY]
        varied = [name for name in names if len({trial.params.get(name) for trial in own}) > 1]
        if len(own) >= MIN_FOR_IMPORTANCE and len(varied) > 1:
            shares[family] = _importance(study, varied)
    if not shares:
        return None
    figure = Figure(
        figsize=(6.4, 0.5 + sum(0.28 * len(found) + 0.5 for found in shares.values())), layout="constrained"
    )
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(shares), squeeze=False, height_ratios=[len(found) + 1 for found in shares.values()])
    for axes, (family, found) in zip(panels[:, 0], shares.items(), strict=True):
        ordered = sorted(found.items(), key=lambda item: item[1])
        names = [name.partition(".")[2].replace("_", " ") for name, _ in ordered]
        axes.barh(names, [share for _, share in ordered], color=COLOURS[family], height=0.65)
        axes.set_xlim(0, 1)
        axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
        axes.set_title(family, loc="left", fontsize=10, color=INK)
        _quiet(axes)
    panels[-1, 0].set_xlabel("Share of the spread of log loss over the trials", color=INK)
    return figure


def _importance(study: optuna.Study, names: list[str]) -> dict[str, float]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
        return optuna.importance.get_param_importances(study, evaluator=evaluator, params=names)


def _axes(x: str, y: str, size: tuple[float, float] = (6.4, 4.2)) -> tuple[Figure, Axes]:
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.set_xlabel(x, color=INK)
    axes.set_ylabel(y, color=INK)
    _quiet(axes)
    return figure, axes


def _legend(figure: Figure) -> None:
    """Below the axes: among the points its markers would pass for trials."""
    figure.legend(loc="outside lower center", frameon=False, fontsize=8.5, ncols=4)


def _quiet(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(MUTED)
    axes.tick_params(which="both", colors=MUTED, labelsize=9)
    axes.grid(color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
