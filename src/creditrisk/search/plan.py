"""The rows and folds that all trials of a study share, and a fingerprint that tells one study's rows from another's.

Folds are stratified, and rows of one customer stay together where there may be several; where the portfolio has dates
they expand by time instead, as the pipeline's own split does, each judged on the applications that follow its training
rows and are of other customers. Where nearly all who follow are known ones, customers are parted in place of periods.
The test part is never among them.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from creditrisk.errors import DataError
from creditrisk.model.customers import Indexes, customers_of_folds
from creditrisk.model.family import SMALL, TrainingData
from creditrisk.model.folds import grouped_folds
from creditrisk.model.race import Fold, repetition, stratified_folds, stratified_sample
from creditrisk.search.space import Search

BY_TIME = "expanding by time"
FIRST_SHARE = 0.4
"""Share of the rows, the earliest, that the first of the expanding folds trains on."""
MIN_CLASS_ROWS = 5
"""Rows of each class that a fold needs on both of its sides."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Plan:
    """What every trial is fitted and judged on."""

    data: TrainingData
    folds: tuple[Fold, ...]
    kind: str
    """``BY_TIME``, ``stratified``, or ``stratified, customers together``."""
    rows: int
    """Training rows there are; ``data`` may hold a part of them."""
    fingerprint: str
    draw: int
    """Folds that part the rows once; where folds are drawn again the next ones part the same rows anew."""

    @property
    def truths(self) -> list[tuple[Floats, Floats]]:
        """Outcome and weight of the judged rows of each fold."""
        return [(self.data.y[judged], self.data.weight[judged]) for _, judged in self.folds]

    @property
    def customers(self) -> list[Indexes] | None:
        """Customers of the judged rows of each fold, beside ``truths``; None where each has one row."""
        return customers_of_folds(self.data.group, [judged for _, judged in self.folds])

    @property
    def widening(self) -> float:
        """By how much standard errors over all folds widen because rows are judged more than once."""
        return repetition(len(self.folds), self.draw)

    def others(self, number: int) -> list[int]:
        """Folds that may decide something about this one: of its draw, and by time the earlier ones alone.

        None of their judged rows is one of its own.
        """
        if self.kind == BY_TIME:
            return list(range(number))
        first = number - number % self.draw
        return [place for place in range(first, min(first + self.draw, len(self.folds))) if place != number]

    @property
    def growth(self) -> float:
        """How many times more rows the final fit has than a fold's training part has on average."""
        return self.rows / float(np.mean([train.size for train, _ in self.folds]))


def make_plan(
    data: TrainingData, search: Search, seed: int, dates: pl.Series | None = None, groups: pl.Series | None = None
) -> Plan:
    """Draw rows and folds.

    Args:
        data: the training rows.
        search: how many rows and folds.
        seed: makes the draw repeatable.
        dates: days of application, where the portfolio has them, shape (n,).
        groups: the customer of each row, where one may have several, shape (n,).

    Raises:
        DataError: a fold has too few rows of one class.
    """
    weighty = np.flatnonzero(data.weight)  # rows without weight say nothing
    chosen = weighty[stratified_sample(data.y[weighty], search.rows, seed)]
    sample = data.take(chosen)
    small = sample.table.height <= SMALL
    count, repeats = (search.small_folds, search.small_repeats) if small else (search.folds, 1)
    by_time = None if dates is None else expanding_folds(dates[chosen], search.folds)
    if by_time is not None and groups is not None:
        by_time = _of_new_customers(sample.y, by_time, groups[chosen])
    if by_time is not None:
        count, kind, folds = search.folds, BY_TIME, by_time
    elif groups is not None:
        kind, folds = "stratified, customers together", _by_customer(sample.y, groups[chosen], count, repeats, seed)
    else:
        kind, folds = "stratified", stratified_folds(sample.y, count, repeats, seed)
    _check(sample.y, folds, kind)
    return Plan(sample, tuple(folds), kind, weighty.size, _fingerprint(sample, folds), count)


