"""What LightGBM and XGBoost have in common: encoded inputs, the library's own file under a SHA-256, its SHAP values.

Contributions of columns that encode one category are added up. They cost milliseconds for one row, where the project's
own runtimes take microseconds.
"""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from creditrisk.contract import Input
from creditrisk.errors import ModelError
from creditrisk.model.encoding import Encoding
from creditrisk.model.family import MODEL_FILE, SMALL, RowFunction, Value, read_json
from creditrisk.params import LightgbmParams, XgboostParams

if TYPE_CHECKING:
    import polars as pl

Floats = NDArray[np.float64]
Leafwise = TypeVar("Leafwise", LightgbmParams, XgboostParams)


def capacities(rows: int, given: Leafwise) -> list[Leafwise]:
    """Rounds and leaves worth trying on so many rows, the likeliest first; what the user fixed stays."""
    tried = [(200, 7), (200, 4)] if rows <= SMALL else [(600, 12), (1_500, 31)]
    found: list[Leafwise] = []
    for rounds, leaves in tried:
        missing = {"rounds": given.rounds or rounds, "leaves": given.leaves or leaves}
        settled = given.model_copy(update=missing)
        if settled not in found:
            found.append(settled)
    return found


class EncodedModel(ABC):
    """Trees of a library over encoded inputs, kept as the bytes of its own file.

    Args:
        inputs: of the model.
        encoding: from them to the matrix that the trees see.
        trees: the library's own file.
    """

    family: ClassVar[str]
    trees_file: ClassVar[str]

    def __init__(self, inputs: tuple[Input, ...], encoding: Encoding, trees: bytes) -> None:
        self.inputs, self.encoding, self.trees = inputs, encoding, trees
        if self._read() != len(encoding.columns):
            raise ModelError("the trees and the encoding of inputs do not belong together. Train again.")
        # The library's expected value: each tree averaged by the training rows in its leaves.
        self.baseline = float(self._shap(self._rows(np.zeros((1, len(encoding.columns)))))[0, -1])

    @abstractmethod
    def _read(self) -> int:
        """Let the library read ``trees``; the number of columns they see."""

    @abstractmethod
    def _rows(self, matrix: Floats) -> Any:
        """The encoded rows as the library takes them."""

    @abstractmethod
    def _raw(self, rows: Any) -> Floats:
        """Margins, shape (n,)."""

    @abstractmethod
    def _shap(self, rows: Any) -> Floats:
        """Contributions of the columns, the expected value last, shape (n, columns + 1)."""

    def margin(self, table: pl.DataFrame) -> Floats:
        """Log-odds of bad, shape (n,)."""
        matrix = self._matrix(table)
        return self._raw(self._rows(matrix)) if matrix.shape[0] else np.zeros(0)

    def contributions(self, table: pl.DataFrame) -> Floats:
        """What each input adds to the baseline, shape (n, inputs)."""
        return self.explain(table)[1]

    def explain(self, table: pl.DataFrame) -> tuple[Floats, Floats]:
        """Margin (n,) and contributions (n, inputs)."""
        matrix = self._matrix(table)
        return self._explained(matrix) if matrix.shape[0] else (np.zeros(0), np.zeros((0, len(self.inputs))))

    def row(self) -> RowFunction:
        """Compile the path for one row, through the library: milliseconds, nearly all of it for contributions."""

        def score(values: Sequence[Value]) -> tuple[float, Sequence[float]]:
            margin, added = self._explained(np.array([self.encoding.row(values)], dtype=np.float64))
            return float(margin[0]), added[0].tolist()

        return score

    def save(self, folder: Path) -> None:
        """Write the library's own file, and ``model.json`` with the encoding and that file's SHA-256."""
        content = {
            "family": self.family,
            "inputs": [item.model_dump(mode="json") for item in self.inputs],
            "encoding": self.encoding.to_json(),
            "sha256": hashlib.sha256(self.trees).hexdigest(),
        }
        (folder / self.trees_file).write_bytes(self.trees)
        text = json.dumps(content, ensure_ascii=False, allow_nan=False)
        (folder / MODEL_FILE).write_text(text, encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what ``save`` wrote.

        Raises:
            ModelError: a file is absent or changed, or the library is not installed.
        """
        path, place = folder / MODEL_FILE, folder / cls.trees_file
        content = read_json(path)
        try:
            trees = place.read_bytes()
        except OSError as error:
            raise ModelError(f"{place}: cannot be read: {error}. Restore the file or train again.") from None
        # The library's parser trusts its input, so it sees only what was written here.
        if content.get("family") != cls.family or content.get("sha256") != hashlib.sha256(trees).hexdigest():
            raise ModelError(f"{place}: not the trees that {path.name} names; the file was changed. Train again.")
        try:
            inputs = tuple(Input.model_validate(item) for item in content["inputs"])
            encoding = Encoding.from_json(content["encoding"])
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(
                f"{path}: inputs and encoding cannot be read ({type(error).__name__}). Train again."
            ) from None
        return cls(inputs, encoding, trees)

    def _explained(self, matrix: Floats) -> tuple[Floats, Floats]:
        rows = self._rows(matrix)
        return self._raw(rows), self.encoding.sum_by_input(self._shap(rows)[:, :-1])

    def _matrix(self, table: pl.DataFrame) -> Floats:
        names = [item.name for item in self.inputs]
        if table.columns != names:
            raise ModelError(f"table to score: columns are {table.columns}, expected the model's inputs {names}.")
        return self.encoding.matrix(table)
