"""Weight of evidence and information value of every input, by the scorecard's own bins."""

from __future__ import annotations

import polars as pl

from creditrisk.exploration.rates import rates_of
from creditrisk.model.families.binning import Binned, bin_input
from creditrisk.model.family import TrainingData
from creditrisk.params import ModelParams

READINGS = ((0.02, "nothing"), (0.1, "weak"), (0.3, "medium"), (0.5, "strong"))
"""Upper limits of an information value and how it is usually read (Siddiqi 2017, Intelligent Credit Scoring)."""
VERY_STRONG = "very strong: leakage?"


def reading(iv: float) -> str:
    """What an information value is usually taken to mean."""
    return next((said for limit, said in READINGS if iv < limit), VERY_STRONG)


def bin_all(data: TrainingData, params: ModelParams, seed: int = 0) -> dict[str, Binned]:
    """The bins of every input, found on training rows as the scorecard finds them."""
    data = data.relative()
    return {item.name: bin_input(data, place, params, seed) for place, item in enumerate(data.inputs)}


def information_table(data: TrainingData, binned: dict[str, Binned]) -> pl.DataFrame:
    """Inputs by information value, the highest first: ``input, title, iv, reading, bins, direction, missing``."""
    lines = [
        {
            "input": item.name,
            "title": item.title,
            "iv": binned[item.name].iv,
            "reading": reading(binned[item.name].iv),
            "bins": len(binned[item.name].report),
            "direction": item.monotone or "",
            "missing": data.table[item.name].null_count() / data.table.height,
        }
        for item in data.inputs
    ]
    return pl.DataFrame(lines).sort("iv", "input", descending=[True, False])


def bins_table(binned: Binned) -> pl.DataFrame:
    """The bins of one input in order: ``group, rows, bads, bad_rate, low, high`` (Wilson, 95 %), ``woe`` (risk up).

    For rows of equal weight.
    """
    names, rows = [line["bin"] for line in binned.report], [line["rows"] for line in binned.report]
    bads = [round(line["bad_rate"] * line["rows"]) for line in binned.report]
    woe = pl.Series("woe", [line["woe"] for line in binned.report], dtype=pl.Float64)
    return rates_of(names, rows, bads).with_columns(woe)


def evidence_table(binned: dict[str, Binned], names: list[str]) -> pl.DataFrame:
    """Each training row's weight of evidence, one column for each of ``names``, shape (n, len(names))."""
    return pl.DataFrame({name: binned[name].training for name in names})
