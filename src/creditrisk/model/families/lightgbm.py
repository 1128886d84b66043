"""LightGBM: a challenger of leaf-wise trees, kept as the library's own text file and served by the library.

Contributions are the library's ``pred_contrib``; columns that encode one category are added up. They cost
milliseconds for one row, where the project's own runtimes take microseconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from creditrisk.errors import ModelError
from creditrisk.model.encoding import Encoding, fit_encoding
from creditrisk.model.families.encoded import EncodedModel, capacities
from creditrisk.model.families.threads import threads
from creditrisk.model.family import Fitted, TrainingData
from creditrisk.params import LightgbmParams, ModelParams

if TYPE_CHECKING:
    import lightgbm

TREES_FILE = "model.txt"
PATIENCE = 50
"""Rounds without a better log loss after which early stopping ends."""

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
    library = import_lightgbm()
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
    model = LightgbmModel(data.inputs, encoding, booster.model_to_string(num_iteration=rounds).encode())
    details = {"leaves": settled.lightgbm.leaves, "learning_rate": settled.lightgbm.learning_rate, "trees": rounds}
    return Fitted(model, rounds, details)


def candidates(rows: int, params: ModelParams) -> list[ModelParams]:
    """Capacities worth trying, the likeliest first; what the user fixed stays."""
    return [params.model_copy(update={"lightgbm": one}) for one in capacities(rows, params.lightgbm)]


class LightgbmModel(EncodedModel):
    """A LightGBM booster over encoded inputs."""

    family = "lightgbm"
    trees_file = TREES_FILE

    def _read(self) -> int:
        library = import_lightgbm()
        try:
            self.booster: lightgbm.Booster = library.Booster(model_str=self.trees.decode())
        except library.basic.LightGBMError as error:
            raise ModelError(f"the text of the trees cannot be read by LightGBM: {error}. Train again.") from None
        return int(self.booster.num_feature())

    def _rows(self, matrix: Floats) -> Floats:
        return matrix

    def _raw(self, rows: Floats) -> Floats:
        return np.asarray(self.booster.predict(rows, raw_score=True, num_threads=_threads(rows)), dtype=np.float64)

    def _shap(self, rows: Floats) -> Floats:
        return np.asarray(self.booster.predict(rows, pred_contrib=True, num_threads=_threads(rows)), dtype=np.float64)


def _threads(rows: Floats) -> int:
    """One row is done before a second thread has begun."""
    return 1 if rows.shape[0] == 1 else threads()


def _options(settings: LightgbmParams, encoding: Encoding, seed: int) -> dict[str, Any]:
    return common_options(encoding) | {
        "learning_rate": settings.learning_rate,
        "num_leaves": settings.leaves,
        "min_data_in_leaf": settings.min_rows_in_leaf,
        "feature_fraction": settings.feature_share,
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        "lambda_l2": 1.0,
        "cat_smooth": 10.0,
        "seed": seed,
        "force_row_wise": True,
    }


def common_options(encoding: Encoding) -> dict[str, Any]:
    """What all trees on encoded columns have in common: the loss, repeatable sums, threads, and the directions."""
    options: dict[str, Any] = {
        "objective": "binary",
        "metric": "binary_logloss",
        "deterministic": True,
        "num_threads": threads(),
        "verbosity": -1,
    }
    directions = [column.monotone for column in encoding.columns]
    if any(directions):
        # basic restricts trees more than the direction asks for
        options |= {"monotone_constraints": directions, "monotone_constraints_method": "intermediate"}
    return options


def import_lightgbm() -> Any:
    """The library; ModelError with what to do where it is not installed."""
    try:
        import lightgbm
    except ImportError as error:
        raise ModelError(
            f"LightGBM is not installed ({error}); this model is served by it. Run: uv sync --extra lightgbm."
        ) from None
    return lightgbm
