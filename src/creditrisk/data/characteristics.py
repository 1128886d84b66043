"""The contract's characteristics: parsed once, added to a table, and the table of model inputs.

Characteristics are computed row by row, so doing it before the split leaks nothing from one row to another.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from creditrisk.contract import Contract
from creditrisk.expression.parse import as_condition, as_input, parse
from creditrisk.expression.tree import Expression

if TYPE_CHECKING:
    import polars as pl

_ATTRIBUTE = "_parsed_expressions"


@dataclass(frozen=True)
class Parsed:
    """A contract's expressions: its characteristics by name (kind number or text), and its population filter."""

    characteristics: dict[str, Expression]
    population: Expression | None

    @cached_property
    def columns(self) -> list[pl.Expr]:
        """The characteristics as columns: compiled once, for many pieces of a table."""
        from creditrisk.expression.polars import to_polars

        return [to_polars(expression).alias(name) for name, expression in self.characteristics.items()]


def parse_all(contract: Contract) -> Parsed:
    """Parse every characteristic and the population filter; once for each contract object.

    Raises:
        ExpressionError: naming the characteristic, the position and what was found.
    """
    known = contract.__dict__.get(_ATTRIBUTE)
    if isinstance(known, Parsed):
        return known
    kinds = contract.expression_kinds
    characteristics = {}
    for name, item in contract.characteristics.items():
        where = f"characteristics.{name}"
        characteristics[name] = as_input(parse(item.sql, kinds, where), where)
    population = None
    if contract.population is not None:
        population = as_condition(parse(contract.population, contract.population_kinds, "population"), "population")
    parsed = Parsed(characteristics, population)
    contract.__dict__[_ATTRIBUTE] = parsed  # as functools.cached_property does with a frozen model
    return parsed


def add_characteristics(table: pl.LazyFrame, contract: Contract) -> pl.LazyFrame:
    """Add the characteristics to a clean table: Float64 or String, null where SQL gives NULL.

    Needs the clean columns, and ``application_date`` where the contract has a time column.
    """
    return table.with_columns(parse_all(contract).columns)


def inputs_frame(table: pl.LazyFrame, contract: Contract) -> pl.LazyFrame:
    """Select the model's inputs, in order: Float64 for numbers (conditions as 0.0 and 1.0), String for categories."""
    return table.select(input_columns(contract))


def input_columns(contract: Contract) -> list[pl.Expr]:
    """The model's inputs as columns, see ``inputs_frame``; to be made once for many pieces of a table."""
    import polars as pl

    return [pl.col(item.name).cast(pl.Float64 if item.kind == "number" else pl.String) for item in contract.inputs]
