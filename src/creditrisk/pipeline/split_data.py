"""Stage 4: characteristics -> train, calibration and test."""

from __future__ import annotations

import polars as pl

from creditrisk.data.split import split
from creditrisk.pipeline.stage import Stage, write_json


def split_data(stage: Stage) -> str:
    """Part the rows out-of-time or by a stable hash, so that new rows move no old one."""
    table = pl.read_parquet(stage.tables / "characteristics.parquet")
    parts, rule, report = split(table, stage.contract, stage.params.split)
    folder = stage.tables / "split"
    folder.mkdir(parents=True, exist_ok=True)
    for name, part in parts.items():
        part.write_parquet(folder / f"{name}.parquet")
    write_json(folder / "rule.json", rule.model_dump(mode="json"))
    write_json(stage.artifacts / "split.json", report.to_json())
    sizes = ", ".join(f"{name} {part.height:,}" for name, part in parts.items())
    return "\n".join([f"split ({report.method}): {sizes}", *report.notes])
