"""What the serving benchmarks serve: bundles of ``row.py``'s portfolio, a few hundred different applications."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import yaml
from row import DEPTH, TREES, contract, table

from creditrisk.contract import Contract
from creditrisk.data.characteristics import add_characteristics
from creditrisk.data.cleaning.clean import clean_training
from creditrisk.data.cleaning.clean_scoring import clean_scoring
from creditrisk.data.split import split
from creditrisk.model.bundle import FORMAT, digest_of
from creditrisk.params import Params, Split
from creditrisk.pipeline.train_model import train_bundle

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
CACHE = RESULTS / "cache"
"""Bundles, models and environments that a later run finds again; safe to remove."""
BODIES = 300


def bundle(family: str) -> Path:
    """A bundle of a family, trained on the first call."""
    folder = CACHE / f"bundle-{family}-{_stamp()}"
    if not (folder / "manifest.json").exists():
        text = yaml.safe_dump(contract().model_dump(mode="json", exclude_unset=True), sort_keys=False)
        portfolio = Contract.from_text(text, "bench.yaml")
        rows = add_characteristics(clean_training(table().lazy(), portfolio).table, portfolio).collect()
        parts, rule, _ = split(rows, portfolio, Split())
        params = Params(
            portfolio="bench",
            model={
                "family": family,
                "catboost": {"rounds": TREES, "depth": DEPTH, "learning_rate": 0.05},
                "ebm": {"interactions": 15},
            },
        )
        CACHE.mkdir(parents=True, exist_ok=True)
        train_bundle(folder, portfolio, text, params, parts["train"], parts["calibration"], rule, "0" * 64)
    return folder


def applications() -> list[dict[str, Any]]:
    """Raw applications, all different."""
    return table(BODIES, seed=1).drop("y").to_dicts()


def bodies() -> list[bytes]:
    """The same as requests of ``POST /v1/score``."""
    return [json.dumps({"application": row}, separators=(",", ":")).encode() for row in applications()]


def booster(inputs: int) -> Path:
    """LightGBM of as many trees as the champion, in its text format: on the 30 raw fields as numbers, or on all 55."""
    path = CACHE / f"lightgbm-{inputs}-{_stamp()}.txt"
    if not path.exists():
        import lightgbm

        raw = table()
        x = _numbers(raw)[:, :inputs]
        params = {"objective": "binary", "num_leaves": 2**DEPTH, "learning_rate": 0.05, "verbose": -1, "num_threads": 1}
        CACHE.mkdir(parents=True, exist_ok=True)
        lightgbm.train(params, lightgbm.Dataset(x, raw["y"].to_numpy()), TREES).save_model(path)
    return path


def ready_features() -> list[list[float]]:
    """What a server gets that works no characteristic out itself: 55 numbers for each application."""
    return [[0.0 if value != value else value for value in row] for row in _numbers(table(BODIES, seed=1)).tolist()]


def _numbers(raw: pl.DataFrame) -> np.ndarray[Any, np.dtype[np.float64]]:
    portfolio = contract()
    whole = add_characteristics(clean_scoring(raw, portfolio).lazy(), portfolio).collect()
    codes = raw.select(pl.col("^c[0-9]$").str.slice(1).cast(pl.Float64))
    parts = (raw.select(pl.col("^n[0-9]+$")), codes, whole.select(list(portfolio.characteristics)))
    return np.hstack([part.cast(pl.Float64).fill_null(np.nan).to_numpy() for part in parts])


def _stamp() -> str:
    """What is kept belongs to this portfolio and form of bundle."""
    return f"{digest_of(Path(__file__).with_name('row.py'))[:12]}-{FORMAT}"
