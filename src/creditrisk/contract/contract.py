"""A portfolio as a whole: its source and target, its columns and characteristics, and what must hold between them."""

from __future__ import annotations

import datetime as dt
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from creditrisk.contract.column import Characteristic, Column, Input
from creditrisk.contract.names import APPLICATION_DATE, MAX_COLUMNS, NAME, Kind, Name, Scalar, as_text, is_pattern
from creditrisk.contract.source import Source
from creditrisk.errors import ContractError, ExpressionError, nearest
from creditrisk.expression.scalar import SPACE
from creditrisk.settings import Frozen


class Target(Frozen):
    """The outcome: raw values that mean bad and good; any other value is excluded, counted and said."""

    column: str
    bad: tuple[Scalar, ...]
    good: tuple[Scalar, ...]

    @model_validator(mode="after")
    def _disjoint(self) -> Self:
        bad, good = ({as_text(value).strip(SPACE) for value in values} for values in (self.bad, self.good))
        both = bad & good
        if both:
            raise ValueError(f"{sorted(both)} stand under bad and good; a value means one of them")
        if not self.bad or not self.good:
            raise ValueError("bad and good each need at least one value")
        return self


class Maturity(Frozen):
    """Rows younger than this at ``as_of`` never train or test: their outcome is not known yet."""

    months: Annotated[int, Field(ge=0, le=360)]


class Quarantine(Frozen):
    """The share of bad rows above which a run stops, since the table is then probably the wrong one."""

    max_share: Annotated[float, Field(ge=0, le=1)] = 0.05


