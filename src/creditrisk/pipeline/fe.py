"""Stage 3: clean table -> the same rows with the contract's characteristics."""

from __future__ import annotations

import polars as pl

from creditrisk.data.characteristics import add_characteristics
from creditrisk.data.parquet import sink_table
from creditrisk.pipeline.stage import Stage


def fe(stage: Stage) -> str:
    """Compute every characteristic; row by row by construction, so nothing leaks between rows."""
    contract = stage.contract
    out = stage.tables / "characteristics.parquet"
    draft = out.with_suffix(".draft")
    try:
        clean = pl.scan_parquet(stage.tables / "clean" / "clean.parquet")
        sink_table(add_characteristics(clean, contract), draft)
        draft.replace(out)
    finally:
        draft.unlink(missing_ok=True)
    rows = pl.scan_parquet(out).select(pl.len()).collect().item()
    return f"characteristics: {len(contract.characteristics)} for {rows:,} rows, {len(contract.inputs)} model inputs"
