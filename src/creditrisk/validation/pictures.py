"""The drawing of each picture: one sober style, axes with names and units, no global state of pyplot.

Every function returns a caption and a figure.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from creditrisk.validation.curves import Records
from creditrisk.validation.metrics import auc_figure, decile_table
from creditrisk.validation.ranking import Outcomes, Ranking, average_precision_of, resamples

Floats = NDArray[np.float64]
Drawing = tuple[str, Figure]
INK, MUTED, GRID = "#1f2933", "#66727f", "#e3e7eb"
BLUE, RED = "#1f5f99", "#b4442f"
SIZE = (5.4, 3.9)
Place = Literal["upper left", "upper right", "lower left", "lower right"]
BAND_SAMPLES, BAND_POINTS = 200, 101


def roc(records: Records, rows: Outcomes, seed: int) -> Drawing:
    """ROC curve with a pointwise 95 % band."""
    figure, axes = _axes("Goods flagged (false positive rate)", "Bads flagged (true positive rate)")
    auc = auc_figure(rows)
    grid, low, high = _roc_band(rows, seed)
    axes.fill_between(grid, low, high, color=BLUE, alpha=0.15, linewidth=0, label="95 % interval")
    x, y = _columns(records, "false_positive_rate", "true_positive_rate")
    axes.plot(x, y, color=BLUE, label=f"AUC {auc.value:.3f} ({auc.low:.3f} to {auc.high:.3f})")
    axes.plot([0, 1], [0, 1], **_REFERENCE, label="no information")
    _percent(axes, x_to=1, y_to=1)
    _legend(axes, "lower right")
    return "The further the curve bends to the upper left, the better bads and goods are told apart.", figure


def precision_recall(records: Records, rows: Outcomes) -> Drawing:
    """Precision against recall."""
    figure, axes = _axes("Bads flagged (recall)", "Bads among the flagged (precision)")
    ranking = Ranking.of(rows.y, rows.pd)
    area = average_precision_of(*ranking.sums(rows.weight[ranking.order]))
    rate = float(rows.weight @ rows.y / rows.weight.sum())
    recall, precision = _columns(records, "recall", "precision")
    shown = recall >= min(0.01, recall[-1])
    axes.plot(recall[shown], precision[shown], color=BLUE, label=f"average precision {area:.3f}")
    axes.axhline(rate, **_REFERENCE, label=f"bad rate {100 * rate:.1f} %")
    _percent(axes, x_to=1, y_to=1)
    _legend(axes, "upper right")
    return (
        "How pure the flagged are as more of the bads are flagged. The first hundredth is left out.",
        figure,
    )


def calibration(records: Records) -> Drawing:
    """Bad rate against PD in bins of equal rows, on logarithmic axes where the PDs span more than a factor of ten."""
    figure, axes = _axes("Predicted: mean PD of the bin", "Observed: bad rate of the bin")
    pd, rate, low, high = _columns(records, "mean_pd", "bad_rate", "low", "high")
    wide = bool(pd.min() > 0 and pd.max() / pd.min() > 10)
    bottom = max(min(pd.min(), max(low.min(), pd.min() / 5)) * 0.7, 1e-6) if wide else 0.0
    top = min(max(pd.max(), high.max()) * (1.4 if wide else 1.08), 1.0)
    if wide:
        axes.set_xscale("log")
        axes.set_yscale("log")
    axes.plot([bottom, top], [bottom, top], **_REFERENCE, label="PD = bad rate")
    axes.vlines(pd, np.maximum(low, bottom), high, color=BLUE, linewidth=1.4, label="95 % interval (Wilson)")
    shown = rate > 0 if wide else np.full(len(rate), fill_value=True)
    axes.plot(pd[shown], rate[shown], "o", color=BLUE, markersize=5, label="bins of equal rows")
    axes.set_xlim(bottom, top)
    axes.set_ylim(bottom, top)
    for axis in (axes.xaxis, axes.yaxis):
        _log_percent(axis, bottom, top) if wide else axis.set_major_formatter(_as_percent)
    _legend(axes, "upper left")
    return (
        "Above the line more bads came than were predicted. An interval that meets the line is no misfit.",
        figure,
    )


def deciles(rows: Outcomes) -> Drawing:
    """Mean PD and bad rate of each decile."""
    figure, axes = _axes("Decile of PD (1 = riskiest)", "Rate")
    table = decile_table(rows)
    number = np.array([d.decile for d in table])
    axes.bar(number, [d.bad_rate for d in table], width=0.62, color="#a9c4de", label="bad rate")
    axes.plot(number, [d.mean_pd for d in table], "D", color=RED, markersize=5, label="mean PD")
    axes.set_xticks(number)
    axes.yaxis.set_major_formatter(_as_percent)
    axes.grid(visible=False, axis="x")
    _legend(axes, "upper right")
    return "Bars should fall from left to right, and each diamond lie at the top of its bar.", figure


def gains(records: Records, rows: Outcomes) -> Drawing:
    """Share of the bads caught in the riskiest part of the applications."""
    figure, axes = _axes("Applications, riskiest first", "Bads caught")
    rate = float(rows.weight @ rows.y / rows.weight.sum())
    x, y = _columns(records, "share_of_applications", "share_of_bads")
    axes.plot(x, y, color=BLUE, label="model")
    axes.plot([0, rate, 1], [0, 1, 1], color=MUTED, linestyle=":", linewidth=1.2, label="perfect order")
    axes.plot([0, 1], [0, 1], **_REFERENCE, label="random order")
    _percent(axes, x_to=1, y_to=1)
    _legend(axes, "lower right")
    return f"The riskiest tenth of the applications holds {100 * np.interp(0.1, x, y):.0f} % of the bads.", figure


def lift(records: Records) -> Drawing:
    """Bads caught over those that a random order would catch."""
    figure, axes = _axes("Applications, riskiest first", "Lift (times the bad rate)")
    x, y = _columns(records, "share_of_applications", "share_of_bads")
    shown = x >= 0.01
    axes.plot(x[shown], y[shown] / x[shown], color=BLUE, label="model")
    axes.axhline(1.0, **_REFERENCE, label="random order")
    _percent(axes, x_to=1)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g} ×")
    axes.set_ylim(bottom=0)
    _legend(axes, "upper right")
    return "How many times the overall bad rate the riskiest part holds. The first hundredth is left out.", figure


def ks(records: Records) -> Drawing:
    """Shares of bads and goods caught by a cut-off, and their largest distance."""
    figure, axes = _axes("Cut-off: applications of this PD or more are flagged", "Flagged")
    pd, bads, goods = _columns(records, "pd", "share_of_bads", "share_of_goods")
    at = int(np.argmax(bads - goods))
    axes.plot(pd, bads, color=RED, label="of the bads")
    axes.plot(pd, goods, color=BLUE, label="of the goods")
    axes.vlines(pd[at], goods[at], bads[at], color=INK, linewidth=1.4, label=f"KS {bads[at] - goods[at]:.3f}")
    _percent(axes, y_to=1)
    low, high = max(float(pd.min()), 1e-6), float(pd.max())
    if high / low > 10:
        axes.set_xscale("log")
        axes.set_xlim(low, high)
        _log_percent(axes.xaxis, low, high)
    else:
        axes.xaxis.set_major_formatter(_as_percent)
    _legend(axes, "lower left")
    return f"At a PD of {100 * pd[at]:.1f} % the two groups lie furthest apart.", figure


def scores(records: Records) -> Drawing:
    """Distribution of the score by outcome."""
    figure, axes = _axes("Score (points, more is safer)", "Applications of the group in the bin")
    left, right, bads, goods = _columns(records, "from", "to", "share_of_bads", "share_of_goods")
    edges = np.append(left, right[-1])
    for values, colour, name in ((goods, BLUE, "good"), (bads, RED, "bad")):
        axes.stairs(values, edges, color=colour, fill=True, alpha=0.18)
        axes.stairs(values, edges, color=colour, linewidth=1.5, label=name)
    _percent(axes)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0f}")
    axes.set_ylim(0, 1.2 * max(bads.max(), goods.max()))  # room for the legend
    _legend(axes, "upper left")
    return (
        f"Bins of {right[0] - left[0]:.0f} points; the outer half percent on each side counts in the end bins.",
        figure,
    )


_REFERENCE: dict[str, Any] = {"color": MUTED, "linestyle": "--", "linewidth": 1.0}


def _axes(x: str, y: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=SIZE, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_xlabel(x, color=INK, fontsize=9.5)
    axes.set_ylabel(y, color=INK, fontsize=9.5)
    axes.tick_params(colors=MUTED, labelcolor=INK, labelsize=8.5, length=3)
    axes.grid(visible=True, color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(MUTED)
    return figure, axes


def _legend(axes: Axes, place: Place) -> None:
    axes.legend(loc=place, fontsize=8.5, frameon=True, framealpha=0.85, edgecolor="none", labelcolor=INK)


def _as_percent(value: float, _: object = None) -> str:
    return f"{100 * value:.6g} %"


def _percent(axes: Axes, x_to: float | None = None, y_to: float | None = None) -> None:
    axes.yaxis.set_major_formatter(_as_percent)
    if x_to is not None:
        axes.xaxis.set_major_formatter(_as_percent)
        axes.set_xlim(0, x_to)
    if y_to is not None:
        axes.set_ylim(0, y_to * 1.01)


def _log_percent(axis: object, low: float, high: float) -> None:
    """Ticks at 1, 2 and 5 times powers of ten, written out as percentages."""
    ticks = [m * 10.0**e for e in range(-6, 1) for m in (1, 2, 5) if low <= m * 10.0**e <= min(high, 1.0)]
    if len(ticks) > 8:
        ticks = [t for t in ticks if f"{t:e}"[0] == "1"]
    axis.set_ticks(ticks, [_as_percent(t) for t in ticks])  # type: ignore[attr-defined]
    axis.set_ticks([], minor=True)  # type: ignore[attr-defined]


def _columns(records: Records, *names: str) -> list[Floats]:
    return [np.array([record[name] for record in records], dtype=np.float64) for name in names]


def _roc_band(rows: Outcomes, seed: int) -> tuple[Floats, Floats, Floats]:
    """Pointwise 95 % band by a stratified bootstrap, of customers where they have several rows; shapes (points,)."""
    ranking = Ranking.of(rows.y, rows.pd)
    grid = np.linspace(0, 1, BAND_POINTS)
    y, weight = rows.y[ranking.order], rows.weight[ranking.order]
    group = None if rows.group is None else rows.group[ranking.order]
    found = np.empty((BAND_SAMPLES, BAND_POINTS))
    for i, sample in enumerate(resamples(y, weight, BAND_SAMPLES, seed, group)):
        bad, good = (np.concatenate([[0.0], np.cumsum(part) / part.sum()]) for part in ranking.sums(sample))
        found[i] = np.interp(grid, good, bad)
    low, high = np.quantile(found, [0.025, 0.975], axis=0)
    return grid, low, high
