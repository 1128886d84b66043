"""The runtime of oblivious trees: margin and exact SHAP contributions with NumPy alone.

A category becomes its statistics by a dictionary, a tree a leaf number by a few comparisons, a leaf number a value and
the SHAP values of the tree's inputs by a table. Margins are CatBoost's to the last bit; contributions are its
ShapValues to rounding. One row and a table of rows are added up in the same order, tree by tree, so they agree exactly.
"""

from __future__ import annotations

import json
import zipfile
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from creditrisk.contract import Input
from creditrisk.errors import ModelError
from creditrisk.model.categories import Statistics
from creditrisk.model.family import MODEL_FILE, RowFunction, read_json
from creditrisk.model.oblivious.forest import Forest
from creditrisk.model.oblivious.row import compile_row
from creditrisk.model.oblivious.shap_table import players_of, shap_table
from creditrisk.model.oblivious.table import Block, TreesOfTable, parts_of_inputs

if TYPE_CHECKING:
    import polars as pl

TREES_FILE = "trees.npz"
FORMAT = 1
Floats = NDArray[np.float64]


class ObliviousModel:
    """Oblivious trees over numbers and the statistics of categories."""

    family: ClassVar[str] = "catboost"

    def __init__(self, inputs: tuple[Input, ...], forest: Forest, categories: tuple[Statistics, ...]) -> None:
        self.inputs, self.forest, self.categories = inputs, forest, categories
        owners = [*range(len(inputs)), *(item.input for item in categories for _ in range(item.width))]
        self.slots = len(owners)
        levels = forest.level_slots()
        level_inputs = np.where(levels < 0, -1, np.array(owners, dtype=np.int64)[levels])
        self._players, self._owner = players_of(level_inputs)
        self.baseline = forest.mean_margin()

    @cached_property
    def _shap(self) -> Floats:
        """SHAP values by tree, leaf and player; worked out on first use."""
        forest = self.forest
        return shap_table(forest.values, forest.weights, self._owner, self._players.shape[1])

    @cached_property
    def _of_table(self) -> TreesOfTable:
        """The trees made ready for tables; worked out on first use."""
        return TreesOfTable(self.forest)

    @cached_property
    def _parts(self) -> list[Block]:
        """What they add to each input; apart, since training asks for margins alone."""
        return parts_of_inputs(len(self.inputs), self._players, self._shap)

    def margin(self, table: pl.DataFrame) -> Floats:
        """Log-odds of bad, shape (n,)."""
        return self._of_table.margin(self._matrix(table)) + self.forest.bias

    def contributions(self, table: pl.DataFrame) -> Floats:
        """What each input adds to the baseline, shape (n, inputs); all statistics of a category are its own."""
        return self.explain(table)[1]

    def explain(self, table: pl.DataFrame) -> tuple[Floats, Floats]:
        """Margin (n,) and contributions (n, inputs); each row's leaf numbers are worked out once."""
        margin, contributions = self._of_table.explain(self._matrix(table), self._parts, len(self.inputs))
        return margin + self.forest.bias, contributions.T

    def row(self) -> RowFunction:
        """Compile the path for one row."""
        return compile_row(self.inputs, self.forest, self.categories, self._players, self._shap)

    def save(self, folder: Path) -> None:
        """Write ``trees.npz`` (the trees as plain arrays) and ``model.json`` (inputs and categories)."""
        content = {
            "family": self.family,
            "format": FORMAT,
            "inputs": [item.model_dump(mode="json") for item in self.inputs],
            "categories": [item.to_json() for item in self.categories],
        }
        np.savez_compressed(folder / TREES_FILE, allow_pickle=False, **self.forest.arrays())
        text = json.dumps(content, ensure_ascii=False, allow_nan=False)
        (folder / MODEL_FILE).write_text(text, encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> ObliviousModel:
        """Read what ``save`` wrote.

        Raises:
            ModelError: a file is absent or is not what ``save`` writes.
        """
        path = folder / MODEL_FILE
        content = read_json(path)
        if content.get("family") != cls.family or content.get("format") != FORMAT:
            raise ModelError(f"{path}: expected a {cls.family} model in format {FORMAT}. Train again.")
        try:
            inputs = tuple(Input.model_validate(item) for item in content["inputs"])
            described = list(content["categories"])
        except (KeyError, TypeError, ValidationError) as error:
            raise ModelError(
                f"{path}: inputs and categories cannot be read ({type(error).__name__}). Train again."
            ) from None
        kinds = [item.kind for item in inputs]
        categories = tuple(Statistics.from_json(item, kinds, str(path)) for item in described)
        slots = len(inputs) + sum(item.width for item in categories)
        return cls(
            inputs, Forest.from_arrays(_arrays(folder / TREES_FILE), slots, str(folder / TREES_FILE)), categories
        )

    def _matrix(self, table: pl.DataFrame) -> Floats:
        """Rows as numbers, shape (slots, n): inputs in order (a category's place is empty), then statistics."""
        import polars as pl

        names = [item.name for item in self.inputs]
        if table.columns != names:
            raise ModelError(f"table to score: columns are {table.columns}, expected the model's inputs {names}.")
        out = np.full((self.slots, table.height), np.nan)
        for place, given in enumerate(self.inputs):
            if given.kind == "number":
                out[place] = table[given.name].cast(pl.Float64).to_numpy()
        codes = table.select(
            item.vocabulary.code(pl.col(names[item.input])).alias(str(place))
            for place, item in enumerate(self.categories)
        )
        start = len(self.inputs)
        for item, found in zip(self.categories, codes.get_columns(), strict=True):
            for numbers in item.numbers.T:
                numbers.take(found.to_numpy(), out=out[start], mode="clip")
                start += 1
        return out


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Read a file of plain arrays; objects are refused, so nothing in it can run."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except FileNotFoundError:
        raise ModelError(f"{path}: no such file, so the model is incomplete. Train again.") from None
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zipfile.LargeZipFile) as error:
        raise ModelError(f"{path}: cannot be read as plain arrays: {error}. Restore the file or train again.") from None
