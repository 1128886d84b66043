"""One application to PD, score and reasons, in process: microseconds, medians of several rounds.

    uv run python benchmarks/row.py [--rounds N]

20 numbers, 10 categories and 25 characteristics make 55 model inputs. The compiled path is ``Scorer.score_row`` on a
dictionary of JSON values; next to it the same scorer on a Polars frame of one row, and what most people would
write: pandas for the characteristics, a scikit-learn pipeline, LightGBM of 500 trees and its TreeSHAP. All take turns
in each round, so that a machine that slows down slows all of them. The processor's own time, all threads together, is
given next to the clock's: it leaves out the time in which the machine did other people's work.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl

from creditrisk.contract import TARGET, Contract
from creditrisk.data.characteristics import add_characteristics
from creditrisk.data.cleaning.clean_scoring import clean_scoring
from creditrisk.decision import Policy
from creditrisk.model.calibration import fit_calibrator
from creditrisk.model.family import TrainingData, fit_family
from creditrisk.model.reference import make_reference
from creditrisk.model.scorer import Scorer
from creditrisk.params import ModelParams, PolicyParams
from creditrisk.pipeline.train_model import training_data

NUMBERS, CATEGORIES, VALUES = 20, 10, 8
ROWS = 8_000
TREES, DEPTH = 500, 6
FAMILIES = ("scorecard", "ebm", "catboost")


def contract() -> Contract:
    """Thirty raw columns and twenty-five characteristics of the usual kinds."""
    numbers = {f"n{i}": {"type": "number", "min": -1e9, "max": 1e9} for i in range(NUMBERS)}
    values = [f"v{i}" for i in range(VALUES)]
    categories = {f"c{i}": {"type": "category", "values": values} for i in range(CATEGORIES)}
    ratios = {f"ratio{i}": f"n{i} / NULLIF(n{i + 1}, 0)" for i in range(8)}
    logs = {f"log{i}": f"LN(ABS(n{i}) + 1)" for i in range(6)}
    sums = {f"sum{i}": f"COALESCE(n{i}, 0) + COALESCE(n{i + 3}, 0) - n{i + 5}" for i in range(6)}
    cases = {f"case{i}": f"CASE WHEN c{i} IN ('v0', 'v3') AND n{i} > 0 THEN n{i} * 2 ELSE 0 END" for i in range(5)}
    sql = ratios | logs | sums | cases
    return Contract.model_validate(
        {
            "name": "bench",
            "title": "Bench",
            "source": {"url": "none.csv"},
            "target": {"column": "y", "bad": [1], "good": [0]},
            "columns": numbers | categories,
            "characteristics": {name: {"sql": text, "reason": f"{name} is unusual"} for name, text in sql.items()},
        }
    )


def table(rows: int = ROWS, seed: int = 0) -> pl.DataFrame:
    """Raw applications with an outcome that depends on a dozen of the columns."""
    random = np.random.default_rng(seed)
    numbers = {f"n{i}": random.normal(0, 1 + i % 4, rows).round(4) for i in range(NUMBERS)}
    categories = {f"c{i}": [f"v{v}" for v in random.integers(0, VALUES, rows)] for i in range(CATEGORIES)}
    frame = pl.DataFrame({**numbers, **categories})
    risk = sum(numbers[f"n{i}"] / (1 + i % 4) for i in range(8)) + 2 * (frame["c0"] == "v3").to_numpy() - 2
    bad = random.random(rows) < 1 / (1 + np.exp(-risk))
    return frame.with_columns(pl.Series("y", bad.astype(np.int64)))


def scorer_of(family: str, small: Contract, data: TrainingData) -> Scorer:
    """A scorer of a family, as train_model puts it together."""
    params = ModelParams.model_validate(
        {
            "family": family,
            "catboost": {"rounds": TREES, "depth": DEPTH, "learning_rate": 0.05},
            "ebm": {"interactions": 15},
        }
    )
    model = fit_family(family, data, params, seed=0).model
    margin = model.margin(data.table)
    calibrator = fit_calibrator("platt", margin, data.y, data.weight, 0)
    reference = make_reference(data, calibrator.pd_vector(margin), 5)
    return Scorer(small, model, calibrator, Policy.make(PolicyParams(), float(data.y.mean())), reference)


def pandas_way(raw: pl.DataFrame) -> Callable[[dict[str, Any]], Any]:
    """What most people would write, fitted; returns a function from one application to PD and SHAP values."""
    from lightgbm import LGBMClassifier
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OneHotEncoder

    def characteristics(frame: pd.DataFrame) -> pd.DataFrame:
        frame = frame.copy()
        for i in range(8):
            frame[f"ratio{i}"] = frame[f"n{i}"] / frame[f"n{i + 1}"].replace(0, np.nan)
        for i in range(6):
            frame[f"log{i}"] = np.log(frame[f"n{i}"].abs() + 1)
            frame[f"sum{i}"] = frame[f"n{i}"].fillna(0) + frame[f"n{i + 3}"].fillna(0) - frame[f"n{i + 5}"]
        for i in range(5):
            chosen = frame[f"c{i}"].isin(["v0", "v3"]) & (frame[f"n{i}"] > 0)
            frame[f"case{i}"] = np.where(chosen, frame[f"n{i}"] * 2, 0)
        return frame

    frame = characteristics(raw.drop("y").to_pandas())
    numbers = [name for name in map(str, frame) if not name.startswith("c") or name.startswith("case")]
    encode = ColumnTransformer(
        [
            ("numbers", SimpleImputer(), numbers),
            (
                "categories",
                OneHotEncoder(handle_unknown="ignore", sparse_output=False),
                [f"c{i}" for i in range(CATEGORIES)],
            ),
        ]
    ).set_output(transform="pandas")
    model = LGBMClassifier(
        n_estimators=TREES, num_leaves=2**DEPTH, min_child_samples=5, learning_rate=0.05, n_jobs=1, verbose=-1
    )
    pipeline = Pipeline([("encode", encode), ("model", model)]).fit(frame, raw["y"].to_numpy())

    def score(row: dict[str, Any]) -> Any:
        one = encode.transform(characteristics(pd.DataFrame([row])))
        shap = model.predict(one, pred_contrib=True)
        return pipeline[-1].predict_proba(one)[0, 1], np.argsort(-shap[0, :-1])[:4]

    return score


def timed(work: Callable[[], Any], times: int) -> tuple[float, float]:
    """Microseconds for one call, by the clock and of the processor."""
    began, spent = time.perf_counter(), time.process_time()
    for _ in range(times):
        work()
    return (time.perf_counter() - began) / times * 1e6, (time.process_time() - spent) / times * 1e6


def main() -> None:
    """Fit, take turns, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    small, raw = contract(), table()
    outcome = pl.Series(TARGET, raw["y"].cast(pl.Float64))
    clean = add_characteristics(clean_scoring(raw, small).lazy(), small).collect().with_columns(outcome)
    data = training_data(clean, small)
    scorers = {family: scorer_of(family, small, data) for family in FAMILIES}
    rows = raw.drop("y").head(200).to_dicts()
    frames = [pl.DataFrame([row]) for row in rows[:20]]
    naive = pandas_way(raw)
    figures: dict[str, list[tuple[float, float]]] = {}

    def note(name: str, work: Callable[[Any], Any], items: list[Any], times: int) -> None:
        turn = iter(items * (times // len(items) + 1))
        figures.setdefault(name, []).append(timed(lambda: work(next(turn)), times))

    for _ in range(rounds):
        for family, scorer in scorers.items():
            note(f"{family}: compiled path, reasons included", scorer.score_row, rows, 2_000)
            note(f"{family}: the same in Polars, one row", scorer.score_frame, frames, 20)
        note("row function alone (raw row to 55 inputs)", scorers["ebm"]._row, rows, 2_000)
        note("pandas + scikit-learn + LightGBM + TreeSHAP", naive, rows, 10)
    medians = {
        name: [statistics.median(column) for column in zip(*found, strict=True)] for name, found in figures.items()
    }
    base = medians["pandas + scikit-learn + LightGBM + TreeSHAP"][0]
    print("| one application, four reasons | us, median | least | processor us, median | times faster than pandas |")
    print("|---|---|---|---|---|")
    for name, found in figures.items():
        clock, processor = medians[name]
        print(f"| {name} | {clock:,.1f} | {min(found)[0]:,.1f} | {processor:,.1f} | {base / clock:,.0f} |")


if __name__ == "__main__":
    main()
