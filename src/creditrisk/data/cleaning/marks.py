"""What training knows of a row besides its values: outcome, id, group, weight, duplicates, and what becomes of it."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import polars as pl

from creditrisk.contract import APPLICATION_DATE, GROUP, ID, ROW, TARGET, WEIGHT, Contract
from creditrisk.data.characteristics import parse_all
from creditrisk.data.cleaning.column import text_form
from creditrisk.data.cleaning.report import CODE, DUPLICATE, EXCLUDED, KEPT, OUTSIDE, QUARANTINED, TARGET_TEXT
from creditrisk.data.cleaning.rules import FAULT, Rule, target_codes
from creditrisk.expression.polars import to_polars
from creditrisk.expression.tree import Expression, renamed


def content_id(dtypes: dict[str, pl.DataType]) -> pl.Expr:
    """A row's id made from all that stands in it: the same wherever the same row stands."""
    readable = [name for name, dtype in sorted(dtypes.items()) if not dtype.is_nested() and dtype != pl.Binary]
    parts = [_content(name, dtypes[name]).fill_null("\x00") for name in readable]
    content = pl.concat_str(parts, separator="\x1f")
    return content.map_batches(_digests, return_dtype=pl.String, is_elementwise=True).alias(ID)


def _content(name: str, dtype: pl.DataType) -> pl.Expr:
    """A column's texts; a time of day or a span has none that a rule reads, but tells rows apart as well."""
    if dtype in (pl.Time, pl.Duration):
        return pl.col(name).to_physical().cast(pl.String)
    return text_form(pl.col(name), dtype, name)


def _digests(texts: pl.Series) -> pl.Series:
    blake2b = hashlib.blake2b
    return pl.Series([blake2b(text.encode(), digest_size=12).hexdigest() for text in texts], dtype=pl.String)


def outcome(contract: Contract) -> pl.Expr:
    """1.0 for a bad target value, 0.0 for a good one, null for any other."""
    texts, numbers = target_codes(contract)
    text = pl.col(TARGET_TEXT)
    bad = [key for key, outcome in texts.items() if outcome == 1.0]
    good = [key for key, outcome in texts.items() if outcome == 0.0]
    chain: Any = pl.when(text.is_in(bad)).then(1.0).when(text.is_in(good)).then(0.0)
    if numbers:
        value = text.cast(pl.Float64, strict=False)
        chain = chain.when(value.is_in([key for key, outcome in numbers.items() if outcome == 1.0])).then(1.0)
        chain = chain.when(value.is_in([key for key, outcome in numbers.items() if outcome == 0.0])).then(0.0)
    found: pl.Expr = chain.otherwise(pl.lit(None, dtype=pl.Float64))
    return found


def system_columns(values: pl.LazyFrame, contract: Contract) -> pl.LazyFrame:
    """Add id, weight, group and application date, where the contract has them."""
    if contract.id_columns:
        values = values.with_columns(_identifier([_as_text(name, contract) for name in contract.id_columns]).alias(ID))
    if contract.weight:
        values = values.with_columns(pl.col(contract.weight).alias(WEIGHT))
    if contract.group:
        alone = pl.concat_str(pl.lit("id:"), pl.col(ID))  # a row without a group is one of its own
        values = values.with_columns(_as_text(contract.group, contract).fill_null(alone).alias(GROUP))
    if contract.time and contract.time != APPLICATION_DATE:
        values = values.with_columns(pl.col(contract.time).alias(APPLICATION_DATE))
    return values


def _identifier(parts: list[pl.Expr]) -> pl.Expr:
    """Several columns as one id, ``a|b``, that no other values give; null where one of them is.

    Where a bar stands in a value, bars and backslashes of all values get a backslash before them. Such an id has more
    bars than the others, so that the two kinds cannot meet, and an id without them is as it always was.
    """
    joined = pl.concat_str(parts, separator="|", ignore_nulls=False)
    if len(parts) == 1:
        return joined
    escaped = [part.str.replace_all(r"([\\|])", r"\$1") for part in parts]
    barred = pl.any_horizontal(part.str.contains("|", literal=True) for part in parts)
    return pl.when(barred).then(pl.concat_str(escaped, separator="|", ignore_nulls=False)).otherwise(joined)