def expanding_folds(dates: pl.Series, count: int) -> list[Fold]:
    """Folds by time: each trains on all rows before its judged period; rows of one day stay together.

    The first trains on the earliest 40 % of the rows; the rest is cut into ``count`` periods of about equal rows.

    Raises:
        DataError: there are too few different days, or a day is missing.
    """
    if dates.null_count():
        raise DataError(f"training rows: {dates.null_count():,} have no application date; folds by time need them all.")
    days, place = np.unique(dates.to_numpy(), return_inverse=True)
    before = np.cumsum(np.bincount(place))[:-1] / place.size  # share of rows up to each day
    wanted = FIRST_SHARE + (1 - FIRST_SHARE) * np.arange(count) / count
    cuts: list[int] = []
    for left, share in zip(range(count, 0, -1), wanted, strict=True):
        if days.size <= count:
            break
        nearest = int(np.abs(before - share).argmin()) + 1
        cuts.append(min(max(nearest, cuts[-1] + 1 if cuts else 1), days.size - left))
    if not cuts:
        raise DataError(
            f"training rows: their {days.size} different application dates are too few for {count} folds by time. "
            "Lower folds in 3.experiments/search.yaml, or bring more periods."
        )
    ends = [*cuts[1:], days.size]
    return [
        (np.flatnonzero(place < start), np.flatnonzero((place >= start) & (place < end)))
        for start, end in zip(cuts, ends, strict=True)
    ]


def _of_new_customers(y: Floats, folds: list[Fold], groups: pl.Series) -> list[Fold] | None:
    """Folds by time without the later applications of customers who stand in the training part, as the split has it.

    None where that leaves too few of an outcome: where most customers come again, only folds by customer can be had.
    """
    _, keys = np.unique(groups.cast(pl.String).fill_null("").to_numpy(), return_inverse=True)
    found = [(train, judged[~np.isin(keys[judged], keys[train])]) for train, judged in folds]
    before, after = (min(min(y[judged].sum(), (1 - y[judged]).sum()) for _, judged in some) for some in (folds, found))
    return None if after < MIN_CLASS_ROWS <= before else found


def _by_customer(y: Floats, groups: pl.Series, count: int, repeats: int, seed: int) -> list[Fold]:
    if groups.null_count() or groups.n_unique() < count:
        raise DataError(
            f"training rows: {groups.n_unique():,} different customers, {groups.null_count():,} rows without one; "
            f"{count} folds by customer need a customer for each row and {count} of them at least. Check group in the "
            "contract, or lower folds in 3.experiments/search.yaml."
        )
    _, keys = np.unique(groups.cast(pl.String).to_numpy(), return_inverse=True)
    return grouped_folds(y, keys, count, repeats, seed)


def _check(y: Floats, folds: list[Fold], kind: str) -> None:
    for number, sides in enumerate(folds, 1):
        for side, rows in zip(("training", "judged"), sides, strict=True):
            bad = int(y[rows].sum())
            if min(bad, rows.size - bad) < MIN_CLASS_ROWS:
                raise DataError(
                    f"fold {number} of {len(folds)} ({kind}): its {side} rows are {rows.size - bad:,} good and {bad:,} "
                    f"bad; at least {MIN_CLASS_ROWS} of each are needed. Lower folds in 3.experiments/search.yaml, or "
                    "bring more rows."
                )


def _fingerprint(data: TrainingData, folds: list[Fold]) -> str:
    """Sixteen hexadecimal digits that change with the rows, the inputs and the folds."""
    digest = hashlib.sha256()
    inputs: list[Any] = [item.model_dump(mode="json") for item in data.inputs]
    digest.update(json.dumps(inputs, sort_keys=True).encode())
    digest.update(data.table.write_csv().encode() + data.y.tobytes() + data.weight.tobytes())
    for train, judged in folds:
        digest.update(train.tobytes() + judged.tobytes())
    return digest.hexdigest()[:16]
