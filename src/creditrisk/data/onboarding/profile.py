"""Look at a table that nobody described: what stands in each column, over all rows, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import polars as pl

from creditrisk.data.cleaning.column import pointed, signed, text_form, without_words
from creditrisk.data.cleaning.rules import beside
from creditrisk.expression.scalar import SPACE

MARKERS = ("na", "n/a", "#n/a", "n.a.", "nan", "null", "?", "-", "--", ".", "\\n", "(null)", "<na>", "#null!", "nat")
"""Texts, in lower case, that mean missing in any column."""
WORDS = ("none", "nil", "missing", "unknown", "not available", "keine angabe", "unbekannt")
"""Texts, in lower case, that mean missing among numbers and dates; in a category they are a value like others."""
FEW = 200
"""Values of which a column may have so many to be counted one by one."""
UNSURE = 0.3
"""What an estimated number of different values may be wrong by: a tenth often is not enough."""
SAMPLE = 20_000
"""Rows from which patterns are read; what a sample suggests is then checked on all rows."""
CURRENCIES, APOSTROPHES, SPACES = "$€£¥₹₽₩₺₴₦", "'\u2019", " \u00a0\u202f"
"""Signs beside a number, and marks that part its thousands in Switzerland and in much of Europe."""
CURRENCY_WORDS = (
    *("AED", "ARS", "AUD", "BGN", "BRL", "CAD", "CHF", "CLP", "CNY", "COP", "CZK", "DKK", "EUR", "GBP", "GEL", "HKD"),
    *("HUF", "IDR", "ILS", "INR", "JPY", "KES", "KRW", "KZT", "MAD", "MXN", "MYR", "NGN", "NOK", "NZD", "PEN", "PHP"),
    *("PKR", "PLN", "RON", "RSD", "RUB", "SAR", "SEK", "SGD", "THB", "TRY", "TWD", "UAH", "USD", "VND", "ZAR"),
    *("R$", "US$", "A$", "C$", "S$", "HK$", "NT$", "NZ$", "Rs.", "Rs", "kr.", "kr", "Kč", "zł", "Ft", "lei", "Euro"),
)
"""Words beside a number, the longer of two that begin alike first."""
_SYMBOLS = [*CURRENCIES, *APOSTROPHES, *SPACES, ",", "%"]


@dataclass
class Profile:
    """What stands in one column. Counts are over all rows; texts are trimmed."""

    name: str
    dtype: pl.DataType
    rows: int
    present: int = 0
    """Rows with a value."""
    numbers: int = 0
    """Rows whose value is a finite number."""
    whole: int = 0
    nulls: int = 0
    """Rows in which nothing at all stands."""
    fractions: int = 0
    """Rows with a number written with a decimal point."""
    low: float | None = None
    high: float | None = None
    stripped: int = 0
    """Rows whose value is a number once currencies, marks of thousands and percent signs are taken away."""
    distinct: int = 0
    """Exact up to ``FEW`` and where nearly all values differ, else estimated."""
    length: float = 0.0
    """Mean characters of a value."""
    spaced: float = 0.0
    """Share of values that hold a space."""
    markers: tuple[str, ...] = ()
    """Texts found that mean missing, as they are written."""
    counts: dict[str, int] = field(default_factory=dict)
    """Every value with its rows, most frequent first, where there are at most ``FEW``."""
    sample: pl.Series = field(default_factory=lambda: pl.Series([], dtype=pl.String))
    """Texts of the sampled rows, null where missing."""

    @property
    def typed(self) -> bool:
        """Whether the table itself says the type: a Parquet file does, a CSV does not."""
        return self.dtype not in (pl.String, pl.Categorical, pl.Enum, pl.Null)

    @property
    def usable(self) -> bool:
        """Whether cleaning can read the type at all."""
        return not (self.dtype.is_nested() or self.dtype in (pl.Binary, pl.Time, pl.Duration, pl.Object))


@dataclass(frozen=True)
class Table:
    """A table and the profiles of its columns."""

    frame: pl.LazyFrame
    rows: int
    profiles: dict[str, Profile]
    sampled: pl.DataFrame
    """Every k-th row, as it stands in the file."""
    blank: int
    """Rows in which no column has a value."""
    commas: bool
    """Whether some column makes sense with decimal commas alone, so that 1.234 elsewhere is above a thousand too."""


def text_of_column(name: str, dtype: pl.DataType) -> pl.Expr:
    """A column as trimmed text, null where empty or a marker says that it is missing."""
    text = text_form(pl.col(name), dtype, name).str.strip_chars(SPACE)
    return pl.when((text != "") & ~text.str.to_lowercase().is_in(MARKERS)).then(text)


def number_of_column(name: str, dtype: pl.DataType) -> pl.Expr:
    """A column as finite numbers, null elsewhere."""
    if dtype.is_numeric():
        return _finite(pl.col(name))
    if dtype in (pl.String, pl.Categorical, pl.Enum):
        return _finite(text_of_column(name, dtype))
    return pl.lit(None, dtype=pl.Float64)


def _finite(value: pl.Expr) -> pl.Expr:
    number = value.cast(pl.Float64, strict=False)
    return pl.when(number.is_finite()).then(number)


def profile(frame: pl.LazyFrame) -> Table:
    """Profile every column of a table.

    Args:
        frame: a table that can be scanned several times, n rows.
    """
    schema = frame.collect_schema()
    rows = int(frame.select(pl.len()).collect(engine="streaming").item())
    profiles = {name: Profile(name, dtype, rows) for name, dtype in schema.items()}
    usable = [p for p in profiles.values() if p.usable]
    if usable and rows:
        for batch in _batches(usable, 40):
            _count(frame, batch)
        for batch in _batches([p for p in usable if p.distinct <= FEW * (1 + UNSURE)], 40):
            _count_values(frame, batch)
        for one in [p for p in usable if p.present and p.distinct > (0.9 - UNSURE) * p.present]:
            one.distinct = exact_distinct(frame, one)
    step = max(1, -(-rows // SAMPLE))
    sampled = frame.gather_every(step).collect(engine="streaming")
    texts = sampled.select(text_of_column(p.name, p.dtype).alias(p.name) for p in usable)
    for one in usable:
        one.sample = texts[one.name]
    blank = _blank_rows(frame, usable) if rows and all(one.present < rows for one in profiles.values()) else 0
    return Table(frame, rows, profiles, sampled, blank, any(_needs_commas(one) for one in usable))


def _blank_rows(frame: pl.LazyFrame, profiles: list[Profile]) -> int:
    empty = (text_form(pl.col(one.name), one.dtype, one.name).str.strip_chars(SPACE) for one in profiles)
    blank = pl.all_horizontal((text.is_null() | (text == "")) for text in empty)
    return int(frame.select(blank.sum()).collect(engine="streaming").item())


def comma_number(text: pl.Expr) -> pl.Expr:
    """The number in a text such as ``1.234,50 €``, its comma being the decimal mark; null where it is none."""
    marks = [mark for mark in _SYMBOLS if mark not in f",{APOSTROPHES}"]
    number = _finite(pointed(_bare(text, marks)))
    return pl.when(_parts_thousands(text, SPACES, decimal=",")).then(number)


def _needs_commas(one: Profile) -> bool:
    """Whether all sampled texts are numbers with decimal commas, and some can be nothing else."""
    if one.typed or one.numbers > 0.999 * one.present:
        return False
    texts = one.sample.drop_nulls().to_frame("text")
    comma, thousands = comma_number(pl.col("text")), stripped_number(pl.col("text"))
    alone = (comma.is_not_null() & thousands.is_null()).any()
    found = texts.select(comma.is_not_null().mean().alias("fitting"), alone.alias("alone")).row(0, named=True)
    return bool(found["alone"]) and found["fitting"] > 0.999


def stripped_number(text: pl.Expr) -> pl.Expr:
    """The number in a text such as ``$1,234.50``, ``1'234`` or ``12 %``; null where such marks part no thousands."""
    thousands = _parts_thousands(text, SPACES) & _parts_thousands(text, f",{APOSTROPHES}")
    return pl.when(thousands).then(_finite(_bare(text, _SYMBOLS)))


