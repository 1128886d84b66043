"""A race of model settings over inner folds: what falls clearly behind drops out, what the time does not hold is said.

Log loss tells settings apart with less noise than AUC, so it decides who drops out and how many rounds are best; AUC
is what people compare families by, so it comes with its own standard error (DeLong et al. 1988, on paired rows). Where
a customer has several rows, errors count customers.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from creditrisk.model.customers import Indexes, covariance_of_aucs, customers_of_folds, pooled, variance_of_sum
from creditrisk.model.family import TrainingData, fit_family
from creditrisk.params import ModelParams
from creditrisk.progress import bar

BEHIND = 2.0
"""Standard errors of the paired log loss by which one must trail the leader to drop out."""
GUESS = 1.5
"""How much longer a setting may take than the one before it of its family, until it has been timed."""

Floats = NDArray[np.float64]
Fold = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Row numbers to fit on, and to judge on."""
Truth = tuple[Floats, Floats]
"""Outcome and weight of the judged rows of a fold."""
Customers = Sequence[Indexes] | None
"""Customers of the judged rows of each fold, as ``customers_of_folds`` numbers them; None where each has one row."""


@dataclass
class Entrant:
    """One setting of one family, and how it did on each fold so far."""

    family: str
    params: ModelParams
    """As tried in the race."""
    final: ModelParams
    """As it would be fitted in the end."""
    stops_early: bool
    """Whether the judged rows settle its rounds."""
    margins: list[Floats] = field(default_factory=list)
    rounds: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    out: str = ""
    """Why it stopped before the end, empty while it runs."""

    @property
    def folds(self) -> int:
        """How many folds it has run."""
        return len(self.margins)


class Race:
    """Entrants on the same folds.

    Args:
        data: the rows.
        folds: row numbers to fit and to judge on, in the order they are run.
        entrants: in the order they are run, the most valuable first.
        budget: seconds after which no further fit is begun; the first entrant's first fold always runs.
        clock: a monotonic time in seconds.
        draw: folds that part the rows once, where they are drawn again; None where they are not.
    """

    def __init__(
        self,
        data: TrainingData,
        folds: Sequence[Fold],
        entrants: Sequence[Entrant],
        budget: float,
        clock: Callable[[], float] = time.monotonic,
        draw: int | None = None,
    ) -> None:
        self.data, self.folds, self.entrants, self.budget, self.clock = data, folds, entrants, budget, clock
        self.draw = draw
        self.truth = [(data.y[judge], data.weight[judge]) for _, judge in folds]
        self.customers = customers_of_folds(data.group, [judge for _, judge in folds])

    def run(self, seed: int) -> None:
        """Run fold by fold until every fold is done, one entrant is left with two folds, or the time is spent."""
        start = self.clock()
        with bar("model search", self.budget) as progress:
            for number in range(len(self.folds)):
                if number >= 2 and len(self.running()) == 1:
                    return
                for entrant in self.running():
                    left = self.budget - (self.clock() - start)
                    if self._expected(entrant) > left and any(other.folds for other in self.entrants):
                        entrant.out = f"left out for time after {entrant.folds} of {len(self.folds)} folds"
                        continue
                    self._fit(entrant, number, seed)
                    progress.advance(entrant.seconds[-1], f"{entrant.family}, fold {number + 1}")
                if number + 1 < len(self.folds):
                    self._drop(number + 1)

    def running(self) -> list[Entrant]:
        """Entrants that have not dropped out."""
        return [entrant for entrant in self.entrants if not entrant.out]

    def losses(self, entrant: Entrant, folds: int) -> tuple[Floats, Floats]:
        """Log loss of each judged row of the first ``folds`` folds, and its weight."""
        return row_losses(entrant.margins[:folds], self.truth)

    def log_loss(self, entrant: Entrant, folds: int) -> tuple[float, float]:
        """Mean log loss over the first ``folds`` folds and its standard error."""
        return self._mean(*self.losses(entrant, folds), folds)

    def auc(self, entrant: Entrant, folds: int) -> tuple[float, float]:
        """Mean AUC of the first ``folds`` folds and its standard error."""
        return self._widened(mean_auc(entrant.margins[:folds], self.truth, self.customers), folds)

    def auc_gain(self, entrant: Entrant, over: Entrant, folds: int) -> tuple[float, float]:
        """Mean AUC of one above another's on the same rows, and the standard error of that difference."""
        return self._widened(mean_auc_gain(entrant.margins[:folds], over.margins, self.truth, self.customers), folds)

    def _mean(self, values: Floats, weight: Floats, folds: int) -> tuple[float, float]:
        return self._widened(mean_and_error(values, weight, pooled(self.customers, folds)), folds)

    def _widened(self, found: tuple[float, float], folds: int) -> tuple[float, float]:
        return found[0], found[1] * repetition(folds, self.draw)

    def _expected(self, entrant: Entrant) -> float:
        if entrant.seconds:
            return entrant.seconds[-1]
        before = [other.seconds[-1] for other in self.entrants if other.family == entrant.family and other.seconds]
        return GUESS * before[-1] if before else 0.0

    def _fit(self, entrant: Entrant, number: int, seed: int) -> None:
        began = self.clock()
        rows, judged = (self.data.take(part) for part in self.folds[number])
        valid = judged if entrant.stops_early else None
        fitted = fit_family(entrant.family, rows, entrant.params, seed, valid)
        entrant.margins.append(fitted.model.margin(judged.table))
        if fitted.rounds is not None:
            entrant.rounds.append(fitted.rounds)
        entrant.seconds.append(self.clock() - began)

    def _drop(self, done: int) -> None:
        there = [entrant for entrant in self.running() if entrant.folds == done]
        if not there:
            return
        leader = min(there, key=lambda entrant: self.log_loss(entrant, done)[0])
        best, weight = self.losses(leader, done)
        for entrant in there:
            behind, error = self._mean(self.losses(entrant, done)[0] - best, weight, done)
            if entrant is not leader and behind > BEHIND * error:
                entrant.out = f"clearly behind in log loss after {done} of {len(self.folds)} folds"


