"""Tables for the tests of the glass-box models."""

from __future__ import annotations

import numpy as np
import polars as pl

from creditrisk.contract import Input
from creditrisk.model.family import TrainingData, Value

TOWNS = 60
INPUTS = (
    Input(name="income", kind="number", title="Income", unit="EUR", monotone="decreasing"),
    Input(name="age", kind="number", title="Age"),
    Input(name="arrears", kind="number", title="Arrears", monotone="increasing"),
    Input(name="home", kind="category", title="Home", values=("own", "rent", "other")),
    Input(
        name="savings",
        kind="category",
        title="Savings",
        values=("none", "some", "much"),
        ordered=True,
        monotone="decreasing",
    ),
    Input(name="town", kind="category", title="Town"),
    Input(name="constant", kind="number", title="Constant"),
    Input(name="empty", kind="number", title="Empty"),
)


def make_data(rows: int = 1_500, seed: int = 0, weighted: bool = False) -> TrainingData:
    """Loans with missing values, a pair, an ordered category, a column of many values, dull ones."""
    random = np.random.default_rng(seed)
    income = np.exp(random.normal(10, 0.5, rows))
    age = random.integers(18, 80, rows).astype(float)
    arrears = random.poisson(0.4, rows).astype(float)
    home = random.choice(["own", "rent", "other"], rows, p=[0.5, 0.4, 0.1])
    savings = random.integers(0, 3, rows)
    town = random.zipf(1.3, rows) % TOWNS
    risk = -1.2 - 0.8 * (np.log(income) - 10) + 0.9 * arrears - 0.5 * savings + 0.8 * np.sin(town)
    risk += 0.6 * (home == "rent") * (age < 30) - 0.01 * (age - 45)
    y = (random.random(rows) < 1 / (1 + np.exp(-risk))).astype(float)
    table = pl.DataFrame(
        {
            "income": _with_gaps(pl.Series(income), random, 0.1),
            "age": pl.Series(age),
            "arrears": _with_gaps(pl.Series(arrears), random, 0.05),
            "home": _with_gaps(pl.Series(home), random, 0.02),
            "savings": _with_gaps(pl.Series(np.array(["none", "some", "much"])[savings]), random, 0.1),
            "town": _with_gaps(pl.Series([f"town {t}" for t in town]), random, 0.03),
            "constant": pl.Series(np.ones(rows)),
            "empty": pl.Series([None] * rows, dtype=pl.Float64),
        }
    )
    weight = random.uniform(0.5, 2.0, rows) if weighted else np.ones(rows)
    return TrainingData(table, y, weight, INPUTS)


def odd_rows() -> list[list[Value]]:
    """Rows at the edges: nothing known, never seen, extremes, minus zero, infinite, not a number."""
    return [
        [None] * 8,
        [0.0, 18.0, 0.0, "castle", "none", "Atlantis", 1.0, 5.0],
        [1e308, -1e308, 99.0, "", "", "", -0.0, None],
        [-1e308, 5e-324, -0.0, "own", "much", "town 1", 2.0, 0.0],
        [float("inf"), float("-inf"), float("nan"), "rent", None, None, None, None],
    ]


def as_table(rows: list[list[Value]]) -> pl.DataFrame:
    """Rows of inputs as a table."""
    schema = {item.name: pl.Float64 if item.kind == "number" else pl.String for item in INPUTS}
    return pl.DataFrame(rows, schema=schema, orient="row", strict=False)


def _with_gaps(series: pl.Series, random: np.random.Generator, share: float) -> pl.Series:
    gaps = pl.Series(random.random(series.len()) < share)
    return series.zip_with(~gaps, pl.Series([None] * series.len(), dtype=series.dtype))
