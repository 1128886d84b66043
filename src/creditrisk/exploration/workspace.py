"""A portfolio made ready to be looked at: raw, clean, quarantine, characteristics and parts, in a folder of its own.

It goes through the functions of the pipeline's first four stages and leaves the pipeline's own tables alone.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from functools import cached_property
from io import StringIO
from pathlib import Path

import polars as pl

from creditrisk.contract import ROW, TARGET, Contract
from creditrisk.data.characteristics import add_characteristics
from creditrisk.data.cleaning.clean import Cleaned, clean_training, write_cleaned
from creditrisk.data.cleaning.report import KEPT, STATE, CleaningReport
from creditrisk.data.reading.fetch import from_mirror
from creditrisk.data.reading.source import materialise, number_rows
from creditrisk.data.split import Part, SplitRule, split
from creditrisk.errors import DataError
from creditrisk.model.family import TrainingData
from creditrisk.params import Params
from creditrisk.paths import Project
from creditrisk.pipeline.train_model import training_data

REAL, SIMULATED = "lending_club", "simulated"


@dataclass(frozen=True)
class Workspace:
    """One portfolio's tables."""

    contract: Contract
    params: Params
    raw: pl.LazyFrame
    """As the source holds it, under raw names."""
    broken: pl.DataFrame
    """Lines of the source that are no rows, in the quarantine's columns."""
    report: CleaningReport
    quarantine: pl.DataFrame
    clean: pl.LazyFrame
    table: pl.DataFrame
    """Clean rows with their characteristics."""
    parts: dict[Part, pl.DataFrame]
    rule: SplitRule

    @property
    def train(self) -> pl.DataFrame:
        """The rows that a model may learn from, and an analyst may choose characteristics on."""
        return self.parts["train"]

    @cached_property
    def cleaned(self) -> Cleaned:
        """The cleaning itself, with what became of every row and value."""
        return clean_training(self.raw, self.contract, self.broken)

    @cached_property
    def data(self) -> TrainingData:
        """The training rows as a model sees them."""
        return training_data(self.train, self.contract)

    def under(self, contract: Contract) -> TrainingData:
        """The same training rows with the characteristics of a changed contract; its columns must be the same."""
        rows = add_characteristics(self.clean, contract).collect()
        return training_data(rows.join(self.train.select(ROW), on=ROW, how="semi", maintain_order="left"), contract)

    @cached_property
    def outcomes(self) -> pl.DataFrame:
        """Every raw column, unread ones too, of the rows that were kept, with ``_row`` and ``_target`` (1.0 bad)."""
        kept = self.cleaned.marked.filter(pl.col(STATE) == KEPT).select(ROW, TARGET)
        numbered = number_rows(self.raw, self.broken)
        return numbered.join(kept, on=ROW, how="inner", maintain_order="left").collect()


def default_portfolio() -> str:
    """LendingClub where DATA_MIRROR holds its table, else the simulated portfolio, which any machine can make."""
    project = Project.find()
    source = Contract.load(project.contract(REAL)).source
    with tempfile.TemporaryDirectory() as folder:
        return SIMULATED if from_mirror(source, Path(folder), project.root) is None else REAL


def open_workspace(portfolio: str, folder: Path, *, dated: bool = False) -> Workspace:
    """Read, clean, characterise and part a portfolio.

    Args:
        portfolio: the name of a contract in ``1.data/portfolios``.
        folder: an existing folder for the tables; nothing is written elsewhere.
        dated: whether what follows needs days of application.

    Raises:
        CreditRiskError: the contract, the source or the table is not what it must be, or has no days of application.
    """
    project = Project.find()
    contract, params = Contract.load(project.contract(portfolio)), Params.from_yaml(project.params)
    if dated and contract.time is None:
        raise DataError(
            f"{project.contract(portfolio)}: time names no column, and what follows looks at risk by month. "
            f"Name the day of application there, or take a portfolio that has one, as {SIMULATED}."
        )
    raw, broken, clean, quarantine = (folder / f"{name}.parquet" for name in ("raw", "broken", "clean", "quarantine"))
    with _without_progress():
        materialise(contract, raw, broken, project.root, folder / "fetched")
        report = write_cleaned(raw, contract, clean, quarantine, broken)
    table = add_characteristics(pl.scan_parquet(clean), contract).collect()
    parts, rule, _ = split(table, contract, params.split)
    return Workspace(
        contract=contract,
        params=params,
        raw=pl.scan_parquet(raw),
        broken=pl.read_parquet(broken),
        report=report,
        quarantine=pl.read_parquet(quarantine),
        clean=pl.scan_parquet(clean),
        table=table,
        parts=parts,
        rule=rule,
    )


@contextmanager
def _without_progress() -> Iterator[None]:
    """Lines of progress would stand in a notebook for ever."""
    with redirect_stderr(StringIO()):
        yield
