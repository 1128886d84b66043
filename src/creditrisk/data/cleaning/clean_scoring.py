"""Raw applications to clean features, under the rules that training cleans by: every row gets a verdict."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

import polars as pl

from creditrisk.contract import APPLICATION_DATE, Contract
from creditrisk.data.cleaning.column import column_cleaner
from creditrisk.data.cleaning.messages import missing_columns, sentences
from creditrisk.data.cleaning.rules import rules


class ScoringCleaner:
    """A contract's rules made ready for tables of one schema; then good for any number of their pieces.

    Columns that a model never sees (identifiers, target, protected attributes) may be absent and are left out.

    Args:
        contract: the portfolio's contract.
        schema: types of the raw columns by name.

    Raises:
        DataError: a feature's column is missing, or is of a type that no rule reads.
    """

    def __init__(self, contract: Contract, schema: Mapping[str, pl.DataType]) -> None:
        self._time = contract.time
        found = rules(contract, training=False)
        missing = [rule.raw for rule in found if rule.raw not in schema and rule.name != contract.time]
        if missing:
            advice = "Give the table a header row with these names; a cell below it may be empty."
            raise missing_columns(missing, list(schema), contract, advice)
        self._rules = [rule for rule in found if rule.raw in schema]
        self._cleaners = [column_cleaner(rule, schema[rule.raw]) for rule in self._rules]

    def clean(
        self, raw: pl.DataFrame, application_date: dt.date | None = None, today: dt.date | None = None
    ) -> pl.DataFrame:
        """Clean a table.

        Args:
            raw: applications under raw names.
            application_date: the day of application of all rows; else the time column's, else it is today.
            today: the clock's where absent; what is cleaned in pieces names one, since midnight may lie between them.

        Returns:
            Clean features in the contract's order, ``application_date``, and two texts: ``_fault`` is null where the
            row can be scored, else says what is wrong with every faulty field; ``_warnings`` is null, or says what was
            clipped or not known.
        """
        values, codes, present = {}, [], []
        for rule, clean in zip(self._rules, self._cleaners, strict=True):
            if rule.name == self._time and application_date is not None:
                continue  # the time column is not looked at, so nothing is wrong with it
            values[rule.name], code = clean(raw[rule.raw])
            codes.append(code)
            present.append(rule)
        table = pl.DataFrame({name: column for name, column in values.items() if name != APPLICATION_DATE})
        if self._time:
            day = pl.lit(application_date or today or dt.date.today(), dtype=pl.Date)
            if self._time in values:
                day = pl.lit(values[self._time]).fill_null(day)
            elif self._time != APPLICATION_DATE:  # a characteristic may read it under its own name
                table = table.with_columns(pl.lit(application_date, dtype=pl.Date).alias(self._time))
            table = table.with_columns(day.alias(APPLICATION_DATE))
        return table.with_columns(
            sentences(present, raw, codes, faults=True).alias("_fault"),
            sentences(present, raw, codes, faults=False).alias("_warnings"),
        )


def application_dates(raw: pl.DataFrame, contract: Contract, today: dt.date) -> pl.Series | None:
    """The day of application that counts for each row of a table; None where the contract knows no time."""
    given = given_dates(raw, contract)
    return None if given is None else given.fill_null(today)


def given_dates(raw: pl.DataFrame, contract: Contract) -> pl.Series | None:
    """The day of application that each row of a table gives, if any; None where the contract knows no time."""
    if contract.time is None:
        return None
    for rule in rules(contract, training=False):
        if rule.name == contract.time and rule.raw in raw.columns:
            days, _ = column_cleaner(rule, raw.schema[rule.raw])(raw[rule.raw])
            return days.cast(pl.Date).alias(APPLICATION_DATE)
    return pl.repeat(None, raw.height, dtype=pl.Date, eager=True).alias(APPLICATION_DATE)


def clean_scoring(raw: pl.DataFrame, contract: Contract, application_date: dt.date | None = None) -> pl.DataFrame:
    """Clean one table of applications, see ``ScoringCleaner``."""
    return ScoringCleaner(contract, raw.schema).clean(raw, application_date)
