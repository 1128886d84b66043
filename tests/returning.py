"""Customers who come again, for tests of standard errors: rows that tell less than those of as many customers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from creditrisk.contract import Input
from creditrisk.model.family import TrainingData
from creditrisk.model.race import Fold

Floats = NDArray[np.float64]
CUSTOMERS, LOANS, FOLDS, DRAWS = 200, 4, 3, 2
INPUTS = tuple(Input(name=name, kind="number", title=name.title()) for name in ("one", "other"))


@dataclass(frozen=True)
class Returning:
    """Margins of two families that know as much, and folds, drawn twice, that keep customers together."""

    data: TrainingData
    folds: tuple[Fold, ...]

    def margins(self, name: str) -> list[Floats]:
        """Of a family, for the judged rows of each fold."""
        return [self.data.table[name].to_numpy()[judged] for _, judged in self.folds]


def returning(seed: int, loans: int = LOANS) -> Returning:
    """Nine in ten of a customer's outcomes are the same, and what a family errs in a customer is, too."""
    random = np.random.default_rng(seed)
    customer = np.repeat(np.arange(CUSTOMERS), loans)
    true = random.normal(size=CUSTOMERS)
    risk = 1 / (1 + np.exp(1 - true))
    own, anew = random.random(CUSTOMERS) < risk, random.random(customer.size) < risk[customer]
    y = np.where(random.random(customer.size) < 0.9, own[customer], anew).astype(np.float64)
    table = pl.DataFrame(
        {
            item.name: (true + 0.5 * random.normal(size=CUSTOMERS))[customer] + 0.1 * random.normal(size=y.size)
            for item in INPUTS
        }
    )
    folds: list[Fold] = []
    for _ in range(DRAWS):
        part = (random.permutation(CUSTOMERS) % FOLDS)[customer]
        folds += [(np.flatnonzero(part != number), np.flatnonzero(part == number)) for number in range(FOLDS)]
    return Returning(TrainingData(table, y, np.ones(y.size), INPUTS, customer), tuple(folds))
