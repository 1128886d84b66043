"""XGBoost: a challenger of leaf-wise trees, kept in the library's own binary JSON and served by the library.

Contributions are the library's ``pred_contribs`` (exact SHAP values); columns that encode one category are added up.
They cost milliseconds for one row, where the project's own runtimes take microseconds.

The library computes in float32: inputs are rounded to it (what it cannot hold is brought to ``LARGEST``), a margin has
its seven digits, and baseline and contributions make the margin to about 3e-6 with 200 trees and to 2e-5 with 1,500,
not to the last bit. The margin is the library's own, since a sum in float32 over trees that follow a direction follows
it too.

XGBoost weighs the nodes of a tree by hessian, so its SHAP values would compare with a mean that leans towards risky
rows. The model is kept with the weights of the training rows in their place, as in the other families: the baseline is
their mean margin.
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
from creditrisk.params import ModelParams, XgboostParams

if TYPE_CHECKING:
    import xgboost

TREES_FILE = "model.ubj"
ALONE = 50_000
"""Threads, and the rows up to which there is one: they wait for each other busily, and where the cores have other
work a round of few rows takes twenty times as long with two."""
PATIENCE = 50
"""Rounds without a better log loss after which early stopping ends."""
SMALL = 3_000
"""Rows up to which a table is small."""
LARGEST = 1e38
"""Numbers beyond are taken for it: float32 must hold a cut above the largest."""
LIGHTEST = 1e-6
"""Weight of a leaf that no training row of any weight reaches; SHAP values divide by it."""

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]


def fit(data: TrainingData, params: ModelParams, seed: int, valid: TrainingData | None = None) -> Fitted:
    """Fit leaf-wise trees.

    Args:
        data: the training rows.
        params: ``xgboost`` fields that are None get a default by number of rows.
        seed: makes the fit repeatable.
        valid: rows on which early stopping by log loss settles the rounds, up to ``xgboost.rounds``.

    Raises:
        ModelError: XGBoost is not installed or refuses the rows.
    """
    library = _library()
    settled = candidates(data.table.height, params)[0]
    encoding = fit_encoding(data, settled, seed)
    threads = _threads(data.table.height)
    try:
        train = _rows(library, encoding.training_matrix, threads, label=data.y, weight=data.weight)
        held = None
        if valid is not None:
            held = _rows(library, encoding.matrix(valid.table), threads, label=valid.y, weight=valid.weight)
        booster = library.train(
            _options(settled.xgboost, encoding, seed) | {"nthread": threads},
            train,
            num_boost_round=settled.xgboost.rounds,
            evals=[] if held is None else [(held, "valid")],
            early_stopping_rounds=None if held is None else PATIENCE,
            verbose_eval=False,
        )
        if held is not None:
            booster = booster[: booster.best_iteration + 1]
        rounds = booster.num_boosted_rounds()
        trees = _weighed(library, booster, train, data.weight)
    except library.core.XGBoostError as error:
        said = str(error).strip().splitlines()[0]
        raise ModelError(f"XGBoost cannot be fitted to {data.table.height:,} rows: {said}") from None
    details = {"leaves": settled.xgboost.leaves, "learning_rate": settled.xgboost.learning_rate, "trees": rounds}
    # Through its bytes, so that what was fitted and what is loaded are one and the same.
    return Fitted(XgboostModel(data.inputs, encoding, trees), rounds, details)


def candidates(rows: int, params: ModelParams) -> list[ModelParams]:
    """Capacities worth trying, the likeliest first; what the user fixed stays."""
    tried = [(200, 7), (200, 4)] if rows <= SMALL else [(600, 12), (1_500, 31)]
    found: list[XgboostParams] = []
    for rounds, leaves in tried:
        given = params.xgboost
        missing = {"rounds": given.rounds or rounds, "leaves": given.leaves or leaves}
        settled = given.model_copy(update=missing)
        if settled not in found:
            found.append(settled)
    return [params.model_copy(update={"xgboost": settled}) for settled in found]


class XgboostModel:
    """An XGBoost booster over encoded inputs."""

    family: ClassVar[str] = "xgboost"

    def __init__(self, inputs: tuple[Input, ...], encoding: Encoding, trees: bytes) -> None:
        self.inputs, self.encoding, self.trees = inputs, encoding, trees
        self._library = _library()
        # Threads belong to a booster; one row is done before a second thread has begun.
        self.booster, self._single = self._read(threads()), self._read(1)
        if self.booster.num_features() != len(encoding.columns):
            raise ModelError("the trees and the encoding of inputs do not belong together. Train again.")
        # The library's expected value: each tree averaged by the training rows in its leaves.
        self.baseline = float(self._shap(self._rows(np.zeros((1, len(encoding.columns)))))[0, -1])

    def margin(self, table: pl.DataFrame) -> Floats:
        """Log-odds of bad, shape (n,)."""
        return self._raw(self._rows(self._matrix(table)))

    def contributions(self, table: pl.DataFrame) -> Floats:
        """What each input adds to the baseline, shape (n, inputs)."""
        return self.encoding.sum_by_input(self._shap(self._rows(self._matrix(table)))[:, :-1])

    def explain(self, table: pl.DataFrame) -> tuple[Floats, Floats]:
        """Margin (n,) and contributions (n, inputs)."""
        rows = self._rows(self._matrix(table))
        return self._raw(rows), self.encoding.sum_by_input(self._shap(rows)[:, :-1])

    def row(self) -> RowFunction:
        """Compile the path for one row, through the library: milliseconds, nearly all of it for contributions."""

        def score(values: Sequence[Value]) -> tuple[float, Sequence[float]]:
            encoded = self._rows(np.array([self.encoding.row(values)], dtype=np.float64))
            added = self.encoding.sum_by_input(self._shap(encoded)[:, :-1])
            return float(self._raw(encoded)[0]), added[0].tolist()

        return score

    def save(self, folder: Path) -> None:
        """Write XGBoost's own ``model.ubj``, and ``model.json`` with the encoding and the trees' SHA-256."""
        content = {
            "family": self.family,
            "inputs": [item.model_dump(mode="json") for item in self.inputs],
            "encoding": self.encoding.to_json(),
            "sha256": _digest(self.trees),
        }
        (folder / TREES_FILE).write_bytes(self.trees)
        text = json.dumps(content, ensure_ascii=False, allow_nan=False)
        (folder / MODEL_FILE).write_text(text, encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> XgboostModel:
        """Read what ``save`` wrote.

        Raises:
            ModelError: a file is absent or changed, or XGBoost is not installed.
        """
        path, trees = folder / MODEL_FILE, folder / TREES_FILE
        content = read_json(path)
        try:
            found = trees.read_bytes()
        except OSError as error:
            raise ModelError(f"{trees}: cannot be read: {error}. Restore the file or train again.") from None
        # XGBoost's parser trusts its input, so it sees only what was written here.
        if content.get("family") != cls.family or content.get("sha256") != _digest(found):
            raise ModelError(f"{trees}: not the trees that {path.name} names; the file was changed. Train again.")
        try:
            inputs = tuple(Input.model_validate(item) for item in content["inputs"])
            encoding = Encoding.from_json(content["encoding"])
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(
                f"{path}: inputs and encoding cannot be read ({type(error).__name__}). Train again."
            ) from None
        return cls(inputs, encoding, found)

    def _read(self, threads: int) -> xgboost.Booster:
        booster = self._library.Booster({"nthread": threads})
        try:
            booster.load_model(bytearray(self.trees))
        except self._library.core.XGBoostError as error:
            said = str(error).strip().splitlines()[0]
            raise ModelError(f"the trees cannot be read by XGBoost: {said}. Train again.") from None
        booster.set_param({"nthread": threads})  # a model that is read resets it
        return booster

    def _matrix(self, table: pl.DataFrame) -> Floats:
        names = [item.name for item in self.inputs]
        if table.columns != names:
            raise ModelError(f"table to score: columns are {table.columns}, expected the model's inputs {names}.")
        return self.encoding.matrix(table)

    def _rows(self, matrix: Floats) -> xgboost.DMatrix:
        return _rows(self._library, matrix, 1 if matrix.shape[0] == 1 else threads())

    def _raw(self, rows: xgboost.DMatrix) -> Floats:
        if not rows.num_row():
            return np.zeros(0)
        return np.asarray(self._for(rows).predict(rows, output_margin=True), dtype=np.float64)

    def _shap(self, rows: xgboost.DMatrix) -> Floats:
        if not rows.num_row():
            return np.zeros((0, len(self.encoding.columns) + 1))
        return np.asarray(self._for(rows).predict(rows, pred_contribs=True), dtype=np.float64)

    def _for(self, rows: xgboost.DMatrix) -> xgboost.Booster:
        return self._single if rows.num_row() == 1 else self.booster


def _rows(library: Any, matrix: Floats, threads: int, **more: Any) -> xgboost.DMatrix:
    """Rows as XGBoost takes them: float32, NaN where missing, nothing infinite."""
    singles: Singles = np.clip(matrix, -LARGEST, LARGEST).astype(np.float32, order="C")
    return library.DMatrix(singles, missing=np.nan, nthread=threads, **more)


def _options(settings: XgboostParams, encoding: Encoding, seed: int) -> dict[str, Any]:
    options: dict[str, Any] = {
        "objective": "binary:logistic",
        "eval_metric": "logloss",
        "tree_method": "hist",
        "grow_policy": "lossguide",
        "max_depth": 0,
        "max_leaves": settings.leaves,
        "learning_rate": settings.learning_rate,
        "min_child_weight": settings.min_child_weight,
        "colsample_bytree": settings.feature_share,
        "subsample": 0.8,
        "reg_lambda": settings.l2,
        "seed": seed,
        "verbosity": 0,
    }
    directions = tuple(column.monotone for column in encoding.columns)
    return options | {"monotone_constraints": directions} if any(directions) else options


def _weighed(library: Any, booster: xgboost.Booster, rows: xgboost.DMatrix, weight: Floats) -> bytes:
    """The model's bytes with the weight of the training rows in each node, where XGBoost keeps their hessian."""
    content = json.loads(bytes(booster.save_raw("json")))
    trees = content["learner"]["gradient_booster"]["model"]["trees"]
    leaves = np.asarray(booster.predict(rows, pred_leaf=True), dtype=np.int64).reshape(weight.size, len(trees))
    for tree, reached in zip(trees, leaves.T, strict=True):
        tree["sum_hessian"] = _node_weights(tree["left_children"], tree["right_children"], reached, weight)
    weighed = library.Booster()
    weighed.load_model(bytearray(json.dumps(content).encode()))
    return bytes(weighed.save_raw("ubj"))


def _node_weights(left: list[int], right: list[int], reached: NDArray[np.int64], weight: Floats) -> list[float]:
    """Weight of the rows that pass each node, from the leaves that they reach."""
    found: list[float] = np.maximum(np.bincount(reached, weight, minlength=len(left)), LIGHTEST).tolist()
    order = [0]
    for node in order:  # grows while it is walked: parents before their children
        if left[node] >= 0:
            order += [left[node], right[node]]
    for node in reversed(order):
        if left[node] >= 0:
            found[node] = found[left[node]] + found[right[node]]
    return found


def _threads(rows: int) -> int:
    return 1 if rows <= ALONE else threads()


def _digest(trees: bytes) -> str:
    return hashlib.sha256(trees).hexdigest()


def _library() -> Any:
    try:
        import xgboost
    except ImportError as error:
        raise ModelError(
            f"XGBoost is not installed ({error}); this model is served by it. Run: uv sync --extra xgboost."
        ) from None
    return xgboost
