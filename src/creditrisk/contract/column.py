"""One column of the table, one characteristic, and one input of a model."""

from __future__ import annotations

import datetime as dt
import re
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from creditrisk.contract.names import KINDS, ColumnType, Kind, Monotone, Name, Role, Scalar, Values
from creditrisk.errors import ContractError
from creditrisk.settings import Frozen

_CURRENCY = re.compile(r"[^\W\d_][^\s\d()+-]+")


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
