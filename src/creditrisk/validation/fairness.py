"""Adverse impact: how often each group is approved, next to the group that is approved most often.

The ratio below four fifths is the usual sign to look closer (US 29 CFR 1607.4 D). Outcomes are not compared here.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from creditrisk.errors import DataError
from creditrisk.validation.customers import Numbers, effective_rows, numbered
from creditrisk.validation.intervals import ratio_ends

MIN_ROWS = 50
"""A group of fewer rows is left out of the ratio, and said."""
FOUR_FIFTHS = 0.8
AGE_BANDS = (25.0, 35.0, 45.0, 55.0, 65.0)
BANDS = 4
"""Quantile bands of other numbers with more than so many different values."""
DECADE = 10
"""Years to a group of days, a date of birth above all: by the day nobody would be like anybody."""
MISSING = "not given"

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Group:
    """The applicants of one value or band of a protected attribute."""

    name: str
    rows: int
    approved: float
    """Share approved; weighted, where the rows have weights."""
    ratio: float | None
    """That share over the most favoured group's; None for a group that is too small."""
    low: float | None
    """Lower end of the ratio's interval; None for the most favoured group."""
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

    @property
    def lowest(self) -> Group | None:
        """The group of the smallest ratio."""
        judged = [group for group in self.groups if group.ratio is not None]
        return min(judged, key=lambda group: group.ratio or 0.0, default=None)

    def to_json(self) -> dict[str, Any]:
        """Nested plain values."""
        return asdict(self)


@dataclass(frozen=True)
class Grouping:
    """The rows of one protected attribute, parted; n rows."""

    attribute: str
    rows: dict[str, int]
    """Rows of each group, in the order of the values; those of weight 0 are not counted."""
    code: NDArray[np.int64]
    """Place of each row's group among ``rows``, shape (n,)."""
    weight: Floats
    large: tuple[str, ...]
    """Groups with rows enough to judge; none where there are fewer than two."""
    small: tuple[str, ...]
    """Groups with too few."""

    @classmethod
    def of(cls, values: pl.Series, weight: Floats, titles: Mapping[str, str], min_rows: int) -> Grouping:
        """Part rows by a column's values, or by bands of them."""
        names = bands(values)
        order = values if values.dtype.is_numeric() or values.dtype.is_temporal() else names  # not by the bands' words
        called = names.replace(dict(titles))  # values of one title are one group
        counted = pl.DataFrame({"name": called, "order": order}).filter(pl.Series(weight > 0)).group_by("name")
        found = counted.agg(pl.len().alias("rows"), pl.col("order").min()).sort("order", "name", nulls_last=True)
        rows = dict(found.select("name", "rows").iter_rows())
        place = called.replace_strict({name: i for i, name in enumerate(rows)}, default=0, return_dtype=pl.Int64)
        large = tuple(name for name, many in rows.items() if many >= min_rows)
        small = tuple(name for name in rows if name not in large)
        return cls(values.name, rows, place.to_numpy(), weight, large if len(large) > 1 else (), small)

    def shares(self, approved: Flags) -> dict[str, float]:
        """Share of each group that is approved; weighted."""
        yes, all_of_them = self.sums(self.weight * approved), self.sums(self.weight)
        return {name: yes[name] / all_of_them[name] for name in self.rows}

    def sums(self, values: Floats) -> dict[str, float]:
        """Sum over the rows of each group of values of shape (n,)."""
        found = np.bincount(self.code, values, minlength=len(self.rows)).tolist()
        return dict(zip(self.rows, found, strict=True))

    def effective_by_customer(self, approved: Flags, customer: Numbers) -> dict[str, float]:
        """Effective number of rows of each group for its share approved; see ``customers.effective_rows``."""
        counted = [(self.code == place) & (self.weight > 0) for place in range(len(self.rows))]
        found = [effective_rows(approved[of], self.weight[of], customer[of]) for of in counted]
        return dict(zip(self.rows, found, strict=True))

    def effective(self) -> dict[str, float]:
        """Effective number of rows of each group; see ``intervals.effective``."""
        plain, squared = self.sums(self.weight), self.sums(self.weight**2)
        return {name: plain[name] ** 2 / squared[name] for name in self.rows}


def adverse_impact(
    attributes: pl.DataFrame,
    approved: Flags,
    titles: Mapping[str, Mapping[str, str]] | None = None,
    min_rows: int = MIN_ROWS,
    confidence: float = 0.95,
    weight: Floats | None = None,
    customer: Numbers | None = None,
) -> tuple[Impact, ...]:
    """Judge each column of ``attributes``.

    Args:
        attributes: protected attributes, one column each, n rows.
        approved: whether each row would be approved, shape (n,).
        titles: by attribute, what its values are called.
        min_rows: smallest group that is judged.
        confidence: of the intervals.
        weight: shape (n,); ones where absent.
        customer: a number for the customer of each row, shape (n,), where one may have several, who are decided alike:
            intervals count customers.

    Raises:
        DataError: ``approved`` has another number of rows.
    """
    groupings = groupings_of(attributes, len(approved), titles, min_rows, weight)
    customer = numbered(customer, np.ones(len(approved)))
    return tuple(_impact(grouping, approved, confidence, customer) for grouping in groupings)


