"""CatBoost with oblivious trees: fitted by the library, served by ``creditrisk.model.oblivious.runtime``.

Categories go in as codes of the model's own vocabulary (rare values pooled, the missing one a value of its own), and
CatBoost asks for single values where there are few, and keeps its own statistics of one category each where there are
many. The library's own file is not kept: it holds the time of the fit and a random identifier, and the bundle of an
equal model should be equal.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import catboost
import numpy as np
import pandas as pd

from creditrisk.contract import LARGEST
from creditrisk.errors import ModelError
from creditrisk.model.categories import Vocabulary
from creditrisk.model.families.catboost_export import read_export
from creditrisk.model.families.threads import threads
from creditrisk.model.family import SMALL, Fitted, TrainingData
from creditrisk.model.oblivious.runtime import ObliviousModel
from creditrisk.params import CatboostParams, ModelParams

PATIENCE = 40
"""Rounds without a better log loss after which early stopping ends, at the least."""
MEDIUM = 60_000
"""Training rows up to which a table is of medium size."""
BORDERS, BORDERS_WITH_DIRECTIONS = 128, 64
"""Borders of a number. With directions the time of a round goes with their count, and the accuracy does not."""
INPUT_SHARE_SMALL = 0.5
"""Share of the inputs that each split of a small table's trees chooses from."""
CHECKED_ROWS = 2_000
"""Training rows on which the runtime is held to CatBoost's own margins after each fit."""


