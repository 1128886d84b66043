"""LightGBM: a challenger of leaf-wise trees, kept as the library's own text file and served by the library.

Contributions are the library's ``pred_contrib``; columns that encode one category are added up. They cost
milliseconds for one row, where the project's own runtimes take microseconds.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from creditrisk.contract import Input
from creditrisk.errors import ModelError
from creditrisk.model.encoding import Encoding, fit_encoding
from creditrisk.model.family import MODEL_FILE, Fitted, RowFunction, TrainingData, Value, read_json
from creditrisk.model.threads import threads
from creditrisk.params import LightgbmParams, ModelParams

if TYPE_CHECKING:
    import lightgbm

TREES_FILE = "model.txt"
PATIENCE = 50
"""Rounds without a better log loss after which early stopping ends."""
SMALL = 3_000
"""Rows up to which a table is small."""

Floats = NDArray[np.float64]


def fit(data: TrainingData, params: ModelParams, seed: int, valid: TrainingData | None = None) -> Fitted:
    """Fit leaf-wise trees.

    Args:
        data: the training rows.
        params: ``lightgbm`` fields that are None get a default by number of rows.
        seed: makes the fit repeatable.
        valid: rows on which early stopping by log loss settles the rounds, up to ``lightgbm.rounds``.

    Raises:
        ModelError: LightGBM is not installed or refuses the rows.
    """
    library = _library()
    settled = candidates(data.table.height, params)[0]
    encoding = fit_encoding(data, settled, seed)
    try:
        train = library.Dataset(encoding.training_matrix, data.y, weight=data.weight, free_raw_data=False)
        held = [] if valid is None else [train.create_valid(encoding.matrix(valid.table), valid.y, weight=valid.weight)]
        booster = library.train(
            _options(settled.lightgbm, encoding, seed),
            train,
            num_boost_round=settled.lightgbm.rounds or 0,
            valid_sets=held,
            callbacks=[library.early_stopping(PATIENCE, verbose=False)] if held else [],
        )
    except library.basic.LightGBMError as error:
        raise ModelError(f"LightGBM cannot be fitted to {data.table.height:,} rows: {error}") from None
    rounds = booster.best_iteration if valid is not None else booster.current_iteration()
    # Through its text, so that what was fitted and what is loaded are one and the same.
    model = LightgbmModel(data.inputs, encoding, booster.model_to_string(num_iteration=rounds))
    details = {"leaves": settled.lightgbm.leaves, "learning_rate": settled.lightgbm.learning_rate, "trees": rounds}
    return Fitted(model, rounds, details)


def candidates(rows: int, params: ModelParams) -> list[ModelParams]:
    """Capacities worth trying, the likeliest first; what the user fixed stays."""
    tried = [(200, 7), (200, 4)] if rows <= SMALL else [(600, 12), (1_500, 31)]
    found: list[LightgbmParams] = []
    for rounds, leaves in tried:
        given = params.lightgbm
        missing = {"rounds": given.rounds or rounds, "leaves": given.leaves or leaves}
        settled = given.model_copy(update=missing)
        if settled not in found:
            found.append(settled)
    return [params.model_copy(update={"lightgbm": settled}) for settled in found]


class LightgbmModel:
    """A LightGBM booster over encoded inputs."""

    family: ClassVar[str] = "lightgbm"

    def __init__(self, inputs: tuple[Input, ...], encoding: Encoding, text: str) -> None:
        library = _library()
        self.inputs, self.encoding, self.text = inputs, encoding, text
        try:
            self.booster: lightgbm.Booster = library.Booster(model_str=text)
        except library.basic.LightGBMError as error:
            raise ModelError(f"the text of the trees cannot be read by LightGBM: {error}. Train again.") from None
        if self.booster.num_feature() != len(encoding.columns):
            raise ModelError("the trees and the encoding of inputs do not belong together. Train again.")
        # The library's expected value: each tree averaged by the training rows in its leaves.
        self.baseline = float(self._shap(np.zeros((1, len(encoding.columns))))[0, -1])

    def margin(self, table: pl.DataFrame) -> Floats:
        """Log-odds of bad, shape (n,)."""
        return self._raw(self._matrix(table))

    def contributions(self, table: pl.DataFrame) -> Floats:
        """What each input adds to the baseline, shape (n, inputs)."""
        return self.encoding.sum_by_input(self._shap(self._matrix(table))[:, :-1])

    def explain(self, table: pl.DataFrame) -> tuple[Floats, Floats]:
        """Margin (n,) and contributions (n, inputs)."""
        matrix = self._matrix(table)
        return self._raw(matrix), self.encoding.sum_by_input(self._shap(matrix)[:, :-1])

    def row(self) -> RowFunction:
        """Compile the path for one row, through the library: milliseconds, nearly all of it for contributions."""

        def score(values: Sequence[Value]) -> tuple[float, Sequence[float]]:
            encoded = np.array([self.encoding.row(values)], dtype=np.float64)
            added = self.encoding.sum_by_input(self._shap(encoded)[:, :-1])
            return float(self._raw(encoded)[0]), added[0].tolist()

        return score

    def save(self, folder: Path) -> None:
        """Write LightGBM's own ``model.txt``, and ``model.json`` with the encoding and the text's SHA-256."""
        content = {
            "family": self.family,
            "inputs": [item.model_dump(mode="json") for item in self.inputs],
            "encoding": self.encoding.to_json(),
            "sha256": _digest(self.text),
        }
        (folder / TREES_FILE).write_text(self.text, encoding="utf-8", newline="\n")
        text = json.dumps(content, ensure_ascii=False, allow_nan=False)
        (folder / MODEL_FILE).write_text(text, encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> LightgbmModel:
        """Read what ``save`` wrote.

        Raises:
            ModelError: a file is absent or changed, or LightGBM is not installed.
        """
        path, trees = folder / MODEL_FILE, folder / TREES_FILE
        content = read_json(path)
        try:
            text = trees.read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise ModelError(f"{trees}: cannot be read: {error}. Restore the file or train again.") from None
        # LightGBM's parser trusts its input, so it sees only what was written here.
        if content.get("family") != cls.family or content.get("sha256") != _digest(text):
            raise ModelError(f"{trees}: not the trees that {path.name} names; the file was changed. Train again.")
        try:
            inputs = tuple(Input.model_validate(item) for item in content["inputs"])
            encoding = Encoding.from_json(content["encoding"])
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(
                f"{path}: inputs and encoding cannot be read ({type(error).__name__}). Train again."
            ) from None
        return cls(inputs, encoding, text)

    def _matrix(self, table: pl.DataFrame) -> Floats:
        names = [item.name for item in self.inputs]
        if table.columns != names:
            raise ModelError(f"table to score: columns are {table.columns}, expected the model's inputs {names}.")
        return self.encoding.matrix(table)

    def _raw(self, matrix: Floats) -> Floats:
        if not matrix.shape[0]:
            return np.zeros(0)
        count = 1 if matrix.shape[0] == 1 else threads()
        return np.asarray(self.booster.predict(matrix, raw_score=True, num_threads=count), dtype=np.float64)

    def _shap(self, matrix: Floats) -> Floats:
        if not matrix.shape[0]:
            return np.zeros((0, matrix.shape[1] + 1))
        count = 1 if matrix.shape[0] == 1 else threads()
        return np.asarray(self.booster.predict(matrix, pred_contrib=True, num_threads=count), dtype=np.float64)


def _options(settings: LightgbmParams, encoding: Encoding, seed: int) -> dict[str, Any]:
    options: dict[str, Any] = {
        "objective": "binary",
        "metric": "binary_logloss",
        "learning_rate": settings.learning_rate,
        "num_leaves": settings.leaves,
        "min_data_in_leaf": settings.min_rows_in_leaf,
        "feature_fraction": settings.feature_share,
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        "lambda_l2": 1.0,
        "cat_smooth": 10.0,
        "seed": seed,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": threads(),
        "verbosity": -1,
    }
    directions = [column.monotone for column in encoding.columns]
    if any(directions):
        # basic restricts trees more than the direction asks for
        options |= {"monotone_constraints": directions, "monotone_constraints_method": "intermediate"}
    return options


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _library() -> Any:
    try:
        import lightgbm
    except ImportError as error:
        raise ModelError(
            f"LightGBM is not installed ({error}); this model is served by it. Run: uv sync --extra lightgbm."
        ) from None
    return lightgbm
