"""Rows with a direction, categories and gaps, for tests of trees over encoded inputs."""

from __future__ import annotations

import numpy as np
import polars as pl

from creditrisk.contract import Input
from creditrisk.model.family import TrainingData
from creditrisk.params import LightgbmParams, ModelParams, XgboostParams

INPUTS = (
    Input(name="amount", kind="number", title="Amount", monotone="increasing"),
    Input(name="purpose", kind="category", title="Purpose"),
    Input(name="city", kind="category", title="City"),
    Input(name="income", kind="number", title="Income"),
)


def make_data(rows: int = 2_000, seed: int = 0) -> TrainingData:
    random = np.random.default_rng(seed)
    amount, income = random.normal(size=rows), random.normal(size=rows)
    purpose, city = random.integers(3, size=rows), random.integers(60, size=rows)
    margin = amount + (purpose == 1) * income + np.sin(city) - 1
    table = pl.DataFrame(
        {
            "amount": amount,
            "purpose": [f"p{code}" for code in purpose],
            "city": [None if code == 7 else f"c{code}" for code in city],
            "income": [None if random.random() < 0.1 else float(value) for value in income],
        }
    )
    y = (random.random(rows) < 1 / (1 + np.exp(-margin))).astype(np.float64)
    return TrainingData(table, y, random.uniform(0.5, 2, rows), INPUTS)


PARAMS = ModelParams(
    lightgbm=LightgbmParams(rounds=40, leaves=8), xgboost=XgboostParams(rounds=40, leaves=8, min_child_weight=1.0)
)
DATA = make_data()
