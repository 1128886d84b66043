"""Where a portfolio's table comes from, and how its bytes are to be read."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from creditrisk.settings import Frozen

Encoding = Literal[
    "utf-8", "latin-1", "latin-2", "latin-9", "cp1250", "cp1251", "cp1252", "cp1253", "cp1254", "cp1257"
]  # fmt: skip
"""Apart from UTF-8 of one byte for each character, so that a text can be cut anywhere."""


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
