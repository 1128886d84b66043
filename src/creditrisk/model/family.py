"""What every model family has in common: its data, its model's protocol, and how one is fitted or loaded."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self, cast

import numpy as np
from numpy.typing import NDArray

from creditrisk.contract import Input
from creditrisk.errors import DataError, ModelError, nearest
from creditrisk.params import FAMILIES, ModelParams

if TYPE_CHECKING:
    import polars as pl

MODEL_FILE = "model.json"
MAX_JSON_BYTES = 500_000_000
SMALL = 3_000
"""Training rows up to which a table is small: simpler models suit it, and fits are cheap."""

Value = float | str | None
"""One input of one row: a number, a category's text, or None where missing."""
RowFunction = Callable[[Sequence[Value]], tuple[float, Sequence[float]]]
"""One row of inputs -> margin and contributions."""

_RUNTIMES: dict[str, tuple[str, str]] = {
    "scorecard": ("creditrisk.model.additive.runtime", "ScorecardModel"),
    "ebm": ("creditrisk.model.additive.runtime", "EbmModel"),
    "catboost": ("creditrisk.model.oblivious.runtime", "ObliviousModel"),
    "lightgbm": ("creditrisk.model.families.lightgbm", "LightgbmModel"),
    "xgboost": ("creditrisk.model.families.xgboost", "XgboostModel"),
    "blend": ("creditrisk.model.blended", "BlendModel"),
}
"""Module and class that serve a family; imported when a model of it is loaded."""


@dataclass(frozen=True)
class TrainingData:
    """Rows to learn from: inputs, outcome (1.0 bad, 0.0 good) and weights (ones where the contract has none)."""

    table: pl.DataFrame
    y: NDArray[np.float64]
    weight: NDArray[np.float64]
    inputs: tuple[Input, ...]
    group: NDArray[np.int64] | None = None
    """A number for the customer of each row, where one may have several: folds keep a customer's rows together."""

    def __post_init__(self) -> None:
        """Refuse tables that do not belong together."""
        names = [item.name for item in self.inputs]
        if self.table.columns != names:
            raise DataError(f"training table: columns are {self.table.columns}, expected the model's inputs {names}.")
        if self.y.shape != (self.table.height,) or self.weight.shape != (self.table.height,):
            raise DataError(
                f"training table: {self.table.height:,} rows, but {self.y.size:,} outcomes "
                f"and {self.weight.size:,} weights."
            )
        if self.group is not None and self.group.shape != self.y.shape:
            raise DataError(
                f"training table: {self.table.height:,} rows, but {self.group.size:,} customers; one for each row."
            )

    def counted(self) -> TrainingData:
        """The rows of weight above 0: the others say nothing, and would be counted as outcomes that there are not."""
        return self if (self.weight != 0).all() else self.take(np.flatnonzero(self.weight))

    def relative(self) -> TrainingData:
        """The rows with weights of mean 1: a weight says how much a row counts beside others, in whatever unit.

        Penalties, priors and least rows of a leaf, all of which are held against sums of weights, then mean rows.
        """
        mean = float(self.weight.mean())
        return self if mean == 1.0 else replace(self, weight=self.weight / mean)

    def take(self, rows: NDArray[np.int64]) -> TrainingData:
        """The rows with these numbers (from 0), in their order."""
        group = None if self.group is None else self.group[rows]
        return TrainingData(self.table[rows], self.y[rows], self.weight[rows], self.inputs, group)


class Model(Protocol):
    """A fitted model. The row function gives bit for bit what ``margin`` and ``contributions`` give for a table."""

    family: ClassVar[str]
    inputs: tuple[Input, ...]
    baseline: float
    """Mean margin of the training rows."""

    def margin(self, table: pl.DataFrame) -> NDArray[np.float64]:
        """Log-odds of bad, shape (n,)."""
        ...

    def contributions(self, table: pl.DataFrame) -> NDArray[np.float64]:
        """What each input adds to the baseline, shape (n, len(inputs)); row sums and baseline make the margin."""
        ...

    def explain(self, table: pl.DataFrame) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Margin and contributions, in one pass where the model can."""
        ...

    def row(self) -> RowFunction:
        """Compile the path for one row."""
        ...

    def save(self, folder: Path) -> None:
        """Write native or JSON files and ``model.json`` with ``{"family": ...}`` into an existing folder."""
        ...

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what ``save`` wrote; ModelError where the files are not that."""
        ...


