"""Raw table to clean table: column rules, target, population, duplicates, identifiers, and the quarantine.

Row faults (a bad value) are set aside with the reason. Structural faults (a missing column, an unknown one, a type
that no rule reads) raise at once. ``write_cleaned`` does the same in bounded memory and leaves two Parquet files.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import polars as pl
from polars.io.plugins import register_io_source

from creditrisk.contract import APPLICATION_DATE, GROUP, ID, ROW, TARGET, WEIGHT, Contract
from creditrisk.data.cleaning.column import clean_column, text_form
from creditrisk.data.cleaning.marks import content_id, duplicates, outcome, state, system_columns
from creditrisk.data.cleaning.messages import QUARANTINE, RAW, check_columns, fault_lines
from creditrisk.data.cleaning.report import CODE, KEPT, QUARANTINED, STATE, TARGET_TEXT, CleaningReport, Tally
from creditrisk.data.cleaning.rules import FAULT, Rule, rules
from creditrisk.data.parquet import ParquetDraft, sink_table
from creditrisk.errors import DataError
from creditrisk.expression.scalar import SPACE

_CELL = "_cell:"


@dataclass(frozen=True)
class Cleaned:
    """A training table as it is cleaned: nothing is computed until one of its tables is collected."""

    contract: Contract
    marked: pl.LazyFrame
    """Every row read: its state, clean values, and for each column the code of what became of the value."""
    dtypes: dict[str, pl.DataType]

    @cached_property
    def rules(self) -> list[Rule]:
        """The columns' rules, in order."""
        return rules(self.contract, training=True)

    @property
    def columns(self) -> list[str]:
        """Columns of the clean table."""
        optional = {WEIGHT: self.contract.weight, GROUP: self.contract.group, APPLICATION_DATE: self.contract.time}
        system = [ROW, ID, TARGET, *(name for name, source in optional.items() if source)]
        return list(dict.fromkeys([*system, *(rule.name for rule in self.rules)]))

    @property
    def table(self) -> pl.LazyFrame:
        """Rows that can be used: system columns, then every used column under its clean name."""
        return self.marked.filter(pl.col(STATE) == KEPT).select(self.columns)

    @property
    def quarantine(self) -> pl.LazyFrame:
        """One line for each fault: row, column, value, rule, expected."""
        rows = self.marked.filter(pl.col(STATE) == QUARANTINED)
        return pl.concat([fault_lines(rows, rule, self.dtypes) for rule in self.rules]).sort("row", maintain_order=True)

    def report(self) -> CleaningReport:
        """Count what became of rows and values; raises as ``write_cleaned`` does."""
        tally = Tally(self.contract, self.rules, pl.DataFrame(schema=QUARANTINE))
        for batch in self.batches():
            tally.add(batch, self.faults(batch))
        return tally.report()

    def batches(self, rows: int | None = None) -> Iterator[pl.DataFrame]:
        """The marked rows piece by piece, in order; as large as they come (about 100,000 rows) or of ``rows`` each."""
        yield from self.marked.collect_batches(chunk_size=rows, maintain_order=True)

    def faults(self, batch: pl.DataFrame) -> pl.DataFrame:
        """The quarantine's lines of one piece."""
        bad = batch[(batch[STATE] == QUARANTINED).arg_true()]  # few rows of many columns: quicker than a filter
        if bad.is_empty():
            return pl.DataFrame(schema=QUARANTINE)
        faulty = [rule for rule in self.rules if (bad[CODE + rule.name] >= FAULT).any()]
        lines = pl.concat([fault_lines(bad.lazy(), rule, self.dtypes) for rule in faulty])
        return lines.sort("row", maintain_order=True).collect()


