"""The contract: one YAML file that says everything the project must know of a portfolio.

Names: a key under ``columns`` is the raw name, as in the table; ``rename`` gives the clean name. Everything
else in the file (``id``, ``time``, ``population``, characteristics, ...) uses clean names; ``target.column`` is raw.
"""

from __future__ import annotations

import datetime as dt
import re
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from creditrisk.errors import ContractError, ExpressionError, nearest
from creditrisk.expression.scalar import SPACE
from creditrisk.settings import Frozen

Scalar = str | int | float | bool
ColumnType = Literal["number", "integer", "boolean", "category", "open_category", "date", "text"]
Role = Literal["feature", "target", "id", "time", "protected", "ignore"]
Monotone = Literal["increasing", "decreasing"]
Encoding = Literal[
    "utf-8", "latin-1", "latin-2", "latin-9", "cp1250", "cp1251", "cp1252", "cp1253", "cp1254", "cp1257"
]  # fmt: skip
"""Apart from UTF-8 of one byte for each character, so that a text can be cut anywhere."""
Kind = Literal["number", "boolean", "text", "date"]
"""What an expression works with; categories and open categories are text, integers are numbers."""

KINDS: dict[ColumnType, Kind] = {
    "number": "number",
    "integer": "number",
    "boolean": "boolean",
    "category": "text",
    "open_category": "text",
    "date": "date",
    "text": "text",
}

ROW, ID, TARGET, WEIGHT, GROUP = "_row", "_id", "_target", "_weight", "_group"
"""System columns of every table the pipeline makes; names that begin with an underscore are the project's own."""
APPLICATION_DATE = "application_date"
MAX_COLUMNS = 2_000
"""Columns of a table, and characteristics, that a contract may name."""
LARGEST = 1e38
"""Numbers beyond are taken for it by training that computes in 32 bits, which must hold a cut beyond it (3.4e38)."""

_CURRENCY = re.compile(r"[^\W\d_][^\s\d()+-]+")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,62}")


def is_pattern(raw: str) -> bool:
    """Whether the table engine would read a raw column's name as a pattern for several columns."""
    return raw == "*" or (raw.startswith("^") and raw.endswith("$"))


def _name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise ValueError("a name starts with a letter and has only letters, digits and underscores (63 at most)")
    return value


def _as_titles(value: Any) -> Any:
    """Accept a list of values, or values with their titles; keys become text."""
    if isinstance(value, list):
        value = {item: str(item) for item in value}
    if (
        isinstance(value, dict)
        and any(isinstance(k, str) for k in value)
        and not all(isinstance(k, str) for k in value)
    ):
        raise ValueError("its keys mix text and numbers; put the numbers in quotes")  # DVC sorts the keys
    if isinstance(value, dict):
        return {as_text(key): str(title) for key, title in value.items()}
    return value


def as_text(value: Scalar | None) -> str:
    """Write a raw scalar as a category key: 1, 1.0 and True give '1', '1' and 'true'."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return str(value)


Name = Annotated[str, AfterValidator(_name)]
Values = Annotated[dict[str, str], BeforeValidator(_as_titles)]


class Format(Frozen):
    """How the bytes of a source become a table; ``auto`` goes by the file's name."""

    kind: Literal["auto", "csv", "parquet", "excel"] = "auto"
    separator: Annotated[str, Field(min_length=1, max_length=1)] = ","
    encoding: Encoding = "utf-8"
    sheet: str | None = None
    member: str | None = None
    """The file inside a zip archive; may be left out where it holds just one."""


class Simulation(Frozen):
    """The embedded generator in place of a file (see ``creditrisk.data.simulation.simulate``)."""

    rows: Annotated[int, Field(ge=1, le=1_000_000_000)] = 20_000
    months: Annotated[int, Field(ge=2, le=600)] = 48
    start: dt.date = dt.date(2020, 1, 1)
    seed: Annotated[int, Field(ge=0)] = 7
    label_noise: Annotated[float, Field(ge=0, le=0.5)] = 0.01
    approved_only: bool = True
    shocks: tuple[Literal["recession", "income_inflation", "new_channel", "fraud_ring"], ...] = ()
    shock_month: Annotated[int, Field(ge=0)] = 36
    """Months after ``start`` from which the shocks act."""


class Source(Frozen):
    """Where the table comes from: a URL or path for fsspec, or the embedded simulation."""

    url: str | None = None
    simulated: Simulation | None = None
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    format: Format = Format()
    licence: str = ""
    citation: str = ""

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if (self.url is None) == (self.simulated is None):
            raise ValueError("give either url (a path or an address) or simulated, and only one of them")
        return self


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


class Reason(Frozen):
    """Texts for an applicant; one that would be false for this applicant is never given."""

    high: str | None = None
    low: str | None = None
    missing: str | None = None
    values: Values = {}


