"""The small lender with a column of every kind, for tests of what is derived from a contract."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from support import SMALL_CONTRACT, small_table

COLUMNS: dict[str, Any] = {
    "Home 1": {"rename": "home", "type": "category", "values": {1: "owned", 2: "rented", 3: "other"}},
    "sector": {"type": "category", "values": ["public", "private"], "required": True},
    "employed": {"type": "boolean", "values": {"J": "true", "N": "false"}, "required": True},
    "rate": {"type": "number", "strip": "%", "min": 0, "max": 40, "out_of_range": "clip"},
    "town": {"type": "open_category"},
    "since": {"type": "date", "min": "1950-01-01", "max": "2030-12-31", "out_of_range": "missing"},
    "bureau": {"type": "integer", "min": 0, "max": 1_000, "missing": [-1, "NA"]},
    "children": {"type": "integer", "min": 0, "max": 20, "required": True},
}
COLUMNS["Home 1"]["unknown"] = "reject"
WIDE_CONTRACT: dict[str, Any] = SMALL_CONTRACT | {"columns": SMALL_CONTRACT["columns"] | COLUMNS}


def wide_table(rows: int) -> pl.DataFrame:
    """The small lender's rows with the further columns."""
    random = np.random.default_rng(5)
    days = np.datetime64("2000-01-01") + random.integers(0, 7_000, rows).astype("timedelta64[D]")
    return small_table(rows).with_columns(
        pl.Series("Home 1", random.integers(1, 4, rows)),
        pl.Series("sector", random.choice(["public", "private"], rows)),
        pl.Series("employed", random.choice(["J", "N"], rows)),
        pl.Series("rate", [f"{value:.1f}%" for value in random.uniform(1, 30, rows)]),
        pl.Series("town", random.choice(["Ulm", "Bonn", "Kiel"], rows)),
        pl.Series("since", days).cast(pl.String),
        pl.Series("bureau", random.integers(-1, 1_000, rows)),
        pl.Series("children", random.integers(0, 5, rows)),
    )