@dataclass(frozen=True)
class Fitted:
    """A model, the rounds it took (None where it has none) and JSON-able facts worth tracking."""

    model: Model
    rounds: int | None
    details: dict[str, Any] = field(default_factory=dict)


def fit_family(
    family: str, data: TrainingData, params: ModelParams, seed: int, valid: TrainingData | None = None
) -> Fitted:
    """Fit one family.

    Args:
        family: one of ``params.FAMILIES``.
        data: the training rows; those of weight 0 say nothing and are left out, as not every library takes them, and
            the other weights count relative to their mean.
        params: fields of ``params.<family>`` that are None get a default by number of rows; where it has a limit of
            its own for one-hot encoding, this stands in place of ``encoding``'s.
        seed: makes the fit repeatable.
        valid: rows on which the number of rounds is settled by log loss; reported in ``Fitted.rounds``.

    Raises:
        ModelError: the family is unknown or cannot be fitted; DataError: the rows cannot be learned from.
    """
    _check_family(family, "model.family")
    _check_weights(data)
    data = data.counted().relative()
    _check_outcomes(data)
    module = importlib.import_module(f"creditrisk.model.families.{family}")
    return cast(Fitted, module.fit(data, params.for_family(family), seed, valid))


def candidates(family: str, rows: int, params: ModelParams) -> list[ModelParams]:
    """Two or three capacities of a family worth trying on ``rows`` rows; what the user fixed stays."""
    _check_family(family, "model.family")
    module = importlib.import_module(f"creditrisk.model.families.{family}")
    return cast(list[ModelParams], module.candidates(rows, params))


def load_model(folder: Path) -> Model:
    """Read a saved model of any family.

    Raises:
        ModelError: the folder holds none, its family is unknown, or its files are not what they must be.
    """
    path = folder / MODEL_FILE
    content = read_json(path)
    family = content.get("family")
    _check_family(family, str(path))
    module, name = _RUNTIMES[str(family)]
    return cast(Model, getattr(importlib.import_module(module), name).load(folder))


def read_json(path: Path) -> dict[str, Any]:
    """Read a model's JSON object.

    Raises:
        ModelError: the file is absent, too large, or no JSON object.
    """
    try:
        if path.stat().st_size > MAX_JSON_BYTES:
            raise ModelError(f"{path}: larger than any model this project writes; refused.")
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(f"{path}: no such file, so no model is there. Train one with main.py run.") from None
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{path}: cannot be read as JSON: {error}. Restore the file or train again.") from None
    if not isinstance(content, dict):
        raise ModelError(f"{path}: expected a JSON object, found {type(content).__name__}. Train again.")
    return content


def _check_family(family: object, where: str) -> None:
    if family not in FAMILIES:
        hint = nearest(str(family), FAMILIES)
        raise ModelError(f"{where}: unknown family {family!r}.{hint} Known families: {', '.join(FAMILIES)}.")


def _check_weights(data: TrainingData) -> None:
    if data.table.height == 0 or not data.inputs:
        raise DataError(f"training table: {data.table.height:,} rows, {len(data.inputs)} inputs: nothing to learn.")
    if not (np.isfinite(data.weight).all() and (data.weight >= 0).all() and data.weight.sum() > 0):
        raise DataError("training table: a weight is missing, infinite or negative, or all are 0; check the column.")


def _check_outcomes(data: TrainingData) -> None:
    if not np.isin(data.y, (0.0, 1.0)).all():
        raise DataError("training table: outcomes other than 1 (bad) and 0 (good); check the contract's target.")
    bad = float(data.y.mean())
    if bad in (0.0, 1.0):
        only = "bad" if bad else "good"
        raise DataError(
            f"training table: all {data.table.height:,} rows are {only}; a model needs both outcomes. "
            "Check target.bad and target.good in the contract."
        )
