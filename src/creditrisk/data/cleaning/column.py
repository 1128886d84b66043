"""Clean a whole column with Polars: the steps of ``cleaning.cell``, as expressions that stream."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce
from typing import Any

import polars as pl

from creditrisk.data.cleaning.ordinary import Cleaned, Cleaner, ordinary_first
from creditrisk.data.cleaning.rules import (
    CLIPPED,
    COMMA_NUMBER,
    FAULT,
    MISSING,
    NEGATIVE,
    NOT_WHOLE,
    OK,
    REJECTED,
    REQUIRED,
    UNKNOWN,
    UNPARSEABLE,
    WHOLE_LIMIT,
    Rule,
)
from creditrisk.errors import DataError
from creditrisk.expression.distinct import by_distinct
from creditrisk.expression.polars import DTYPES, ascii_lower, ascii_upper, let
from creditrisk.expression.scalar import SPACE

_V, _C = pl.field("value"), pl.field("code")


def clean_column(rule: Rule, dtype: pl.DataType) -> pl.Expr:
    """A struct of ``value`` (the clean value, null where there is none) and ``code`` (UInt8, see ``cleaning.rules``).

    Args:
        rule: what to do.
        dtype: the raw column's type: text, number, Boolean, date or datetime.

    Raises:
        DataError: the raw column is of a type that no rule reads, such as a list.
    """
    result = _by_rules(rule, dtype)
    clean = ordinary_first(rule, dtype, _evaluated(rule, result))
    if clean is None:
        return result

    def both(cells: pl.Series) -> pl.Series:
        values, codes = clean(cells)
        return pl.DataFrame([values.alias("value"), codes.alias("code")]).to_struct()

    return pl.col(rule.raw).map_batches(both, return_dtype=_cleaned(rule), is_elementwise=True)


def column_cleaner(rule: Rule, dtype: pl.DataType) -> Cleaner:
    """The same for a column in memory, prepared once for many pieces of a table; it raises likewise."""
    by_rules = _evaluated(rule, _by_rules(rule, dtype))
    return ordinary_first(rule, dtype, by_rules) or by_rules


def _cleaned(rule: Rule) -> pl.Struct:
    return pl.Struct({"value": DTYPES[rule.column.kind], "code": pl.UInt8})


def _by_rules(rule: Rule, dtype: pl.DataType) -> pl.Expr:
    result = _cell(rule, dtype)
    if dtype != pl.String or (rule.type == "text" and rule.column.case == "keep" and not rule.column.strip):
        return result  # trimming alone is quicker than numbering
    return by_distinct(rule.raw, result, _cleaned(rule))


def _evaluated(rule: Rule, result: pl.Expr) -> Cleaner:
    named = result.alias(rule.raw)

    def clean(cells: pl.Series) -> Cleaned:
        both = cells.to_frame(rule.raw).with_columns(named).to_series().struct.unnest()  # spreads a constant
        return both["value"], both["code"]

    return clean


def _cell(rule: Rule, dtype: pl.DataType) -> pl.Expr:
    raw = pl.col(rule.raw)
    if rule.type in ("number", "integer"):
        steps, found, code = _number(rule, raw, dtype)
    elif rule.type == "date":
        steps, found, code = _date(rule, raw, dtype)
    elif rule.type == "text":
        steps, found, code = _text(rule, raw, dtype)
    else:
        steps, found, code = _key(rule, raw, dtype)
    following = [*steps[1:], {"found": found}, {"code": code}, {"value": _value(rule)}]
    if rule.required:
        lacking = pl.field("value").is_null() & (_C < FAULT)
        following.append({"code": pl.when(lacking).then(_code(REQUIRED)).otherwise(_C)})
    return let(steps[0], *following, result=pl.struct(value=_V, code=_C))


def text_form(raw: pl.Expr, dtype: pl.DataType, name: str) -> pl.Expr:
    """Any raw column as the text that a CSV would hold, null where missing; as ``cleaning.cell.text_of``.

    Raises:
        DataError: the column is of a type that has no such text.
    """
    if dtype in (pl.String, pl.Categorical, pl.Enum, pl.Null) or dtype.is_integer():
        return raw.cast(pl.String)
    if dtype == pl.Boolean:
        return pl.when(raw).then(pl.lit("true")).when(~raw).then(pl.lit("false"))
    if dtype.is_numeric():
        number = pl.field("number")
        is_whole = (number.abs() < WHOLE_LIMIT) & (number == number.floor())
        text = (
            pl.when(is_whole)
            .then(number.cast(pl.Int64, strict=False).cast(pl.String))
            .otherwise(number.cast(pl.String))
        )
        return let({"number": raw.cast(pl.Float64)}, result=pl.when(number.is_not_nan()).then(text))
    if dtype == pl.Date:
        return raw.dt.to_string("%Y-%m-%d")
    if dtype == pl.Datetime:
        return raw.dt.replace_time_zone(None).dt.to_string("%Y-%m-%dT%H:%M:%S")
    raise DataError(
        f"column {name!r} of the table is of type {dtype}; expected texts, numbers, true/false or dates. "
        "Write it out as one of these, or leave it out of the contract."
    )


Steps = tuple[list[dict[str, pl.Expr]], pl.Expr, pl.Expr]
"""Named values in order; the value as parsed; the code, which may use it as ``pl.field("found")``."""


def _code(number: int) -> pl.Expr:
    return pl.lit(number, dtype=pl.UInt8)


def _any(conditions: list[pl.Expr]) -> pl.Expr:
    return reduce(lambda a, b: a | b, conditions)


def _among(value: pl.Expr, items: frozenset[Any], dtype: Any) -> list[pl.Expr]:
    if not items:
        return []
    return [value.is_in(pl.Series(sorted(items), dtype=dtype).implode()).fill_null(False)]


def _trimmed(rule: Rule, raw: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    text = text_form(raw, dtype, rule.raw)
    if rule.column.strip:
        characters = sorted(set(rule.column.strip))
        text = text.str.replace_many(characters, [""] * len(characters))
    return text.str.strip_chars(SPACE)


def _as_number(text: pl.Expr) -> pl.Expr:
    return text.cast(pl.Float64, strict=False)


def pointed(text: pl.Expr) -> pl.Expr:
    """Numbers with a decimal comma as ones with a decimal point, null for the rest; as ``cleaning.rules.pointed``."""
    plain = text.str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True)
    return pl.when(text.str.contains(f"^(?:{COMMA_NUMBER})$")).then(plain)


def number_text(rule: Rule, text: pl.Expr) -> pl.Expr:
    """Trimmed texts as numbers are usually written; as ``cleaning.rules.Rule.number_text``."""
    text = without_words(text, rule.currencies)
    if rule.column.accounting:
        text = signed(text)
    return pointed(text) if rule.comma else text


def without_words(text: pl.Expr, patterns: Sequence[str]) -> pl.Expr:
    """Texts without the words that ``cleaning.rules.beside`` describes."""
    for pattern in patterns:
        text = text.str.replace(pattern, "${rest}")
    return text


def signed(text: pl.Expr) -> pl.Expr:
    """``(12)`` and ``12-`` as ``-12``."""
    size = text.str.strip_chars("()-").str.strip_chars(SPACE)
    negative = text.str.contains(f"^(?:{NEGATIVE})$")
    return pl.when(negative).then(pl.concat_str(pl.lit("-"), size)).otherwise(text)


def _no_text(rule: Rule, text: pl.Expr) -> list[pl.Expr]:
    """Conditions under which a trimmed text means missing."""
    found = [text.is_null() | (text == ""), *_among(text, rule.missing_texts, pl.String)]
    if rule.missing_numbers:
        found += _among(_as_number(number_text(rule, text)), rule.missing_numbers, pl.Float64)
    return found


def _number(rule: Rule, raw: pl.Expr, dtype: pl.DataType) -> Steps:
    found, text = pl.field("found"), pl.field("text")
    if dtype.is_numeric():
        steps = [{"typed": raw.cast(pl.Float64)}]
        number = pl.field("typed")
        endless = frozenset(value for value in (math.inf, -math.inf) if str(value) in rule.missing_texts)
        listed = _among(number, rule.missing_numbers | endless, pl.Float64)
        missing = _any([number.is_null() | number.is_nan(), *listed])
    else:
        steps = [{"text": _trimmed(rule, raw, dtype)}]
        number = _as_number(number_text(rule, text))
        if dtype in (pl.Boolean, pl.Date, pl.Datetime):
            number = pl.lit(None, dtype=pl.Float64)
        missing = _any(_no_text(rule, text)) if number is not None else text.is_null()
        if dtype in (pl.Boolean, pl.Date, pl.Datetime):
            missing = text.is_null()
    code = pl.when(missing).then(_code(MISSING))
    chain = code.when(found.is_null() | ~found.is_finite()).then(_code(UNPARSEABLE))
    if rule.type == "integer":
        chain = chain.when(found != found.floor()).then(_code(NOT_WHOLE))
    return steps, number, _in_range(rule, chain)


def _in_range(rule: Rule, chain: Any) -> pl.Expr:
    beyond: list[pl.Expr] = []
    if rule.low is not None:
        beyond.append(pl.field("found") < rule.low)
    if rule.high is not None:
        beyond.append(pl.field("found") > rule.high)
    if beyond:
        chain = chain.when(_any(beyond)).then(_code(rule.beyond))
    result: pl.Expr = chain.otherwise(_code(OK))
    return result


def _value(rule: Rule) -> pl.Expr:
    found = pl.field("found")
    chain: Any = pl.when(_C == OK).then(found)
    if rule.beyond == CLIPPED and rule.low is not None:
        low = pl.lit(rule.low, dtype=DTYPES[rule.column.kind])
        chain = chain.when((_C == CLIPPED) & (found < rule.low)).then(low)
    if rule.beyond == CLIPPED and rule.high is not None:
        chain = chain.when(_C == CLIPPED).then(pl.lit(rule.high, dtype=DTYPES[rule.column.kind]))
    value: pl.Expr = chain.otherwise(pl.lit(None, dtype=DTYPES[rule.column.kind]))
    return value


def _cased(rule: Rule, text: pl.Expr) -> pl.Expr:
    if rule.column.case == "keep":
        return text
    return ascii_lower(text) if rule.column.case == "lower" else ascii_upper(text)


def _text(rule: Rule, raw: pl.Expr, dtype: pl.DataType) -> Steps:
    text = pl.field("text")
    code = pl.when(_any(_no_text(rule, text))).then(_code(MISSING)).otherwise(_code(OK))
    return [{"text": _trimmed(rule, raw, dtype)}], _cased(rule, text), code


def _key(rule: Rule, raw: pl.Expr, dtype: pl.DataType) -> Steps:
    text, key = pl.field("text"), pl.field("key")
    unknown = UNPARSEABLE if rule.type == "boolean" else {"missing": UNKNOWN, "reject": REJECTED}[rule.column.unknown]
    steps = [{"text": _trimmed(rule, raw, dtype)}, {"key": _cased(rule, text)}]
    found = _same_text(rule, key)
    if rule.number_keys:
        steps.append({"number": _as_number(key)})
        found = pl.coalesce(found, *_same_number(rule, pl.field("number")))
    code = pl.when(_any(_no_text(rule, text))).then(_code(MISSING))
    return steps, found, code.when(pl.field("found").is_null()).then(_code(unknown)).otherwise(_code(OK))


def _same_text(rule: Rule, key: pl.Expr) -> pl.Expr:
    """The closed list through an Enum: unlike ``replace_strict`` it streams."""
    code = key.cast(pl.Enum(list(rule.keys)), strict=False)
    return (
        pl.when(code.is_not_null()).then(key)
        if rule.type == "category"
        else _meaning(rule, code, [*rule.keys.values()])
    )


def _meaning(rule: Rule, code: pl.Expr, values: list[Any]) -> pl.Expr:
    """What each value of an Enum, by its physical code, means."""
    if rule.type == "boolean":
        true = [index for index, value in enumerate(values) if value]
        return code.to_physical().cast(pl.Int64).is_in(pl.Series(true, dtype=pl.Int64).implode())
    return code.to_physical().cat.to(pl.Enum(values)).cast(pl.String)


def _same_number(rule: Rule, number: pl.Expr) -> list[pl.Expr]:
    """The closed list by number: whole ones through their digits, the others one by one."""
    whole = {key: value for key, value in rule.number_keys.items() if key.is_integer() and abs(key) < WHOLE_LIMIT}
    found = []
    if whole:
        digits = pl.when(number == number.floor()).then(number.cast(pl.Int64, strict=False)).cast(pl.String)
        names = pl.Enum([str(int(key)) for key in whole])
        found.append(_meaning(rule, digits.cast(names, strict=False), list(whole.values())))
    dtype = DTYPES[rule.column.kind]
    for key, value in rule.number_keys.items():
        if key not in whole:
            found.append(pl.when(number == key).then(pl.lit(value, dtype=dtype)))
    return found


def _date(rule: Rule, raw: pl.Expr, dtype: pl.DataType) -> Steps:
    text, day = pl.field("text"), pl.field("day")
    if dtype in (pl.Date, pl.Datetime):
        steps = [{"day": raw if dtype == pl.Date else raw.dt.replace_time_zone(None).dt.date()}]
        missing = _any([day.is_null(), *_among(day.dt.to_string("%Y-%m-%d"), rule.missing_texts, pl.String)])
    else:
        steps = [{"text": _trimmed(rule, raw, dtype)}, {"day": rule.date.expression(text)}]
        missing = _any(_no_text(rule, text))
    chain = pl.when(missing).then(_code(MISSING)).when(pl.field("found").is_null()).then(_code(UNPARSEABLE))
    return steps, day, _in_range(rule, chain)
