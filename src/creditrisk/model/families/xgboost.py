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

import json
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from creditrisk.contract import LARGEST
from creditrisk.errors import ModelError
from creditrisk.model.encoding import Encoding, fit_encoding
from creditrisk.model.families.encoded import EncodedModel, capacities
from creditrisk.model.families.threads import threads
from creditrisk.model.family import Fitted, TrainingData
from creditrisk.params import ModelParams, XgboostParams

if TYPE_CHECKING:
    import xgboost

TREES_FILE = "model.ubj"
ALONE = 50_000
"""Threads, and the rows up to which there is one: they wait for each other busily, and where the cores have other
work a round of few rows takes twenty times as long with two."""
PATIENCE = 50
"""Rounds without a better log loss after which early stopping ends."""
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
    return [params.model_copy(update={"xgboost": one}) for one in capacities(rows, params.xgboost)]


class XgboostModel(EncodedModel):
    """An XGBoost booster over encoded inputs."""

    family = "xgboost"
    trees_file = TREES_FILE

    def _read(self) -> int:
        self._library = _library()
        # Threads belong to a booster; one row is done before a second thread has begun.
        self.booster, self._single = self._booster(threads()), self._booster(1)
        return int(self.booster.num_features())

    def _booster(self, count: int) -> xgboost.Booster:
        booster = self._library.Booster({"nthread": count})
        try:
            booster.load_model(bytearray(self.trees))
        except self._library.core.XGBoostError as error:
            said = str(error).strip().splitlines()[0]
            raise ModelError(f"the trees cannot be read by XGBoost: {said}. Train again.") from None
        booster.set_param({"nthread": count})  # a model that is read resets it
        return booster

    def _rows(self, matrix: Floats) -> xgboost.DMatrix:
        return _rows(self._library, matrix, 1 if matrix.shape[0] == 1 else threads())

    def _raw(self, rows: xgboost.DMatrix) -> Floats:
        return np.asarray(self._for(rows).predict(rows, output_margin=True), dtype=np.float64)

    def _shap(self, rows: xgboost.DMatrix) -> Floats:
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


def _library() -> Any:
    try:
        import xgboost
    except ImportError as error:
        raise ModelError(
            f"XGBoost is not installed ({error}); this model is served by it. Run: uv sync --extra xgboost."
        ) from None
    return xgboost