class Column(Frozen):
    """One column of the raw table and what is done to its values, in this order.

    Trim, ``strip`` characters, ``missing`` values, parse by ``type``, ``case``, range or list of values.
    """

    type: ColumnType
    role: Role = "feature"
    rename: Name | None = None
    title: str = ""
    unit: str = ""
    description: str = ""
    note: str = ""
    """For people: why a column is left out, or what to check."""
    missing: tuple[Scalar, ...] = ()
    """Raw values that mean missing; an empty one always does."""
    strip: str = ""
    """Characters removed wherever they stand before parsing, such as ``$,%``."""
    decimal: Literal[".", ","] = "."
    """A number's decimal mark in texts; where it is the comma, points may part thousands: 1.234,50."""
    currency: str | None = None
    """A word that may stand before or after a number in texts, as in ``EUR 1200`` and ``1200 kr``; signs such as ``$``
    are characters, see ``strip``."""
    accounting: bool = False
    """Whether (1200) and 1200- in texts are negative, as accountants and SAP write it."""
    min: float | dt.date | None = None
    max: float | dt.date | None = None
    out_of_range: Literal["clip", "missing", "quarantine"] = "quarantine"
    values: Values = {}
    """A category's closed list (in order where ``ordered``), or the raw texts of a boolean: ``{J: true, N: false}``."""
    ordered: bool = False
    unknown: Literal["missing", "reject"] = "missing"
    required: bool = False
    format: str | None = None
    """A date's format in strptime's letters; ISO where absent."""
    case: Literal["keep", "lower", "upper"] = "keep"
    audited: bool = False
    """A feature that fairness is judged on as well, such as age where the law lets it be used."""
    input: bool = True
    """Whether a feature is a model input itself; false where only characteristics use it."""
    monotone: Monotone | None = None
    reason: str | Reason | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.type == "category" and not self.values:
            raise ValueError("a category needs its closed list under values (or use open_category)")
        if self.values and self.type not in ("category", "boolean"):
            raise ValueError(f"values belong to a category or boolean, not to {self.type}")
        if self.type == "boolean" and set(self.values.values()) - {"True", "False", "true", "false"}:
            raise ValueError("a boolean's values map each raw text to true or false")
        self._check_written()
        if self.type == "date":
            self._check_format()
        if self.ordered and self.type != "category":
            raise ValueError(f"only a category can be ordered, not {self.type}")
        if self.min is not None or self.max is not None:
            self._check_range()
        if self.monotone and not (self.type in ("number", "integer", "boolean") or self.ordered):
            raise ValueError("monotone needs a number, a boolean or an ordered category")
        return self

    def _check_written(self) -> None:
        for key in ("decimal", "currency", "accounting"):
            given = getattr(self, key) != type(self).model_fields[key].default
            if given and self.type not in ("number", "integer"):
                raise ValueError(f"{key} belongs to a number or integer, not to {self.type}")
        if self.currency is not None and not _CURRENCY.fullmatch(self.currency):
            raise ValueError(
                f"currency is one word of two characters or more, without digits, such as EUR or kr, found "
                f"{self.currency!r}; a sign such as $ belongs to strip"
            )

    def _check_format(self) -> None:
        from creditrisk.data.cleaning.dates import date_format  # data -> contract would be a circle

        try:
            date_format(self.format, "format")
        except ContractError as error:
            raise ValueError(str(error).removeprefix("format: ")) from None

    def _check_range(self) -> None:
        if self.type not in ("number", "integer", "date"):
            raise ValueError(f"min and max belong to numbers and dates, not to {self.type}")
        wanted = dt.date if self.type == "date" else (int, float)
        for bound in (self.min, self.max):
            if bound is not None and not isinstance(bound, wanted):
                raise ValueError(f"min and max of a {self.type} must be of that type, found {bound!r}")
        if self.min is not None and self.max is not None and self.min > self.max:  # type: ignore[operator]
            raise ValueError(f"min {self.min} is above max {self.max}")

    @property
    def kind(self) -> Kind:
        """What the column is in an expression."""
        return KINDS[self.type]


class Characteristic(Frozen):
    """One derived model input: a SQL scalar expression over clean columns."""

    sql: Annotated[str, Field(min_length=1, max_length=4_000)]
    title: str = ""
    unit: str = ""
    description: str = ""
    monotone: Monotone | None = None
    reason: str | Reason | None = None


class Input(Frozen):
    """What a model sees: one number (float64, null where missing) or one category (text, null where missing)."""

    name: str
    kind: Literal["number", "category"]
    title: str
    unit: str = ""
    monotone: Monotone | None = None
    reason: str | Reason | None = None
    values: tuple[str, ...] = ()
    """The closed list of a category column, in the contract's order; empty where the vocabulary is open."""
    value_titles: tuple[str, ...] = ()
    """What people call each of ``values``."""
    ordered: bool = False


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
            if column.role != "ignore" and raw != self.target.column and not _NAME.fullmatch(name):
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
