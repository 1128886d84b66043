"""What a challenger changes in adverse impact: each group's ratio under either model, on the same rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from creditrisk.validation.fairness import Flags, Floats, Grouping
from creditrisk.validation.figure import Figure, around


@dataclass(frozen=True)
class Shift:
    """One group's adverse impact ratio under the challenger and under the champion."""

    attribute: str
    group: str
    rows: int
    challenger: float
    """To the group that the challenger approves most often."""
    champion: float
    """To the group that the champion approves most often."""
    reference: str
    """Of the other groups the one that both models together approve most often."""
    difference: Figure
    """What the challenger changes in the ratio to the reference, with its paired interval; below 0 it does worse.

    Each model's own favourite would do for a figure and not for its error: chosen by chance in a near tie, it makes the
    new favourite's gain look like everybody's loss, and a ratio of a group to itself has no error at all."""

    @property
    def change(self) -> float:
        """Challenger's ratio less the champion's."""
        return self.challenger - self.champion

    @property
    def shown_worse(self) -> bool:
        """Whether the group is approved less often beyond chance, next to the reference."""
        return self.difference.high < 0


@dataclass(frozen=True)
class ImpactChange:
    """Every group that was judged, and what was not."""

    shifts: tuple[Shift, ...] = ()
    nobody: tuple[str, ...] = ()
    """Attributes among whose judged groups the challenger would approve nobody, and the champion somebody."""
    not_judged: tuple[str, ...] = ()
    """Groups too small to judge, with their attribute."""

    @property
    def worst(self) -> Shift | None:
        """The group that loses most; of those that lose beyond chance, where there are any."""
        shown = [shift for shift in self.shifts if shift.shown_worse]
        return min(shown or self.shifts, key=lambda shift: shift.change, default=None)


def impact_change(
    groupings: Sequence[Grouping],
    challenger: Flags,
    champion: Flags,
    confidence: float = 0.95,
    customer: NDArray[np.int64] | None = None,
) -> ImpactChange:
    """Compare whom two models would approve, shape (n,) each; ``customer`` where one may have several rows.

    Intervals of one attribute's groups hold together (Bonferroni): of twenty regions one loses by chance alone.
    """
    shifts: list[Shift] = []
    nobody, small = [], []
    for grouping in groupings:
        pair = _Pair(grouping, challenger, champion, customer)
        small += [f"{name} ({grouping.attribute})" for name in grouping.rows if name not in grouping.large]
        new, old = (any(shares[name] for name in grouping.large) for shares in pair.shares)
        if old and not new:
            nobody.append(grouping.attribute)
        if old and new:
            level = 1 - (1 - confidence) / (len(grouping.large) - 1)
            shifts += [pair.shift(name, level) for name in grouping.large]
    return ImpactChange(tuple(shifts), tuple(nobody), tuple(small))


class _Pair:
    """Challenger and champion on the groups of one attribute."""

    def __init__(
        self, grouping: Grouping, challenger: Flags, champion: Flags, customer: NDArray[np.int64] | None
    ) -> None:
        self.grouping, self.flags = grouping, (challenger, champion)
        self._customer = None if customer is None else np.unique(customer, return_inverse=True)[1]
        self.shares = tuple(grouping.shares(flags) for flags in self.flags)
        self._total, self._effective = grouping.sums(grouping.weight), grouping.effective()
        self._place = {name: place for place, name in enumerate(grouping.rows)}

    def shift(self, name: str, confidence: float) -> Shift:
        new, old = self.shares
        own = [max(self.grouping.large, key=shares.__getitem__) for shares in self.shares]
        others = [other for other in self.grouping.large if other != name]
        reference = max(others, key=lambda other: new[other] + old[other])
        both = [self._ratio(name, reference if self.shares[i][reference] else own[i], i) for i in (0, 1)]
        apart = both[0][1] - both[1][1]
        if self._customer is not None:  # rows of one customer are decided alike
            apart = np.bincount(self._customer, apart).astype(np.float64)
        # Half a row more of each pair of answers: with few that differ the plain error is too small (Agresti and Min
        # 2005).
        few = 1 / new[own[0]] / self._effective[name]
        error = math.sqrt(float(apart @ apart) + few**2)
        return Shift(
            attribute=self.grouping.attribute,
            group=name,
            rows=self.grouping.rows[name],
            challenger=new[name] / new[own[0]],
            champion=old[name] / old[own[1]],
            reference=reference,
            difference=around(both[0][0] - both[1][0], error, confidence),
        )

    def _ratio(self, name: str, reference: str, model: int) -> tuple[float, Floats]:
        """A group's ratio to another, and what each row adds to its error, shape (n,), by the first-order expansion."""
        best = self.shares[model][reference]
        ratio = self.shares[model][name] / best
        return ratio, (self._apart(name, model) - ratio * self._apart(reference, model)) / best

    def _apart(self, name: str, model: int) -> Floats:
        """What each row adds to the error of a group's share, shape (n,)."""
        weight = np.where(self.grouping.code == self._place[name], self.grouping.weight, 0.0)
        return np.asarray(weight * (self.flags[model] - self.shares[model][name]) / self._total[name])