def _bare(text: pl.Expr, marks: list[str]) -> pl.Expr:
    """A text without currencies and marks, its sign in front: as cleaning reads it under a contract that says so."""
    return signed(without_words(text, beside(*CURRENCY_WORDS)).str.replace_many(marks, [""] * len(marks)))


def _parts_thousands(text: pl.Expr, marks: str, decimal: str = r"\.") -> pl.Expr:
    """Whether such marks stand nowhere in a text, or spaces beside its number alone, or one of them parts thousands."""
    parted = "|".join(rf"[1-9][0-9]{{0,2}}({mark}[0-9]{{3}})+" for mark in marks)
    found = f"[0-9][{marks}][0-9]" if marks == SPACES else f"[{marks}]"
    return ~text.str.contains(found) | text.str.contains(rf"^\D*({parted})({decimal}[0-9]+)?\D*$")


def _batches(items: list[Profile], size: int) -> Iterable[list[Profile]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def _count(frame: pl.LazyFrame, profiles: list[Profile]) -> None:
    names = [(f"text:{place}", f"number:{place}") for place in range(len(profiles))]
    texts = [text_of_column(one.name, one.dtype).alias(text) for one, (text, _) in zip(profiles, names, strict=True)]
    numbers = [
        (number_of_column(one.name, one.dtype) if one.typed else _finite(pl.col(text))).alias(number)
        for one, (text, number) in zip(profiles, names, strict=True)
    ]
    typed = [number for one, number in zip(profiles, numbers, strict=True) if one.typed]
    parsed = [number for one, number in zip(profiles, numbers, strict=True) if not one.typed]
    # Two steps, so that a text is made once and not again for each figure.
    nulls = [pl.col(one.name).is_null().alias(f"null:{place}") for place, one in enumerate(profiles)]
    table = frame.select(*texts, *typed, *nulls).with_columns(parsed)
    asked: dict[str, pl.Expr] = {}
    for place, one in enumerate(profiles):
        text, number = (pl.col(name) for name in names[place])
        asked |= {
            f"{place}:present": text.count(),
            f"{place}:nulls": pl.col(f"null:{place}").sum(),
            f"{place}:distinct": text.approx_n_unique(),
            f"{place}:numbers": number.count(),
            f"{place}:whole": (number == number.floor()).sum(),
            f"{place}:low": number.min(),
            f"{place}:high": number.max(),
            f"{place}:length": text.str.len_chars().mean(),
            f"{place}:spaced": text.str.contains(" ", literal=True).mean(),
        }
        if not one.typed:
            asked[f"{place}:fractions"] = (text.str.contains(".", literal=True) & number.is_not_null()).sum()
    found = table.select(**asked).collect(engine="streaming").row(0, named=True)
    for place, one in enumerate(profiles):
        for key in ("present", "nulls", "numbers", "whole", "low", "high", "length", "spaced", "fractions"):
            value = found.get(f"{place}:{key}")
            if value is not None:
                setattr(one, key, value)
        one.distinct = found[f"{place}:distinct"] - (1 if one.present < one.rows else 0)
        if not one.typed and one.numbers < one.present:
            stripped = stripped_number(text_of_column(one.name, one.dtype)).count()
            one.stripped = frame.select(stripped).collect(engine="streaming").item()


def _count_values(frame: pl.LazyFrame, profiles: list[Profile]) -> None:
    """Exact counts by value, and how missing ones are written."""
    for one in profiles:
        raw = text_form(pl.col(one.name), one.dtype, one.name).str.strip_chars(SPACE)
        table = frame.select(raw.alias("raw"), text_of_column(one.name, one.dtype).alias("text"))
        counts = (
            table.group_by("raw", "text").len().collect(engine="streaming").sort("len", "raw", descending=[True, False])
        )
        one.counts = {text: count for _, text, count in counts.iter_rows() if text is not None}
        one.markers = tuple(raw for raw, text, _ in counts.iter_rows() if text is None and raw)
        one.distinct = len(one.counts)


def exact_distinct(frame: pl.LazyFrame, one: Profile) -> int:
    """How many different values a column has."""
    text = text_of_column(one.name, one.dtype).alias("text")
    table = frame.select(text.hash(seed=1).alias("key"), text.is_not_null().alias("there")).filter("there")
    return int(table.select(pl.col("key").n_unique()).collect(engine="streaming").item())


def markers_of(frame: pl.LazyFrame, one: Profile) -> tuple[str, ...]:
    """How missing values are written in a column of many values."""
    if one.counts or one.typed or one.present + one.nulls == one.rows:
        return one.markers
    raw = text_form(pl.col(one.name), one.dtype, one.name).str.strip_chars(SPACE).alias("raw")
    table = frame.select(raw, text_of_column(one.name, one.dtype).alias("text"))
    found = table.filter(pl.col("text").is_null() & (pl.col("raw") != "")).select(pl.col("raw").unique())
    return tuple(sorted(found.collect(engine="streaming")["raw"].to_list()))
