"""How well a model ranks: AUC with DeLong's variance, KS, average precision, and the bootstrap under them.

Rows are sorted by PD once. A bootstrap sample is a vector of weights on the sorted rows, so it costs a few cumulative
sums and no further sorting.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from creditrisk.errors import DataError
from creditrisk.validation.customers import Numbers, numbered

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Outcomes:
    """Checked rows: ``y`` 1.0 bad or 0.0 good, ``pd`` from 0 to 1 and ``weight`` above 0, each of shape (n,)."""

    y: Floats
    pd: Floats
    weight: Floats
    group: Numbers | None = None
    """Customers numbered from 0, shape (n,); None where each has one row."""

    @classmethod
    def check(cls, y: Floats, pd: Floats, weight: Floats | None = None, group: Numbers | None = None) -> Outcomes:
        """Take rows of positive weight; ``group`` is a number for the customer of each row.

        Raises:
            DataError: lengths differ, a value is not what it must be, or only one class is there.
        """
        y, pd = np.asarray(y, dtype=np.float64), np.asarray(pd, dtype=np.float64)
        weight = np.ones(len(y)) if weight is None else np.asarray(weight, dtype=np.float64)
        if not y.shape == pd.shape == weight.shape or y.ndim != 1:
            raise DataError(
                f"evaluation: {y.shape} outcomes, {pd.shape} PDs, {weight.shape} weights; give one for each row."
            )
        _refuse("outcome", y, (y == 0) | (y == 1), "1 (bad) or 0 (good)")
        _refuse("PD", pd, (pd >= 0) & (pd <= 1), "a number from 0 to 1")
        _refuse("weight", weight, (weight >= 0) & np.isfinite(weight), "a finite number, 0 or above")
        if group is not None and np.shape(group) != y.shape:
            raise DataError(f"evaluation: {y.shape} outcomes, {np.shape(group)} customers; give one for each row.")
        kept, group = weight > 0, numbered(group, weight)
        y, pd, weight = y[kept], pd[kept], weight[kept]
        bads = int(y.sum())
        if bads in (0, len(y)):
            raise DataError(
                f"evaluation: {bads:,} bad and {len(y) - bads:,} good rows, expected some of both; give "
                "split.test a larger share or the portfolio more rows."
            )
        if group is not None and group.max() == 0:
            raise DataError(
                f"evaluation: all {len(y):,} rows are of one customer, who tells nothing of others; expected several. "
                "Check the contract's group."
            )
        return cls(y, pd, weight, group)


def _refuse(what: str, values: Floats, fine: NDArray[np.bool_], expected: str) -> None:
    if not fine.all():
        row = int(np.flatnonzero(~fine)[0])
        raise DataError(f"evaluation: the {what} of row {row} is {values[row]}, expected {expected}.")


@dataclass(frozen=True)
class Ranking:
    """Rows from the riskiest to the safest; rows of equal PD form one group."""

    order: NDArray[np.int64]
    """Row numbers in that order, shape (n,)."""
    bad: NDArray[np.bool_]
    """Whether the row in that place is bad, shape (n,)."""
    starts: NDArray[np.int64]
    """Where each group begins, shape (groups,)."""
    group: NDArray[np.int64]
    """The group of each place, shape (n,)."""

    @classmethod
    def of(cls, y: Floats, pd: Floats) -> Ranking:
        order = np.argsort(-pd, kind="stable")
        risk = pd[order]
        new = np.concatenate([[True], risk[1:] != risk[:-1]])
        return cls(order, y[order] > 0.5, np.flatnonzero(new), np.cumsum(new) - 1)

    def sums(self, weight: Floats) -> tuple[Floats, Floats]:
        """Weight of the bads and of the goods in each group, riskiest first; ``weight`` is in the order of places."""
        bad = np.where(self.bad, weight, 0.0)
        if len(self.starts) == len(weight):
            return bad, weight - bad
        return np.add.reduceat(bad, self.starts), np.add.reduceat(weight - bad, self.starts)


def auc_of(bad: Floats, good: Floats) -> float:
    """Share of (bad, good) pairs in which the bad is ranked riskier, a tie counted half, from sums by group."""
    above = np.cumsum(bad) - bad / 2
    return float(above @ good / (bad.sum() * good.sum()))


def ks_of(bad: Floats, good: Floats) -> float:
    """Largest lead of the share of bads over the share of goods caught, from sums by group.

    One-sided: a model that ranks the wrong way round has a KS near 0, not near 1.
    """
    lead = np.cumsum(bad) / bad.sum() - np.cumsum(good) / good.sum()
    return max(float(lead.max()), 0.0)


def average_precision_of(bad: Floats, good: Floats) -> float:
    """Area under the precision-recall steps, from sums by group."""
    caught = np.cumsum(bad)
    flagged = caught + np.cumsum(good)
    return float(bad @ (caught / np.maximum(flagged, 1e-300)) / caught[-1])


@dataclass(frozen=True)
class Placements:
    """DeLong's structural components: of each bad the share of goods below it, of each good the share of bads above."""

    auc: float
    bad: Floats
    """Shape (bads,), in the order of rows."""
    good: Floats
    """Shape (goods,), in the order of rows."""