def groupings_of(
    attributes: pl.DataFrame,
    rows: int,
    titles: Mapping[str, Mapping[str, str]] | None = None,
    min_rows: int = MIN_ROWS,
    weight: Floats | None = None,
) -> tuple[Grouping, ...]:
    """The groups of each attribute; see ``adverse_impact``."""
    if attributes.height != rows:
        raise DataError(f"fairness: {attributes.height} rows and {rows} decisions; give one for each row.")
    weight = np.ones(rows) if weight is None else weight
    titles = titles or {}
    return tuple(
        Grouping.of(column, weight, titles.get(column.name, {}), min_rows) for column in attributes.iter_columns()
    )


def lowest(impacts: Sequence[Impact]) -> tuple[str, Group] | None:
    """Attribute and group of the smallest ratio of all; None where none could be judged."""
    found = [(impact.attribute, impact.lowest) for impact in impacts]
    judged = [(attribute, group) for attribute, group in found if group is not None]
    return min(judged, key=lambda pair: pair[1].ratio or 0.0, default=None)


def smallest_ratio(impacts: Sequence[Impact]) -> float | None:
    """The smallest adverse impact ratio of all attributes; None where none could be judged."""
    found = lowest(impacts)
    return None if found is None else found[1].ratio


def bands(values: pl.Series) -> pl.Series:
    """Texts of groups: values as they are, ages by ten years, days by decades, other numbers in quantile bands."""
    if values.dtype.is_temporal():
        return _decades(values)
    if not values.dtype.is_numeric():
        return values.cast(pl.String).fill_null(MISSING)
    given = values.cast(pl.Float64).drop_nulls()
    if "age" in values.name.lower().split("_"):
        edges = [*AGE_BANDS]
    elif given.n_unique() > BANDS:
        edges = _quantiles(given.to_numpy())
    else:
        texts = [MISSING if value is None else f"{value:g}" for value in values.cast(pl.Float64)]
        return pl.Series(values.name, texts, dtype=pl.String)
    names = [f"below {edges[0]:g}", *(f"{a:g} to {b:g}" for a, b in pairwise(edges))]
    names.append(f"{edges[-1]:g} and above")
    codes = np.searchsorted(edges, values.cast(pl.Float64).fill_null(0.0).to_numpy(), side="right")
    named = pl.Series(values.name, [names[code] for code in codes], dtype=pl.String)
    return named.set(values.is_null(), MISSING)


def _decades(values: pl.Series) -> pl.Series:
    """Days by the decade of their year; by the year where all are of one decade."""
    years = values.dt.year().to_list()
    given = {year for year in years if year is not None}
    step = DECADE if len({year // DECADE for year in given}) > 1 else 1
    return pl.Series(values.name, [MISSING if year is None else _years(year, step) for year in years], dtype=pl.String)


def _years(year: int, step: int) -> str:
    first = year - year % step
    return f"{first}" if step == 1 else f"{first} to {min(first + step - 1, dt.MAXYEAR)}"


def _quantiles(given: Floats) -> list[float]:
    """Edges of bands of about equal rows; where most values are the smallest, the others are the other band."""
    edges = np.unique(np.quantile(given, np.linspace(0, 1, BANDS + 1)[1:-1]))
    above: list[float] = edges[edges > given.min()].tolist()
    return above or [float(given[given > given.min()].min())]


def _impact(grouping: Grouping, approved: Flags, confidence: float, customer: Numbers | None) -> Impact:
    shares = grouping.shares(approved)
    many = grouping.effective() if customer is None else grouping.effective_by_customer(approved, customer)
    favoured = max(grouping.large, key=lambda name: shares[name], default=None)
    best = 0.0 if favoured is None else shares[favoured]
    groups = []
    for name, share in shares.items():
        ratio = low = high = None
        if favoured is not None and name in grouping.large and best > 0:
            ratio = share / best
            if name != favoured:
                low, high = ratio_ends(share, best, (many[name], many[favoured]), confidence)
        groups.append(Group(name, grouping.rows[name], share, ratio, low, high))
    lowest_ratio = min((g.ratio for g in groups if g.ratio is not None), default=None)
    return Impact(grouping.attribute, tuple(groups), favoured, lowest_ratio, grouping.small)