def stratified_folds(y: Floats, count: int, repeats: int, seed: int) -> list[Fold]:
    """Folds with the same share of bad rows in each, ``repeats`` times over with new draws."""
    random = np.random.default_rng(seed)
    folds: list[Fold] = []
    for _ in range(repeats):
        order = random.permutation(y.size)
        order = order[np.argsort(y[order], kind="stable")]
        part = np.empty(y.size, dtype=np.int64)
        part[order] = np.arange(y.size) % count
        folds += [(np.flatnonzero(part != number), np.flatnonzero(part == number)) for number in range(count)]
    return folds


def stratified_sample(y: Floats, size: int, seed: int) -> NDArray[np.int64]:
    """Row numbers of at most ``size`` rows, the share of bad rows kept, in their order."""
    if y.size <= size:
        return np.arange(y.size)
    random = np.random.default_rng(seed)
    parts = [random.permutation(np.flatnonzero(y == outcome)) for outcome in (0.0, 1.0)]
    return np.sort(np.concatenate([part[: max(1, round(size * part.size / y.size))] for part in parts]))


def placements(margin: Floats, y: Floats, weight: Floats) -> tuple[Floats, Floats]:
    """DeLong's structural components: for each bad row the share of good rows below it, for each good of bad above.

    Shares are of the rows' weight.
    """
    _, place = np.unique(margin, return_inverse=True)
    bad = y == 1.0
    of_bad, of_good = (np.bincount(place[kind], weight[kind], place.max() + 1) for kind in (bad, ~bad))
    below = (np.cumsum(of_good) - of_good / 2) / of_good.sum()
    above = 1.0 - (np.cumsum(of_bad) - of_bad / 2) / of_bad.sum()
    return below[place[bad]], above[place[~bad]]