def placements(y: Floats, pd: Floats, weight: Floats) -> Placements:
    """Components in O(n log n) (Sun and Xu 2014, by weighted midranks)."""
    ranking = Ranking.of(y, pd)
    bad, good = ranking.sums(weight[ranking.order])
    all_bad, all_good = bad.sum(), good.sum()
    below = (all_good - np.cumsum(good) + good / 2) / all_good
    above = (np.cumsum(bad) - bad / 2) / all_bad
    value = np.empty(len(y))
    value[ranking.order] = np.where(ranking.bad, below[ranking.group], above[ranking.group])
    return Placements(auc_of(bad, good), value[y > 0.5], value[y <= 0.5])


def delong_covariance(y: Floats, weight: Floats, models: list[Placements]) -> Floats:
    """Covariance of the AUCs of models on the same rows, shape (models, models) (DeLong and others 1988)."""
    return sum((part for part, _ in delong_parts(y, weight, models)), np.zeros((len(models), len(models))))


def delong_parts(y: Floats, weight: Floats, models: list[Placements]) -> list[tuple[Floats, int]]:
    """What the bads add to that covariance and what the goods do, each with its number of rows."""
    found = []
    for kind, is_kind in (("bad", y > 0.5), ("good", y <= 0.5)):
        w = weight[is_kind]
        apart = np.array([getattr(m, kind) - m.auc for m in models]) * w
        many = len(w)
        # A class of one row tells nothing of its spread: leave its part out rather than divide by zero.
        found.append((apart @ apart.T / w.sum() ** 2 * (many / (many - 1) if many > 1 else 0.0), many))
    return found


def auc_parts(y: Floats, weight: Floats, model: Placements) -> Floats:
    """What each row adds to the error of the AUC, shape (n,): centred, and to be summed over each customer's rows.

    So DeLong's variance counts customers, with bad and good rows of the same customer together (Obuchowski 1997).
    """
    bad = y > 0.5
    parts = np.empty(y.size)
    for kind, placed in ((bad, model.bad), (~bad, model.good)):
        parts[kind] = weight[kind] * (placed - model.auc) / weight[kind].sum()
    return parts


def resamples(y: Floats, weight: Floats, count: int, seed: int, group: Numbers | None = None) -> Iterator[Floats]:
    """Stratified bootstrap: weights (n,) of ``count`` samples, each drawing as many bads and goods as there are.

    Where ``group`` numbers the customers of the rows from 0, shape (n,), customers are drawn with all their rows: as
    many of those with a bad row, and as many of the others, as there are. A sample without goods is drawn again.
    """
    if group is None:
        yield from (times * weight for times in islice(_draws(y, seed), count))
        return
    bads, goods = np.bincount(group, y), np.bincount(group, 1 - y)
    whole = (times for times in _draws(np.minimum(bads, 1.0), seed) if times @ bads > 0 and times @ goods > 0)
    yield from (times[group] * weight for times in islice(whole, count))


def _draws(y: Floats, seed: int) -> Iterator[Floats]:
    """How often each of n is drawn, shape (n,), sample after sample; the array is one and the same."""
    random = np.random.default_rng(seed)
    kinds = [np.flatnonzero(y > 0.5), np.flatnonzero(y <= 0.5)]
    times = np.empty(len(y))
    while True:
        for rows in kinds:
            times[rows] = np.bincount(random.integers(len(rows), size=len(rows)), minlength=len(rows))
        yield times
