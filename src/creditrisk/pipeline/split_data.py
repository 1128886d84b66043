"""Stage 4: characteristics -> train, calibration and test."""

from __future__ import annotations

from contextlib import ExitStack

import polars as pl

from creditrisk.data.parquet import sink_table
from creditrisk.data.split import split
from creditrisk.paths import whole
from creditrisk.pipeline.stage import Stage, write_json


def split_data(stage: Stage) -> str:
    """Part the rows out-of-time or by a stable hash, so that new rows move no old one."""
    table = pl.read_parquet(stage.tables / "characteristics.parquet")
    parts, rule, report = split(table, stage.contract, stage.params.split)
    folder = stage.tables / "split"
    folder.mkdir(parents=True, exist_ok=True)
    stage.artifacts.mkdir(parents=True, exist_ok=True)
    # The parts belong together: all are moved to their names when the last of them is complete.
    with ExitStack() as drafts:
        for name, part in parts.items():
            sink_table(part.lazy(), drafts.enter_context(whole(folder / f"{name}.parquet")))
        write_json(drafts.enter_context(whole(folder / "rule.json")), rule.model_dump(mode="json"))
        write_json(drafts.enter_context(whole(stage.artifacts / "split.json")), report.to_json())
    sizes = ", ".join(f"{name} {part.height:,}" for name, part in parts.items())
    return "\n".join([f"split ({report.method}): {sizes}", *report.notes])
