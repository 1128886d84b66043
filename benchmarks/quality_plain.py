"""What a careful analyst would fit without this project: a tuned LightGBM and a logistic regression on raw columns."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Predict = Callable[[pl.DataFrame], Floats]
TUNING_SHARE = 0.85
MIN_ROWS = 20
"""Rows below which a category's value is pooled."""


class Frame:
    """Raw columns as pandas has them: numbers, days as numbers, categories by the values of the training rows."""

    def __init__(self, train: pl.DataFrame) -> None:
        self.values: dict[str, list[str]] = {}
        for name, kind in train.schema.items():
            if kind == pl.String:
                counts = train[name].drop_nulls().value_counts(name="rows").filter(pl.col("rows") >= MIN_ROWS)
                self.values[name] = sorted(counts[name].to_list())

    def __call__(self, table: pl.DataFrame) -> pd.DataFrame:
        """The columns of a table."""
        columns: dict[str, Any] = {}
        for name, kind in table.schema.items():
            if name in self.values:
                columns[name] = pd.Categorical(table[name].to_list(), categories=self.values[name])
            elif kind == pl.Date:
                columns[name] = table[name].cast(pl.Int32).cast(pl.Float64).to_numpy()
            else:
                columns[name] = table[name].cast(pl.Float64).to_numpy()
        return pd.DataFrame(columns)


def plain_lightgbm(train: pl.DataFrame, y: Floats, seconds: float) -> tuple[Predict, int]:
    """LightGBM with its own categories, tuned by Optuna on three stratified folds for most of the time."""
    import lightgbm
    import optuna
    from sklearn.model_selection import StratifiedKFold

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    frame = Frame(train)
    data = frame(train)
    began = time.perf_counter()
    folds = list(StratifiedKFold(3, shuffle=True, random_state=0).split(data, y))

    def options(trial: Any) -> dict[str, Any]:
        return {
            "objective": "binary",
            "metric": "binary_logloss",
            "verbosity": -1,
            "num_threads": 2,
            "seed": 0,
            "learning_rate": trial.suggest_float("learning_rate", 0.01, 0.1, log=True),
            "num_leaves": trial.suggest_int("num_leaves", 4, 63, log=True),
            "min_data_in_leaf": trial.suggest_int("min_data_in_leaf", 5, 200, log=True),
            "feature_fraction": trial.suggest_float("feature_fraction", 0.3, 1.0),
            "bagging_fraction": trial.suggest_float("bagging_fraction", 0.5, 1.0),
            "bagging_freq": 1,
            "lambda_l2": trial.suggest_float("lambda_l2", 0.1, 30.0, log=True),
            "cat_smooth": trial.suggest_float("cat_smooth", 1.0, 100.0, log=True),
        }

    def objective(trial: optuna.Trial) -> float:
        losses, rounds = [], []
        for fit, judge in folds:
            booster = lightgbm.train(
                options(trial),
                lightgbm.Dataset(data.iloc[fit], y[fit]),
                2_000,
                valid_sets=[lightgbm.Dataset(data.iloc[judge], y[judge])],
                callbacks=[lightgbm.early_stopping(50, verbose=False)],
            )
            losses.append(booster.best_score["valid_0"]["binary_logloss"])
            rounds.append(booster.best_iteration)
            if time.perf_counter() - began > TUNING_SHARE * seconds:
                break
        trial.set_user_attr("rounds", float(np.mean(rounds)))
        return float(np.mean(losses))

    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0))
    study.optimize(objective, timeout=TUNING_SHARE * seconds)
    rounds = max(10, round(study.best_trial.user_attrs["rounds"]))
    chosen = options(optuna.trial.FixedTrial(study.best_params))
    booster = lightgbm.train(chosen, lightgbm.Dataset(data, y), rounds)
    size = len(booster.model_to_string().encode())
    return lambda table: np.asarray(booster.predict(frame(table), num_threads=2)), size


def logistic_regression(train: pl.DataFrame, y: Floats, seconds: float) -> tuple[Predict, int]:
    """One-hot categories, quantile-scaled numbers with missing as a column of its own, penalty by cross-validation."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, QuantileTransformer

    numbers = [name for name, kind in train.schema.items() if kind != pl.String]
    texts = [name for name, kind in train.schema.items() if kind == pl.String]
    scale = make_pipeline(
        SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True),
        QuantileTransformer(output_distribution="normal", random_state=0, n_quantiles=min(1000, train.height)),
    )
    hot = OneHotEncoder(min_frequency=MIN_ROWS, handle_unknown="infrequent_if_exist")
    model = make_pipeline(
        ColumnTransformer([("numbers", scale, numbers), ("texts", hot, texts)]), LogisticRegression(max_iter=2_000)
    )
    search = GridSearchCV(
        model, {"logisticregression__C": [0.01, 0.03, 0.1, 0.3, 1.0, 3.0]}, scoring="neg_log_loss", cv=3
    )

    def frame(table: pl.DataFrame) -> pd.DataFrame:
        days = [pl.col(n).cast(pl.Int32).cast(pl.Float64) for n, kind in table.schema.items() if kind == pl.Date]
        plain = table.with_columns(days)
        columns = {n: plain[n].to_numpy() for n in numbers} | {n: plain[n].fill_null("").to_list() for n in texts}
        return pd.DataFrame({n: pd.Series(v, dtype=object if n in texts else float) for n, v in columns.items()})

    search.fit(frame(train), y)
    coefficients = search.best_estimator_[-1].coef_
    return lambda table: search.predict_proba(frame(table))[:, 1], 8 * int(coefficients.size)
