"""Stage 2: raw table -> clean table, quarantine and the cleaning report."""

from __future__ import annotations

from creditrisk.data.cleaning.clean import write_cleaned
from creditrisk.pipeline.stage import Stage, write_json


def prep_clean_data(stage: Stage) -> str:
    """Apply the contract's column rules; bad rows go to the quarantine with the reason."""
    raw, folder = stage.tables / "raw", stage.tables / "clean"
    folder.mkdir(parents=True, exist_ok=True)
    report = write_cleaned(
        raw / "raw.parquet",
        stage.contract,
        folder / "clean.parquet",
        folder / "quarantine.parquet",
        broken=raw / "broken.parquet",
    )
    write_json(stage.artifacts / "cleaning.json", report.to_json())
    said = f"clean: {report.rows_kept:,} rows of {report.rows_read:,}, {report.rows_quarantined:,} in quarantine"
    if report.repeated_ids:
        said += f"; ids that several rows have: {report.repeated_ids:,} (is id the right column?)"
    return said
