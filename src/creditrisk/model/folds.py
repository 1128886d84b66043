"""Inner folds: stratified, and with all rows of a customer on one side where one may have several.

A model that has seen a customer's other rows knows more of the judged one than it ever will of a new applicant. Judged
so, flexible models look better than they are, and take the place of a glass box that is as good.
"""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from creditrisk.errors import DataError
from creditrisk.model.family import TrainingData
from creditrisk.model.race import Fold, stratified_folds

FEWEST_OF_EACH = 2
"""Rows of each outcome that a fold needs on both of its sides for an AUC with an error."""

Floats = NDArray[np.float64]


def inner_folds(data: TrainingData, count: int, repeats: int, seed: int) -> list[Fold]:
    """Folds of training rows, ``repeats`` times over with new draws.

    Raises:
        DataError: there are fewer customers than folds, or too few of one outcome for a fold.
    """
    customers = data.y.size if data.group is None else np.unique(data.group).size
    if data.group is None or customers == data.y.size:
        return stratified_folds(data.y, count, repeats, seed)
    advice = "Get more rows, lower model.folds, or name model.family and its settings in params.yaml."
    if customers < count:
        raise DataError(
            f"training table: its rows are of {customers} customers, too few for {count} inner folds. {advice}"
        )
    folds = grouped_folds(data.y, data.group, count, repeats, seed)
    for side in (rows for fold in folds for rows in fold):
        fewest = int(min(data.y[side].sum(), (1 - data.y[side]).sum()))
        if fewest < FEWEST_OF_EACH:
            raise DataError(
                f"training table: with a customer's rows together, an inner fold has {fewest} rows of one outcome, "
                f"expected {FEWEST_OF_EACH} or more. {advice}"
            )
    return folds


def grouped_folds(y: Floats, group: NDArray[np.int64], count: int, repeats: int, seed: int) -> list[Fold]:
    """Stratified folds in which all rows of a customer, by its number in ``group`` (n,), lie on one side."""
    from sklearn.model_selection import StratifiedGroupKFold

    found: list[Fold] = []
    for draw in range(repeats):
        splitter = StratifiedGroupKFold(count, shuffle=True, random_state=seed + draw)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # few rows of a class: the callers say it better
            found += list(splitter.split(np.zeros(y.size), y, group))
    return found
