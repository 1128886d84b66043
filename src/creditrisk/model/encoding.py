"""Categories as numbers for families without statistics of their own, fitted on the training rows alone.

Few values become one column each; many become their weight of evidence and log frequency. The weight of evidence of
a training row comes from the other folds, so that neither its own outcome nor that of its customer's other rows stands
in its inputs (out-of-fold).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from creditrisk.contract import Input
from creditrisk.errors import ModelError
from creditrisk.model.evidence import category_codes, evidence, frequent_values
from creditrisk.model.family import TrainingData, Value
from creditrisk.params import ModelParams

if TYPE_CHECKING:
    import polars as pl

FOLDS = 5
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class EncodedColumn:
    """One column of the matrix: whose input it is and which way risk must go with it (1, -1, or 0 for free)."""

    name: str
    input_index: int
    monotone: int = 0
    nominal: bool = False
    """Its numbers are codes without an order."""


@dataclass(frozen=True)
class CategoryTable:
    """What each value of a category becomes; shape (len(values) + 2, columns), then unseen, then missing."""

    values: tuple[str, ...]
    numbers: Floats

    def codes(self, column: pl.Series) -> NDArray[np.int64]:
        """Row of ``numbers`` for each value of a text column."""
        return category_codes(column, self.values)


@dataclass(frozen=True)
class Encoding:
    """Fitted rules from inputs to a matrix of numbers, NaN where missing."""

    inputs: tuple[Input, ...]
    columns: tuple[EncodedColumn, ...]
    tables: tuple[CategoryTable | None, ...]
    """By input; None for a number, which stays as it is."""
    training_matrix: Floats = field(repr=False)
    """The training rows, shape (n, len(columns)), weights of evidence out-of-fold; no rows once loaded from JSON."""

    def __post_init__(self) -> None:
        """Prepare what one row needs."""
        rows: list[dict[Value, list[float]] | None] = []
        for table in self.tables:
            if table is None:
                rows.append(None)
                continue
            known: dict[Value, list[float]] = dict(zip(table.values, table.numbers.tolist(), strict=False))
            rows.append(_Rows(known | {None: table.numbers[-1].tolist()}, table.numbers[-2].tolist()))
        object.__setattr__(self, "_rows", tuple(rows))

    def matrix(self, table: pl.DataFrame) -> Floats:
        """Encode new rows; shape (n, len(columns)), column-major."""
        out = np.empty((table.height, len(self.columns)), order="F")
        at = 0
        for item, rule in zip(self.inputs, self.tables, strict=True):
            if rule is None:
                out[:, at] = table[item.name].to_numpy()
                at += 1
                continue
            width = rule.numbers.shape[1]
            out[:, at : at + width] = rule.numbers[rule.codes(table[item.name])]
            at += width
        return out

    def row(self, values: Sequence[Value]) -> list[float]:
        """Encode one row of inputs, as ``matrix`` does."""
        out: list[float] = []
        for value, rows in zip(values, self._rows, strict=True):  # type: ignore[attr-defined]
            if rows is None:
                out.append(math.nan if value is None else float(value))
            else:
                out += rows[value]
        return out

    def sum_by_input(self, contributions: Floats) -> Floats:
        """Contributions of columns (n, len(columns)) -> of inputs (n, len(inputs)): encoded ones are added up."""
        out = np.zeros((contributions.shape[0], len(self.inputs)))
        for at, column in enumerate(self.columns):
            out[:, column.input_index] += contributions[:, at]
        return out

    def to_json(self) -> dict[str, Any]:
        """Everything but the training rows, as plain JSON values."""
        return {
            "inputs": [item.model_dump(mode="json") for item in self.inputs],
            "columns": [[c.name, c.input_index, c.monotone, c.nominal] for c in self.columns],
            "tables": [
                None if table is None else {"values": list(table.values), "numbers": [_plain(r) for r in table.numbers]}
                for table in self.tables
            ],
        }

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Encoding:
        """Read what ``to_json`` gave.

        Raises:
            ModelError: the content is not that.
        """
        try:
            columns = tuple(EncodedColumn(str(n), int(i), int(m), bool(c)) for n, i, m, c in content["columns"])
            tables = tuple(None if item is None else _table(item) for item in content["tables"])
            inputs = tuple(Input.model_validate(item) for item in content["inputs"])
            widths = [1 if table is None else table.numbers.shape[1] for table in tables]
            owners = [i for i, width in enumerate(widths) for _ in range(width)]
            if len(tables) != len(inputs) or owners != [column.input_index for column in columns]:
                raise ValueError("columns, tables and inputs do not belong together")
            if any((item.kind == "number") != (table is None) for item, table in zip(inputs, tables, strict=True)):
                raise ValueError("a number has a table or a category none")
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise ModelError(
                f"the encoding of categories is not one this project wrote: {error}. Train again."
            ) from None
        return cls(inputs, columns, tables, np.empty((0, len(columns))))


class _Rows(dict[Value, list[float]]):
    """Numbers by value; a value never seen gets those of the rare ones."""

    def __init__(self, known: dict[Value, list[float]], unseen: list[float]) -> None:
        super().__init__(known)
        self.unseen = unseen

    def __missing__(self, key: Value) -> list[float]:
        return self.unseen


def fit_encoding(data: TrainingData, params: ModelParams, seed: int, *, one_hot: bool = True) -> Encoding:
    """Learn the encoding from training rows.

    Args:
        data: the training rows.
        params: ``encoding`` gives the limits; where ``monotone`` is false no column gets a direction.
        seed: of the folds for out-of-fold weights of evidence.
        one_hot: a category of few values becomes a column for each; if false, one column of nominal codes.
    """
    columns: list[EncodedColumn] = []
    tables: list[CategoryTable | None] = []
    parts: list[Floats] = []
    for index, item in enumerate(data.inputs):
        series = data.table[item.name]
        direction = {"increasing": 1, "decreasing": -1, None: 0}[item.monotone if params.monotone else None]
        if item.kind == "number":
            columns.append(EncodedColumn(item.name, index, direction))
            tables.append(None)
            parts.append(series.to_numpy().astype(np.float64)[:, None])
            continue
        added, table, training = _fit_category(data, index, params, seed, one_hot, direction)
        columns += added
        tables.append(table)
        parts.append(training)
    return Encoding(data.inputs, tuple(columns), tuple(tables), np.asfortranarray(np.hstack(parts)))


def _fit_category(
    data: TrainingData, index: int, params: ModelParams, seed: int, one_hot: bool, direction: int
) -> tuple[list[EncodedColumn], CategoryTable, Floats]:
    item = data.inputs[index]
    series = data.table[item.name]
    if item.ordered:
        table = _ordinal(item.values)
        return [EncodedColumn(item.name, index, direction)], table, table.numbers[table.codes(series)]
    values = frequent_values(series, params.encoding.min_rows, data.group)
    codes = category_codes(series, values)
    if len(values) > params.encoding.one_hot_up_to:
        table, training = _woe(data, values, codes, seed + index)
        kinds = ("weight of evidence", "log frequency")
        return [EncodedColumn(f"{item.name} ({kind})", index) for kind in kinds], table, training
    there = np.bincount(codes, minlength=len(values) + 2) > 0
    if one_hot and there.any():
        table = CategoryTable(values, np.eye(len(values) + 2)[:, there])
        labels = [f"= {v}" for v in values] + ["= other", "is missing"]
        names = tuple(f"{item.name} {label}" for label, seen in zip(labels, there, strict=True) if seen)
        return [EncodedColumn(name, index) for name in names], table, table.numbers[codes]
    table = CategoryTable(values, np.arange(len(values) + 2, dtype=np.float64)[:, None])
    return [EncodedColumn(item.name, index, nominal=True)], table, table.numbers[codes]


def _ordinal(values: tuple[str, ...]) -> CategoryTable:
    places = [*range(len(values)), math.nan, math.nan]
    return CategoryTable(values, np.array(places, dtype=np.float64)[:, None])


def _woe(
    data: TrainingData, values: tuple[str, ...], codes: NDArray[np.int64], seed: int
) -> tuple[CategoryTable, Floats]:
    fold = _folds(data, seed)
    size = len(values) + 2
    frequency = np.log1p(np.bincount(codes, minlength=size))
    table = CategoryTable(values, np.column_stack([evidence(codes, data.y, data.weight, size), frequency]))
    training = table.numbers[codes]
    for part in range(FOLDS):
        held = fold == part
        training[held, 0] = evidence(codes[~held], data.y[~held], data.weight[~held], size)[codes[held]]
    return table, training


def _folds(data: TrainingData, seed: int) -> NDArray[np.int64]:
    """The fold of each row, shape (n,); a customer's rows are of one, as their outcomes are alike."""
    random = np.random.default_rng(seed)
    if data.group is None:
        return random.permutation(data.y.size) % FOLDS
    customers, place = np.unique(data.group, return_inverse=True)
    folds: NDArray[np.int64] = (random.permutation(customers.size) % FOLDS)[place]
    return folds


def _plain(numbers: Iterable[float]) -> list[float | None]:
    return [None if math.isnan(number) else float(number) for number in numbers]


def _table(content: dict[str, Any]) -> CategoryTable:
    values = tuple(content["values"])
    numbers = np.array([[math.nan if n is None else n for n in row] for row in content["numbers"]], dtype=np.float64)
    if numbers.ndim != 2 or numbers.shape[0] != len(values) + 2 or np.isinf(numbers).any():
        raise ValueError("a table has not one row for each value, unseen and missing")
    if len(set(values)) != len(values) or not all(isinstance(value, str) for value in values):
        raise ValueError("a table's values are not distinct texts")
    return CategoryTable(values, numbers)
