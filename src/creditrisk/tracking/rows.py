"""The rows that a version is judged on: raw applications of the test part that no compared model was made on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from creditrisk.contract import GROUP, ROW, TARGET, WEIGHT, Contract
from creditrisk.data.cleaning.clean import clean_training
from creditrisk.data.reading.source import number_rows
from creditrisk.data.split import SEEN
from creditrisk.errors import DataError
from creditrisk.model.scorer import Scorer
from creditrisk.paths import Project

MAX_ROWS = 200_000
"""More rows than these are thinned by an even stride: they would change no verdict, and cost minutes."""


@dataclass(frozen=True)
class JudgedRows:
    """Raw applications and what became of them; n rows in each."""

    raw: pl.DataFrame
    """By raw column names, as the source gave them."""
    y: NDArray[np.float64]
    weight: NDArray[np.float64]
    attributes: pl.DataFrame
    """Protected attributes by clean names, for adverse impact; no column, and then no row, where there are none."""
    group: NDArray[np.int64] | None = None
    """A number for the customer of each row, where one may have several."""

    def take(self, kept: NDArray[np.bool_]) -> JudgedRows:
        """The rows where ``kept`` holds."""
        mask = pl.Series(kept)
        attributes = self.attributes.filter(mask) if self.attributes.width else self.attributes
        group = None if self.group is None else self.group[kept]
        return JudgedRows(self.raw.filter(mask), self.y[kept], self.weight[kept], attributes, group)


def judged_rows(project: Project, portfolio: str, contract: Contract) -> JudgedRows:
    """The test part of the tables that the pipeline made, each row as it was in the raw table.

    Raises:
        DataError: the pipeline has not made them here.
    """
    folder = project.tables(portfolio)
    test, raw = folder / "split" / "test.parquet", folder / "raw" / "raw.parquet"
    for path in (test, raw):
        if not path.is_file():
            raise DataError(f"{path}: missing, so there are no test rows to judge a version on. Run main.py run first.")
    kept = [name for name in (ROW, TARGET, WEIGHT, GROUP, *contract.protected) if name in pl.read_parquet_schema(test)]
    judged = pl.read_parquet(test, columns=kept).sort(ROW)
    judged = judged.gather_every(-(-judged.height // MAX_ROWS)) if judged.height > MAX_ROWS else judged
    found = _rows_of(raw, judged[ROW])
    if found.height != judged.height:
        raise DataError(
            f"{raw}: {found.height:,} of the {judged.height:,} test rows are in it; the tables are not of one run. "
            "Run main.py run again."
        )
    weight = judged[WEIGHT].to_numpy() if WEIGHT in kept else np.ones(judged.height)
    attributes = judged.select([name for name in contract.protected if name in kept])
    group = judged[GROUP].rank("dense").cast(pl.Int64).to_numpy() if GROUP in kept else None
    return JudgedRows(found, judged[TARGET].cast(pl.Float64).to_numpy(), weight, attributes, group)


def _rows_of(path: Path, numbers: pl.Series) -> pl.DataFrame:
    """The raw rows of these numbers, which count the source's broken lines as cleaning counts them."""
    broken = path.with_name("broken.parquet")
    lines = pl.read_parquet(broken) if broken.is_file() else pl.DataFrame({"row": []}, schema={"row": pl.Int64})
    wanted = pl.LazyFrame({ROW: numbers})
    rows = number_rows(pl.scan_parquet(path), lines).join(wanted, on=ROW, how="semi")
    return rows.sort(ROW).drop(ROW).collect(engine="streaming")


def unseen(rows: JudgedRows, scorer: Scorer) -> NDArray[np.bool_]:
    """Whether each row is one that the bundle was neither trained nor calibrated on, shape (n,).

    The rule that parted its rows travels in the bundle; it is applied to the ids that the bundle's own contract makes
    of the raw rows. A row that this contract would not clean is left out, since nothing says where it stood.

    Raises:
        DataError: the contract cannot read the table.
    """
    if scorer.manifest is None:  # pragma: no cover - a loaded bundle has one
        raise DataError("the bundle has no manifest, so nothing says which rows it was made on.")
    contract = scorer.contract
    raw = rows.raw
    if contract.extra_columns == "refuse":
        # It would stop at the columns that it does not know.
        raw = raw.select(name for name in raw.columns if name in contract.columns or name == contract.target.column)
    clean = clean_training(raw.lazy(), contract).table.collect()
    parts = scorer.manifest.split.parts(clean)
    free = clean[ROW].to_numpy()[~np.isin(parts, SEEN)]
    mask = np.zeros(rows.raw.height, dtype=np.bool_)
    mask[free.astype(np.int64) - 1] = True
    return mask
