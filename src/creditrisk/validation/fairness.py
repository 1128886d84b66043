"""Adverse impact: how often each group is approved, next to the group that is approved most often.

The ratio below four fifths is the usual sign to look closer (US 29 CFR 1607.4 D). Outcomes are not compared here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from statistics import NormalDist
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from creditrisk.errors import DataError

MIN_ROWS = 50
"""A group of fewer rows is left out of the ratio, and said."""
FOUR_FIFTHS = 0.8
AGE_BANDS = (25.0, 35.0, 45.0, 55.0, 65.0)
BANDS = 4
"""Quantile bands of other numbers with more than so many different values."""
MISSING = "not given"


@dataclass(frozen=True)
class Group:
    """The applicants of one value or band of a protected attribute."""

    name: str
    rows: int
    approved: float
    """Share approved."""
    ratio: float | None
    """That share over the most favoured group's; None for a group that is too small."""
    low: float | None
    """Lower end of the ratio's interval (Katz and others 1978, on the log scale); None for the most favoured group."""
    high: float | None


@dataclass(frozen=True)
class Impact:
    """One protected attribute."""

    attribute: str
    groups: tuple[Group, ...]
    favoured: str | None
    """The group approved most often; None where fewer than two groups are large enough."""
    ratio: float | None
    """The smallest ratio of all groups that are large enough."""
    left_out: tuple[str, ...]
    """Groups too small to judge."""

    def to_json(self) -> dict[str, Any]:
        """Nested plain values."""
        return asdict(self)


def adverse_impact(
    attributes: pl.DataFrame,
    approved: NDArray[np.bool_],
    titles: Mapping[str, Mapping[str, str]] | None = None,
    min_rows: int = MIN_ROWS,
    confidence: float = 0.95,
) -> tuple[Impact, ...]:
    """Judge each column of ``attributes``.

    Args:
        attributes: protected attributes, one column each, n rows.
        approved: whether each row would be approved, shape (n,).
        titles: by attribute, what its values are called.
        min_rows: smallest group that is judged.
        confidence: of the intervals.

    Raises:
        DataError: ``approved`` has another number of rows.
    """
    if attributes.height != len(approved):
        raise DataError(f"fairness: {attributes.height} rows and {len(approved)} decisions; give one for each row.")
    titles = titles or {}
    return tuple(
        _impact(column, approved, titles.get(column.name, {}), min_rows, confidence)
        for column in attributes.iter_columns()
    )


def smallest_ratio(impacts: Sequence[Impact]) -> float | None:
    """The smallest adverse impact ratio of all attributes; None where none could be judged."""
    return min((impact.ratio for impact in impacts if impact.ratio is not None), default=None)


def bands(values: pl.Series) -> pl.Series:
    """Texts of groups: values as they are, ages in bands of ten years, other numbers in quantile bands."""
    if not values.dtype.is_numeric():
        return values.cast(pl.String).fill_null(MISSING)
    given = values.cast(pl.Float64).drop_nulls()
    if "age" in values.name.lower().split("_"):
        edges = [*AGE_BANDS]
    elif given.n_unique() > BANDS:
        edges = np.unique(np.quantile(given.to_numpy(), np.linspace(0, 1, BANDS + 1)[1:-1])).tolist()
    else:
        texts = [MISSING if value is None else f"{value:g}" for value in values.cast(pl.Float64)]
        return pl.Series(values.name, texts, dtype=pl.String)
    names = [f"below {edges[0]:g}", *(f"{a:g} to {b:g}" for a, b in pairwise(edges))]
    names.append(f"{edges[-1]:g} and above")
    codes = np.searchsorted(edges, values.cast(pl.Float64).fill_null(0.0).to_numpy(), side="right")
    named = pl.Series(values.name, [names[code] for code in codes], dtype=pl.String)
    return named.set(values.is_null(), MISSING)


def _impact(
    values: pl.Series, approved: NDArray[np.bool_], titles: Mapping[str, str], min_rows: int, confidence: float
) -> Impact:
    names = bands(values)
    order = values if values.dtype.is_numeric() else names  # bands by their numbers, not by their words
    called = names.replace(dict(titles))  # values of one title are one group
    groups_of = pl.DataFrame({"name": called, "yes": approved, "order": order}).group_by("name")
    table = groups_of.agg(pl.len().alias("rows"), pl.col("yes").sum(), pl.col("order").min())
    counts: dict[str, tuple[int, int]] = {
        name: (rows, yes) for name, rows, yes, _ in table.sort("order", "name", nulls_last=True).iter_rows()
    }
    large = {name: yes / rows for name, (rows, yes) in counts.items() if rows >= min_rows}
    favoured = max(large, key=lambda name: large[name]) if len(large) > 1 else None
    groups = []
    for name, (rows, yes) in counts.items():
        ratio = low = high = None
        if favoured is not None and name in large and large[favoured] > 0:
            if name == favoured:
                ratio = 1.0
            else:
                ratio, low, high = _ratio(yes, rows, counts[favoured], confidence)
        groups.append(Group(name, rows, yes / rows, ratio, low, high))
    return Impact(
        values.name,
        tuple(groups),
        favoured,
        min((g.ratio for g in groups if g.ratio is not None), default=None),
        tuple(name for name in counts if name not in large),
    )


def _ratio(yes: int, rows: int, best: tuple[int, int], confidence: float) -> tuple[float, float, float]:
    best_rows, best_yes = best
    ratio = (yes / rows) / (best_yes / best_rows)
    if yes == 0:
        return 0.0, 0.0, 3 / rows / (best_yes / best_rows)  # the rule of three for a share of none
    reach = NormalDist().inv_cdf((1 + confidence) / 2) * math.sqrt(1 / yes - 1 / rows + 1 / best_yes - 1 / best_rows)
    return ratio, ratio * math.exp(-reach), ratio * math.exp(reach)