def _as_text(name: str, contract: Contract) -> pl.Expr:
    """A clean column as text; a whole number without a fraction."""
    dtype: pl.DataType = {"number": pl.Float64(), "boolean": pl.Boolean(), "date": pl.Date()}.get(
        contract.clean_columns[name].kind, pl.String()
    )
    return text_form(pl.col(name), dtype, name)


def state(contract: Contract, columns: list[Rule], duplicates: pl.Series) -> pl.Expr:
    """What becomes of each row: the first of duplicate, excluded, outside, quarantined, kept that holds.

    A row with a fault stays in sight where the population filter cannot tell because of it.
    """
    faulty = _united([pl.col(CODE + rule.name) for rule in columns]) >= FAULT
    chain: Any = pl.when(pl.col(ROW).is_in(duplicates.implode()) if duplicates.len() else pl.lit(False)).then(DUPLICATE)
    chain = chain.when(pl.col(TARGET).is_null()).then(EXCLUDED)
    population = parse_all(contract).population
    if population is not None:
        tree = renamed(population.tree, {contract.target.column: TARGET_TEXT})
        inside = to_polars(Expression(population.sql, population.kind, population.columns, tree))
        chain = chain.when((~inside).fill_null(False) | (inside.is_null() & ~faulty)).then(OUTSIDE)
    found: pl.Expr = chain.when(faulty).then(QUARANTINED).otherwise(KEPT).cast(pl.UInt8)
    return found


def _united(codes: list[pl.Expr]) -> pl.Expr:
    """All bits of all codes, several times as quick as their maximum: a fault alone has the bit of ``FAULT``."""
    if len(codes) == 1:
        return codes[0]
    half = len(codes) // 2
    return _united(codes[:half]) | _united(codes[half:])


def duplicates(numbered: pl.LazyFrame, dtypes: dict[str, pl.DataType], contract: Contract) -> pl.Series:
    """Numbers of the rows that repeat an earlier one in every column apart from the id's."""
    if contract.duplicates == "keep":
        return pl.Series([], dtype=pl.Int64)
    identifiers = {raw for raw, column in contract.columns.items() if column.role == "id"}
    identifiers |= {contract.raw_names[name] for name in contract.id_columns}
    names = [name for name in dtypes if name not in identifiers]
    first = [name for name in names if dtypes[name].is_numeric() or dtypes[name].is_temporal()]
    # Rows that differ in a number or a date are told apart by those alone, which is several times as quick.
    hashes = _hashes(numbered, first or names, seeds=1)
    suspects = hashes.filter(hashes["0"].is_in(_repeated(hashes["0"]).implode()))[ROW]
    if suspects.is_empty():
        return suspects
    rows = numbered.filter(pl.col(ROW).is_in(suspects.implode()))
    # 128 bits: two different rows out of ten million share them with a probability of about 1e-25.
    alike = _hashes(rows, names, seeds=2)
    return alike.filter(~pl.struct("0", "1").is_first_distinct())[ROW]


def _hashes(rows: pl.LazyFrame, names: list[str], seeds: int) -> pl.DataFrame:
    content = pl.struct(names)
    hashes = (content.hash(seed=seed + 1).alias(str(seed)) for seed in range(seeds))
    return rows.select(ROW, *hashes).collect(engine="streaming")


def _repeated(hashes: pl.Series) -> pl.Series:
    """The hashes that stand there more than once, perhaps several times."""
    ordered = np.sort(hashes.to_numpy())
    return pl.Series(ordered[1:][ordered[1:] == ordered[:-1]], dtype=pl.UInt64)