def clean_training(raw: pl.LazyFrame, contract: Contract, broken: pl.DataFrame | None = None) -> Cleaned:
    """Clean a table with outcomes.

    Args:
        raw: the table.
        contract: the portfolio's contract.
        broken: lines of the source that are no rows of the table (quarantine's columns); rows are numbered as if they
            were, so that a row's number is its place in the source.

    Raises:
        DataError: a column is missing, is not in the contract, or cannot be read at all.
    """
    schema = raw.collect_schema()
    dtypes = dict(zip(schema.names(), schema.dtypes(), strict=True))
    check_columns(dtypes, contract)
    if broken is None or broken.is_empty():
        numbered = raw.with_row_index(ROW, offset=1).with_columns(pl.col(ROW).cast(pl.Int64))
    else:
        from creditrisk.data.reading.source import number_rows  # opening sources is no part of scoring

        numbered = number_rows(raw, broken)
    found = rules(contract, training=True)
    # Neither an outcome that is corrected later nor a further column that the contract ignores must move a row between
    # train and test.
    before = contract.columns.keys() - {contract.target.column}
    known_before = {name: dtype for name, dtype in dtypes.items() if name in before}
    cells = numbered.select(
        ROW,
        *([] if contract.id_columns else [content_id(known_before)]),
        text_form(pl.col(contract.target.column), dtypes[contract.target.column], contract.target.column)
        .str.strip_chars(SPACE)
        .alias(TARGET_TEXT),
        *(clean_column(rule, dtypes[rule.raw]).alias(_CELL + rule.name) for rule in found),
        *(pl.col(rule.raw).alias(RAW + rule.name) for rule in found),
    )
    values = _unpacked(cells, found).with_columns(outcome(contract).alias(TARGET))
    repeated = duplicates(numbered, dtypes, contract)
    marked = system_columns(values, contract).with_columns(state(contract, found, repeated).alias(STATE))
    return Cleaned(contract, marked, dtypes)


def write_cleaned(
    raw: Path | pl.LazyFrame,
    contract: Contract,
    clean_path: Path,
    quarantine_path: Path,
    broken: Path | None = None,
) -> CleaningReport:
    """Clean a table into two Parquet files, piece by piece; they appear when both are complete.

    Args:
        raw: a Parquet file, or any table.
        contract: the portfolio's contract.
        clean_path: where the clean table goes.
        quarantine_path: where the quarantine goes.
        broken: lines that could not be read as rows, in the quarantine's columns; they are added to it and counted.

    Raises:
        DataError: see ``clean_training`` and ``report.Tally``; neither file is touched then, apart from the quarantine
            where too many rows have faults, so that they can be looked at.
    """
    from creditrisk.progress import bar  # rich is of no use to scoring

    table = pl.scan_parquet(raw) if isinstance(raw, Path) else raw
    lines = _broken_lines(broken)
    with _naming_the_file(contract):
        cleaned = clean_training(table, contract, lines)
    tally = Tally(contract, cleaned.rules, lines)
    drafts = {path: path.with_name(f".{path.name}.{os.getpid()}") for path in (clean_path, quarantine_path)}
    total = table.select(pl.len()).collect(engine="streaming").item()
    try:
        with (
            ParquetDraft(drafts[quarantine_path], pl.Schema(QUARANTINE)) as quarantine,
            bar("cleaning", total) as shown,
        ):
            quarantine.write(lines)

            def counted() -> Iterator[pl.DataFrame]:
                for batch in cleaned.batches():
                    faults = cleaned.faults(batch)
                    tally.add(batch, faults)
                    quarantine.write(faults)
                    yield batch.select(STATE, *cleaned.columns).filter(pl.col(STATE) == KEPT).drop(STATE)
                    shown.advance(batch.height, "rows")

            # A table of pieces rather than a loop of writes: encoding one piece goes on while the next is made.
            kept = register_io_source(lambda *_: counted(), schema=cleaned.table.collect_schema())
            sink_table(kept, drafts[clean_path])
        drafts[quarantine_path].replace(quarantine_path)
        with _naming_the_file(contract):
            report = tally.report()
        drafts[clean_path].replace(clean_path)
    except OSError as error:
        raise DataError(f"{clean_path}: cannot be written: {error.strerror or error}. Is the disk full?") from None
    finally:
        for draft in drafts.values():
            draft.unlink(missing_ok=True)
    return report


@contextmanager
def _naming_the_file(contract: Contract) -> Iterator[None]:
    """Say which file it is whose columns or values cannot be used."""
    try:
        yield
    except DataError as error:
        from creditrisk.data.reading.fetch import shown  # opening sources is no part of scoring

        raise DataError(f"{shown(contract.source.url or 'the simulation')}: {error}") from None


def _broken_lines(path: Path | None) -> pl.DataFrame:
    empty = pl.DataFrame(schema=QUARANTINE)
    if path is None or not path.exists():
        return empty
    lines = pl.read_parquet(path)
    there = {name: dtype for name, dtype in QUARANTINE.items() if name in lines.columns}
    return pl.concat([empty, lines.select(pl.col(name).cast(dtype) for name, dtype in there.items())], how="diagonal")


def _unpacked(cells: pl.LazyFrame, found: list[Rule]) -> pl.LazyFrame:
    return cells.with_columns(
        *(pl.col(_CELL + rule.name).struct.field("value").alias(rule.name) for rule in found),
        *(pl.col(_CELL + rule.name).struct.field("code").alias(CODE + rule.name) for rule in found),
    ).drop(_CELL + rule.name for rule in found)
