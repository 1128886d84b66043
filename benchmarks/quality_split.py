"""One split of each real portfolio, the same for everybody: 75/25 stratified with seed 0, LendingClub 2011 out of time.

Everybody gets the same raw columns, cleaned and typed by the contract; this project makes its characteristics of them.
The peers get other days as days before the application, which is itself kept back from them: it would teach them
vintages that the test year does not have. Free text of which this project takes the length alone is kept back too.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from creditrisk.contract import APPLICATION_DATE, TARGET, Contract
from creditrisk.data.characteristics import add_characteristics
from creditrisk.data.cleaning.clean import write_cleaned
from creditrisk.data.reading.source import materialise
from creditrisk.model.family import TrainingData
from creditrisk.paths import Project
from creditrisk.pipeline.get_data import cache
from creditrisk.pipeline.train_model import training_data

PORTFOLIOS = ("south_german", "taiwan", "give_me_some_credit", "lending_club")
VARIANTS = ("unrestricted", "production")
TEST_YEAR = 2011
FREE_TEXT = ("explanation",)
"""LendingClub's `desc`. It holds the day it was written, and AutoGluon's AUC of 2011 was .640 with it."""


@dataclass(frozen=True)
class Rows:
    """A portfolio's rows, three times in the same order."""

    contract: Contract
    data: TrainingData
    """Model inputs and outcome."""
    dates: pl.Series | None
    """Day of application, where the portfolio has it."""
    raw: pl.DataFrame
    """The cleaned raw columns that the contract may use, the identifying ones and the day of application left out."""
    source: pl.DataFrame
    """The rows as the file has them."""


def unrestricted(contract: Contract) -> Contract:
    """Every column as an input and no direction."""
    columns = {
        raw: c.model_copy(update={"monotone": None, "role": "feature" if c.role == "protected" else c.role})
        for raw, c in contract.columns.items()
    }
    characteristics = {n: c.model_copy(update={"monotone": None}) for n, c in contract.characteristics.items()}
    fields = {name: getattr(contract, name) for name in Contract.model_fields}
    return Contract(**(fields | {"columns": columns, "characteristics": characteristics}))


def load(project: Project, portfolio: str, variant: str) -> Rows:
    """Read, clean and characterise a real portfolio."""
    contract = Contract.load(project.contract(portfolio))
    contract = contract if variant == "production" else unrestricted(contract)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        materialise(contract, folder / "raw.parquet", folder / "broken.parquet", project.root, cache(project))
        write_cleaned(folder / "raw.parquet", contract, folder / "clean.parquet", folder / "quarantine.parquet")
        source, clean = pl.read_parquet(folder / "raw.parquet"), pl.read_parquet(folder / "clean.parquet")
        table = add_characteristics(pl.scan_parquet(folder / "clean.parquet"), contract).collect()
    named = {contract.columns[raw].rename or raw: column for raw, column in contract.columns.items()}
    features = [name for name in clean.columns if name in named and named[name].role == "feature"]
    dates = table[APPLICATION_DATE] if contract.time else None
    features = [name for name in features if name not in FREE_TEXT]
    if dates is not None:
        days = [name for name in features if clean.schema[name] == pl.Date]
        clean = clean.with_columns((pl.lit(dates) - pl.col(name)).dt.total_days().cast(pl.Float64) for name in days)
    lines = source[(clean["_row"] - 1).to_list()]
    return Rows(contract, training_data(table, contract), dates, clean.select(*features, TARGET), lines)


def one_split(rows: Rows) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row numbers to train and to test on."""
    if rows.dates is not None:
        late = (rows.dates.dt.year() >= TEST_YEAR).to_numpy()
        return np.flatnonzero(~late), np.flatnonzero(late)
    everything: Any = np.arange(rows.data.y.size)
    train, test = train_test_split(everything, test_size=0.25, stratify=rows.data.y, random_state=0)
    return np.sort(train), np.sort(test)