def fit(data: TrainingData, params: ModelParams, seed: int, valid: TrainingData | None = None) -> Fitted:
    """Fit oblivious trees.

    Args:
        data: the training rows.
        params: ``catboost`` fields that are None get a default by number of rows.
        seed: makes the fit repeatable.
        valid: rows on which early stopping by log loss settles the rounds, up to ``catboost.rounds``.

    Raises:
        ModelError: CatBoost refuses the rows, or its model is not what the runtime gives.
    """
    chosen = _settled(data.table.height, params.catboost)
    vocabularies = _vocabularies(data, params)
    pool = _pool(data, vocabularies)
    options = _options(data, params, chosen, seed)
    library = catboost.CatBoost(options)
    try:
        if valid is None:
            library.fit(pool)
        else:
            patience = max(PATIENCE, (chosen.rounds or 0) // 10)
            library.fit(pool, eval_set=_pool(valid, vocabularies), early_stopping_rounds=patience, use_best_model=True)
    except catboost.CatBoostError as error:
        raise ModelError(f"CatBoost cannot be fitted to {data.table.height:,} rows: {_first_line(error)}") from None
    forest, categories = read_export(_export(library, pool), len(data.inputs), vocabularies)
    model = ObliviousModel(data.inputs, forest, categories)
    _check_against(library, model, data, vocabularies)
    details = {
        "depth": chosen.depth,
        "learning_rate": chosen.learning_rate,
        "trees": forest.trees,
        "category_values_kept": {data.inputs[place].name: len(item.values) for place, item in vocabularies.items()},
    }
    return Fitted(model, forest.trees, details)


def candidates(rows: int, params: ModelParams) -> list[ModelParams]:
    """Capacities worth trying, the likeliest first, rounds as the most that early stopping may take.

    What the user fixed stays.
    """
    small = [(300, 4, 0.04), (300, 3, 0.04), (600, 6, 0.04)]
    tried = small if rows <= SMALL else [(1_500, 5, 0.04), (2_000, 7, 0.05)]
    found = []
    for rounds, depth, rate in tried:
        settled = _fill(params.catboost, CatboostParams(rounds=rounds, depth=depth, learning_rate=rate))
        if settled not in found:
            found.append(settled)
    return [params.model_copy(update={"catboost": settled}) for settled in found]


def _settled(rows: int, params: CatboostParams) -> CatboostParams:
    """Defaults by number of rows for what neither params nor inner folds settled."""
    rounds, depth = (300, 4) if rows <= SMALL else (600, 5) if rows <= MEDIUM else (1_000, 5)
    return _fill(params, CatboostParams(rounds=rounds, depth=depth, learning_rate=0.04 if rows <= SMALL else 0.03))


def _fill(given: CatboostParams, default: CatboostParams) -> CatboostParams:
    missing = {name: getattr(default, name) for name, value in given if value is None}
    return given.model_copy(update=missing)


def _vocabularies(data: TrainingData, params: ModelParams) -> dict[int, Vocabulary]:
    """By input; an ordered category has the contract's list, another one the values that are not too rare."""
    return {
        place: Vocabulary(item.values)
        if item.ordered
        else Vocabulary.learn(data.table[item.name], params.encoding.min_rows, data.group)
        for place, item in enumerate(data.inputs)
        if item.kind == "category"
    }


def _options(data: TrainingData, params: ModelParams, chosen: CatboostParams, seed: int) -> dict[str, Any]:
    options: dict[str, Any] = {
        "loss_function": "Logloss",
        "iterations": chosen.rounds,
        "depth": chosen.depth,
        "learning_rate": chosen.learning_rate,
        "l2_leaf_reg": chosen.l2_leaf_reg,
        "grow_policy": "SymmetricTree",
        "boosting_type": "Plain",
        "border_count": BORDERS,
        "nan_mode": "Min",
        "max_ctr_complexity": 1,
        "one_hot_max_size": params.encoding.one_hot_up_to,
        "rsm": INPUT_SHARE_SMALL if data.table.height <= SMALL else 1.0,
        "random_seed": seed,
        "thread_count": threads(),
        "allow_writing_files": False,
        "logging_level": "Silent",
    }
    signs = {"increasing": 1, "decreasing": -1}
    # A category without an order has none that a direction could follow.
    directions = {
        place: signs[item.monotone]
        for place, item in enumerate(data.inputs)
        if item.monotone is not None and (item.kind == "number" or item.ordered)
    }
    if params.monotone and directions:
        options |= {"monotone_constraints": directions, "border_count": BORDERS_WITH_DIRECTIONS}
    return options


def _pool(data: TrainingData, vocabularies: dict[int, Vocabulary]) -> catboost.Pool:
    return catboost.Pool(
        _frame(data, vocabularies),
        data.y,
        weight=data.weight,
        cat_features=[place for place in vocabularies if not data.inputs[place].ordered],
    )


def _frame(data: TrainingData, vocabularies: dict[int, Vocabulary]) -> pd.DataFrame:
    """Numbers and ordered categories as float32, missing as NaN; other categories as codes."""
    columns: dict[str, Any] = {}
    for place, item in enumerate(data.inputs):
        series = data.table[item.name]
        if place not in vocabularies:
            numbers = series.fill_null(float("nan")).to_numpy()
            columns[item.name] = np.clip(numbers, -LARGEST, LARGEST).astype(np.float32)
            continue
        codes = vocabularies[place].codes(series)
        columns[item.name] = vocabularies[place].order()[codes] if item.ordered else codes
    return pd.DataFrame(columns)


def _export(library: catboost.CatBoost, pool: catboost.Pool) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.json"
        library.save_model(str(path), format="json", pool=pool)
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def _check_against(
    library: catboost.CatBoost, model: ObliviousModel, data: TrainingData, vocabularies: dict[int, Vocabulary]
) -> None:
    """What is served must be what was fitted: another release of CatBoost may count or hash otherwise."""
    part = data.take(np.arange(min(CHECKED_ROWS, data.table.height)))
    theirs = library.predict(_frame(part, vocabularies), prediction_type="RawFormulaVal", thread_count=threads())
    difference = float(np.abs(theirs - model.margin(part.table)).max())
    if difference != 0.0:
        raise ModelError(
            f"the runtime's margins differ from those of CatBoost {catboost.__version__} by up to {difference:.3g}; "
            "expected none. Use the release of CatBoost that the project's lock file names."
        )


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0].split(": ", 1)[-1]