def repetition(folds: int, draw: int | None) -> float:
    """By how much standard errors widen where folds are drawn again: the same rows judged twice tell little more.

    Args:
        folds: that were run.
        draw: folds that part the rows once; None where they are not drawn again.
    """
    return 1.0 if draw is None else math.sqrt(max(1.0, folds / draw))


def row_losses(margins: Sequence[Floats], truths: Sequence[Truth]) -> tuple[Floats, Floats]:
    """Log loss of each judged row of the folds that ``margins`` has, and its weight."""
    margin = np.concatenate(margins)
    y, weight = (np.concatenate(parts) for parts in zip(*truths[: len(margins)], strict=True))
    return np.logaddexp(0.0, margin) - y * margin, weight


def mean_auc(margins: Sequence[Floats], truths: Sequence[Truth], customers: Customers = None) -> tuple[float, float]:
    """Mean AUC, of weighted rows, of the folds that ``margins`` has, and its standard error."""
    found = [_parts(margin, truth) for margin, truth in zip(margins, truths, strict=False)]
    return _mean_of(found, truths, customers)


def mean_auc_gain(
    ours: Sequence[Floats], theirs: Sequence[Floats], truths: Sequence[Truth], customers: Customers = None
) -> tuple[float, float]:
    """Mean AUC of one above another's on the same weighted rows, and the standard error of that difference."""
    parts = []
    for one, other, truth in zip(ours, theirs, truths, strict=False):
        both = zip(_parts(one, truth), _parts(other, truth), strict=True)
        parts.append([(a - b, weight) for (a, weight), (b, _) in both])
    return _mean_of(parts, truths, customers)


def mean_and_error(values: Floats, weight: Floats, customers: Indexes | None = None) -> tuple[float, float]:
    """Weighted mean and its standard error, by customers where these are given, shape (n,)."""
    mean = float(np.average(values, weights=weight))
    if customers is None:
        return mean, float(np.sqrt((weight**2 * (values - mean) ** 2).sum()) / weight.sum())
    return mean, math.sqrt(variance_of_sum(weight / weight.sum() * (values - mean), customers))


def _parts(margin: Floats, truth: Truth) -> list[tuple[Floats, Floats]]:
    """Components and weights of the bad rows, and of the good ones."""
    y, weight = truth
    of_bad, of_good = placements(margin, y, weight)
    return [(of_bad, weight[y == 1.0]), (of_good, weight[y != 1.0])]


def _mean_of(
    folds: Sequence[Sequence[tuple[Floats, Floats]]], truths: Sequence[Truth], customers: Customers
) -> tuple[float, float]:
    """Mean of several folds' AUCs (or their differences) from their components, and its standard error."""
    if customers is None:
        variance = sum(_variance(values, weight) for parts in folds for values, weight in parts)
    else:
        of_folds = zip(folds, truths, customers, strict=False)
        variance = sum(_variance_by_customer(parts, y == 1.0, who) for parts, (y, _), who in of_folds)
    means = [np.average(values, weights=weight) for (values, weight), _ in folds]
    return float(np.mean(means)), float(np.sqrt(variance)) / len(folds)


def _variance(values: Floats, weight: Floats) -> float:
    """Of a weighted mean."""
    apart = (values - np.average(values, weights=weight)) * weight
    return float(apart @ apart) / float(weight.sum()) ** 2 * values.size / (values.size - 1)


def _variance_by_customer(parts: Sequence[tuple[Floats, Floats]], bad: NDArray[np.bool_], customers: Indexes) -> float:
    """Of a fold's AUC, or of a difference of two."""
    sides = zip(parts, (customers[bad], customers[~bad]), strict=True)
    of_bad, of_good = ((values[None], weight, who) for (values, weight), who in sides)
    return float(covariance_of_aucs(of_bad, of_good)[0, 0])
