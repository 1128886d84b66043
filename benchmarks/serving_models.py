"""What the serving benchmarks serve: bundles of ``row.py``'s portfolio, a few hundred different applications."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import yaml
from row import DEPTH, TREES, contract, table

from creditrisk.contract import Contract
from creditrisk.data.characteristics import add_characteristics
from creditrisk.data.clean import clean_training
from creditrisk.data.split import split
from creditrisk.model.bundle import digest_of
from creditrisk.params import Params, Split
from creditrisk.pipeline.train_model import train_bundle

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
CACHE = RESULTS / "cache"
"""Bundles, models and environments that a later run finds again; safe to remove."""
BODIES = 300


def bundle(family: str) -> Path:
    """A bundle of a family, trained on the first call."""
    folder = CACHE / f"bundle-{family}-{digest_of(Path(__file__).with_name('row.py'))[:12]}"
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


def raw_table() -> pl.DataFrame:
    """Rows that a peer's model is trained on."""
    return table()


if __name__ == "__main__":
    for name in ("scorecard", "ebm", "catboost"):
        print(bundle(name))