class Contract(Frozen):
    """A portfolio. See the module's text for which names are raw and which clean."""

    name: Name
    title: str
    description: str = ""
    source: Source
    target: Target
    population: str | None = None
    id: str | tuple[str, ...] | None = None
    group: str | None = None
    weight: str | None = None
    time: str | None = None
    as_of: dt.date | None = None
    maturity: Maturity | None = None
    test_from: dt.date | None = None
    """Applications from this day on are the out-of-time test part; fixed here so that new rows move no old one."""
    quarantine: Quarantine = Quarantine()
    duplicates: Literal["drop", "keep"] = "drop"
    """Rows equal in every column apart from the id."""
    extra_columns: Literal["refuse", "ignore"] = "refuse"
    """What to do with a column of the table that the contract does not name (in training; scoring ignores it)."""
    columns: Annotated[dict[str, Column], Field(min_length=1, max_length=MAX_COLUMNS)]
    characteristics: Annotated[dict[Name, Characteristic], Field(max_length=MAX_COLUMNS)] = {}

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a contract and check that every expression in it compiles.

        Raises:
            ContractError: the file is not a contract; ExpressionError: an expression is not of the subset.
        """
        contract = cls.from_yaml(path)
        absent = [k for k in cls.model_fields if k not in contract.model_fields_set and k != "description"]
        if absent:
            keys = ", ".join(f"{key}: null" if cls.model_fields[key].default is None else key for key in absent)
            raise ContractError(f"{path}: write these keys out, so that a change of theirs is noticed by DVC: {keys}.")
        contract.check_expressions(str(path))
        return contract

    def check_expressions(self, where: str = "") -> None:
        """Parse every characteristic and the population filter.

        Args:
            where: the contract's file, for messages; where absent they begin with the characteristic.

        Raises:
            ExpressionError: naming the file, the characteristic and the position.
        """
        from creditrisk.data.characteristics import parse_all  # expression -> contract would be a circle

        try:
            parse_all(self)
        except ExpressionError as error:
            raise ExpressionError(f"{where}: {error}" if where else str(error)) from None

    @model_validator(mode="after")
    def _names_fit(self) -> Self:
        clean: dict[str, str] = {} if self.target.column in self.columns else {self.target.column: self.target.column}
        for raw, column in self.columns.items():
            name = column.rename or raw
            if is_pattern(raw):
                raise ValueError(f"columns.{raw}: * and ^...$ are patterns, no names; rename the column in the table")
            if column.role != "ignore" and raw != self.target.column and not NAME.fullmatch(name):
                raise ValueError(f"columns.{raw}: give it a rename of letters, digits and underscores")
            if name in clean:
                raise ValueError(f"columns {clean[name]!r} and {raw!r} both have the clean name {name!r}")
            clean[name] = raw
        for name in self.characteristics:
            if name in clean:
                raise ValueError(f"characteristics.{name}: a column has this name already; choose another")
        if APPLICATION_DATE in self.characteristics or (
            clean.get(APPLICATION_DATE, "") and self.time != APPLICATION_DATE
        ):
            raise ValueError(f"{APPLICATION_DATE} is the project's own name for the time column")
        self._references_exist(set(clean))
        return self

    def _references_exist(self, clean: set[str]) -> None:
        used = self._used()  # not yet as a property of this contract: a copy with other columns would keep it
        identifiers = (self.id,) if isinstance(self.id, str) else self.id or ()
        wanted = [("id", name) for name in identifiers]
        wanted += [(key, getattr(self, key)) for key in ("group", "weight", "time") if getattr(self, key)]
        for key, name in wanted:
            if name not in clean:
                raise ValueError(f"{key}: no column has the clean name {name!r}.{nearest(name, clean)}")
            if name not in used:
                raise ValueError(f"{key}: {name!r} is the target or has the role ignore, so it is not read")
        if self.time and used[self.time].type != "date":
            raise ValueError(f"time: {self.time!r} must be of type date, it is {used[self.time].type}")
        if self.weight and used[self.weight].kind != "number":
            raise ValueError(f"weight: {self.weight!r} must be a number")
        if self.test_from and not self.time:
            raise ValueError("test_from parts the rows by time: give time, the application date's column")
        if self.maturity and not (self.time and self.as_of):
            raise ValueError("maturity is counted from time to as_of: give both")
        target = self.columns.get(self.target.column)
        if target is not None and target.role not in ("target", "ignore"):
            raise ValueError(f"columns.{self.target.column}: it is the target, its role must be target")

    @cached_property
    def clean_columns(self) -> dict[str, Column]:
        """Used columns by clean name, in the contract's order; ignored ones and the target are not among them."""
        return self._used()

    def _used(self) -> dict[str, Column]:
        return {
            column.rename or raw: column
            for raw, column in self.columns.items()
            if column.role != "ignore" and raw != self.target.column
        }

    @cached_property
    def raw_names(self) -> dict[str, str]:
        """Clean name -> raw name of every used column."""
        return {
            column.rename or raw: raw
            for raw, column in self.columns.items()
            if column.role != "ignore" and raw != self.target.column
        }

    @cached_property
    def id_columns(self) -> tuple[str, ...]:
        """Clean names that together identify a row; empty where the id is made from the row's content."""
        return (self.id,) if isinstance(self.id, str) else tuple(self.id or ())

    @cached_property
    def protected(self) -> tuple[str, ...]:
        """Clean names that fairness is judged on: protected columns and audited features."""
        return tuple(n for n, c in self.clean_columns.items() if c.role == "protected" or c.audited)

    @cached_property
    def expression_kinds(self) -> dict[str, Kind]:
        """Names a characteristic may use: features, and application_date where there is a time column."""
        kinds = {n: c.kind for n, c in self.clean_columns.items() if c.role == "feature"}
        if self.time:
            kinds[APPLICATION_DATE] = "date"
        return kinds

    @cached_property
    def population_kinds(self) -> dict[str, Kind]:
        """Names the population filter may use: every used column, and the target column as text."""
        return {n: c.kind for n, c in self.clean_columns.items()} | {self.target.column: "text"}

    @cached_property
    def inputs(self) -> tuple[Input, ...]:
        """What a model sees, in order: feature columns, then characteristics."""
        from creditrisk.data.characteristics import parse_all  # expression -> contract would be a circle

        columns = [
            Input(
                name=name,
                kind="category" if column.kind == "text" else "number",
                title=column.title or name.replace("_", " "),
                unit=column.unit,
                monotone=column.monotone,
                reason=column.reason,
                values=tuple(column.values) if column.type == "category" else (),
                value_titles=tuple(column.values.values()) if column.type == "category" else (),
                ordered=column.ordered,
            )
            for name, column in self.clean_columns.items()
            if column.role == "feature" and column.input and column.type not in ("date", "text")
        ]
        parsed = parse_all(self)
        derived = [
            Input(
                name=name,
                kind="category" if parsed.characteristics[name].kind == "text" else "number",
                title=item.title or name.replace("_", " "),
                unit=item.unit,
                monotone=item.monotone,
                reason=item.reason,
            )
            for name, item in self.characteristics.items()
        ]
        return (*columns, *derived)
