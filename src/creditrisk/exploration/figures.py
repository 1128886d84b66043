"""The notebooks' figures: one quiet style, and the pictures that several of them draw."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from creditrisk.validation.pictures import BLUE, GRID, INK, MUTED, RED

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

__all__ = [
    "BLUE",
    "GRID",
    "INK",
    "MUTED",
    "PALE",
    "RED",
    "dots",
    "percent",
    "short",
    "show",
    "style",
    "vintage_band",
    "wrapped",
]

PALE = "#a9c4de"
COLOURS = 256
SHOWN_DOTS = 84
"""Dots for each inch on the page; the file has more, for screens that show them."""
STYLE: dict[Any, Any] = {
    "figure.dpi": 120,
    "figure.facecolor": "white",
    "figure.constrained_layout.use": True,
    "font.size": 9.0,
    "text.color": INK,
    "axes.titlesize": 10.0,
    "axes.titlelocation": "left",
    "axes.titlecolor": INK,
    "axes.labelsize": 9.0,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "legend.fontsize": 8.5,
    "legend.framealpha": 0.9,
    "legend.edgecolor": "white",
    "lines.linewidth": 1.6,
}


def style() -> None:
    """Set how figures and tables look, for the rest of the notebook."""
    import matplotlib as mpl

    mpl.rcParams.update(STYLE)
    pl.Config(
        tbl_rows=60,
        tbl_cols=20,
        fmt_str_lengths=90,
        tbl_hide_column_data_types=True,
        tbl_hide_dataframe_shape=True,
        float_precision=3,
        thousands_separator=",",
    )


def show(figure: Figure) -> None:
    """Put a figure below the cell as a small PNG: a few colours say as much as millions in a drawing of lines."""
    from IPython.display import Image, display
    from matplotlib import pyplot as plt
    from PIL import Image as Picture

    drawn, small = BytesIO(), BytesIO()
    figure.savefig(drawn, format="png")
    plt.close(figure)
    drawn.seek(0)
    with Picture.open(drawn) as picture:
        flat = picture.convert("RGB").quantize(COLOURS, dither=Picture.Dither.NONE)
    flat.save(small, format="png", optimize=True)
    display(Image(data=small.getvalue(), width=round(figure.get_figwidth() * SHOWN_DOTS)))


def percent(axis: Axis, digits: int = 6) -> None:
    """Write shares as percentages."""
    axis.set_major_formatter(lambda value, _: f"{100 * value:.{digits}g} %")


def short(text: str, length: int = 34) -> str:
    """A label that fits beside an axis."""
    return text if len(text) <= length else f"{text[: length - 1].rstrip()}…"


def wrapped(text: str, width: int = 34) -> str:
    """A title of two lines at most."""
    return textwrap.fill(text, width, max_lines=2, placeholder=" …")


def dots(axes: Axes, rates: pl.DataFrame, overall: float | None = None, length: int = 26) -> None:
    """Bad rates by group from top to bottom, with intervals; a bar behind each shows its share of the rows.

    Args:
        axes: where to draw.
        rates: as ``creditrisk.exploration.rates.bad_rates`` gives it.
        overall: the bad rate of all rows, a dashed line.
        length: characters of a group's name.
    """
    place = np.arange(rates.height)
    rate, low, high = (rates[name].to_numpy() for name in ("bad_rate", "low", "high"))
    right = float(high.max()) * 1.12
    share = rates["rows"].to_numpy() / rates["rows"].sum()
    axes.barh(place, share / share.max() * right, height=0.74, color=GRID, zorder=0.5)
    axes.hlines(place, low, high, color=BLUE, linewidth=1.6)
    axes.plot(rate, place, "o", color=BLUE, markersize=4.5)
    if overall is not None:
        axes.axvline(overall, color=MUTED, linestyle="--", linewidth=1.0)
    axes.set_yticks(place, [short(_rounded(name), length) for name in rates["group"]])
    axes.set_ylim(rates.height - 0.4, -0.6)
    axes.set_xlim(0, right)
    axes.grid(visible=False, axis="y")
    percent(axes.xaxis)


def _rounded(name: str) -> str:
    """A bin's name with its fractions in three digits or so."""

    def fewer(found: re.Match[str]) -> str:
        value = float(found[0].replace(",", ""))
        return f"{value:,.0f}" if value >= 1_000 else f"{value:.{4 if value >= 100 else 3}g}"

    return re.sub(r"\d[\d,]*\.\d+", fewer, name)


def vintage_band(axes: Axes, periods: pl.Series | Sequence[object], rates: pl.DataFrame, color: str = BLUE) -> None:
    """Bad rates over time with their intervals as a band."""
    axes.fill_between(periods, rates["low"], rates["high"], color=color, alpha=0.18, linewidth=0)  # type: ignore[arg-type]
    axes.plot(periods, rates["bad_rate"], color=color, marker="o", markersize=3)  # type: ignore[arg-type]
    axes.set_ylim(bottom=0)
    percent(axes.yaxis)
