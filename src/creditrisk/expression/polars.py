"""The tree as a Polars expression.

Two traps of the engine decide how it is written. Dividing a column by a constant multiplies by the reciprocal (another
last bit), also where a CASE happens to give one constant for a whole batch; a power by a constant takes other paths
as well. And a value that is needed twice would be written twice, and so on with each level. ``_let`` ends both: it
puts operands into the fields of a struct, which makes them whole columns, and names them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from typing import Any

import polars as pl

from creditrisk.contract import Kind
from creditrisk.expression import scalar
from creditrisk.expression.distinct import by_distinct
from creditrisk.expression.tree import LOOSE, Expression, Node, walk

DTYPES: dict[Kind, pl.DataType] = {
    "number": pl.Float64(),
    "boolean": pl.Boolean(),
    "text": pl.String(),
    "date": pl.Date(),
}
_ON_TEXT = frozenset({"lower", "upper", "trim", "length", "like", "concat"})
"""Operations that take long for each text."""
_UPPER, _LOWER = list("ABCDEFGHIJKLMNOPQRSTUVWXYZ"), list("abcdefghijklmnopqrstuvwxyz")


def to_polars(expression: Expression) -> pl.Expr:
    """Compile to a Polars expression over clean columns; it streams, and gives the bits of the Python function."""
    return _strict(_once_for_each_text(expression.tree))


def let(steps: dict[str, pl.Expr], *following: dict[str, pl.Expr], result: pl.Expr) -> pl.Expr:
    """Name values, then values made of those (by ``pl.field``), then give the result made of them.

    Args:
        steps: names and values that everything after may use as ``pl.field(name)``.
        following: more of them, each group from those before.
        result: what comes out.
    """
    struct = pl.struct([value.alias(name) for name, value in steps.items()])
    for more in following:
        struct = struct.struct.with_fields(**more)
    found: pl.Expr = struct.struct.with_fields(_=result).struct.field("_")
    return found


def if_finite(value: pl.Expr) -> pl.Expr:
    """The value, or null where it is NaN or infinite; the value is written twice."""
    return pl.when(value.is_finite()).then(value)


def ascii_lower(text: pl.Expr) -> pl.Expr:
    """Small letters for A to Z alone."""
    return text.str.replace_many(_UPPER, _LOWER)


def ascii_upper(text: pl.Expr) -> pl.Expr:
    """Capital letters for a to z alone."""
    return text.str.replace_many(_LOWER, _UPPER)


def _once_for_each_text(node: Node) -> Node:
    """Put the largest parts that work on the texts of one column alone under ``distinct``."""
    items = list(walk(node))
    columns = {(str(item.value), item.kind) for item in items if item.op == "col"}
    if len(columns) == 1 and node.op not in LOOSE and any(item.op in _ON_TEXT for item in items):
        (name, kind) = columns.pop()
        return Node("distinct", node.kind, (node,), name) if kind == "text" else node
    if len(columns) == 0:
        return node
    return Node(node.op, node.kind, tuple(_once_for_each_text(item) for item in node.args), node.value)


def _distinct(node: Node) -> pl.Expr:
    return by_distinct(str(node.value), _strict(node.args[0]), DTYPES[node.kind])


def _strict(node: Node) -> pl.Expr:
    """The value, never NaN or infinite."""
    if node.op not in LOOSE and node.op != "pow":
        return _loose(node)
    return let({"v": _loose(node)}, result=if_finite(pl.field("v")))


def _loose(node: Node) -> pl.Expr:
    return _COMPILE[node.op](node)


def _literal(node: Node) -> pl.Expr:
    return pl.lit(node.value, dtype=DTYPES[node.kind])


def _binary(
    apply: Callable[[pl.Expr, pl.Expr], pl.Expr], operand: Callable[[Node], pl.Expr]
) -> Callable[[Node], pl.Expr]:
    return lambda node: apply(operand(node.args[0]), operand(node.args[1]))


def _unary(
    apply: Callable[[pl.Expr], pl.Expr], operand: Callable[[Node], pl.Expr] = _strict
) -> Callable[[Node], pl.Expr]:
    return lambda node: apply(operand(node.args[0]))


def _divide(node: Node) -> pl.Expr:
    return let({"a": _loose(node.args[0]), "b": _strict(node.args[1])}, result=pl.field("a") / pl.field("b"))


def _power(node: Node) -> pl.Expr:
    """As ``scalar.power``: which way Polars takes depends on the number of rows, so each way is written out."""
    base, exponent = pl.field("a"), pl.field("b")
    given = node.args[1].value if node.args[1].literal else None
    products: dict[float, pl.Expr] = {2.0: base * base}
    for factors in range(3, scalar.MAX_PRODUCT + 1):
        products[float(factors)] = products[factors - 1.0] * base
    result: pl.Expr
    if isinstance(given, float):
        result = base.sqrt() if given == 0.5 else products.get(given, base.pow(exponent))
    else:
        chain: Any = pl.when(exponent == 0.5).then(base.sqrt())
        for whole, product in products.items():
            chain = chain.when(exponent == whole).then(product)
        result = chain.otherwise(base.pow(exponent))
    return let({"a": _strict(node.args[0]), "b": _strict(node.args[1])}, result=result)


def _half_up(size: pl.Expr, down: pl.Expr) -> pl.Expr:
    return down + pl.when(size - down >= 0.5).then(1.0).otherwise(0.0)


def _signed(size: pl.Expr, of: pl.Expr) -> pl.Expr:
    return pl.when(of < 0.0).then(-size).otherwise(size)


def _round(node: Node) -> pl.Expr:
    assert isinstance(node.value, int)
    size, scale, scaled, whole = pl.field("size"), pl.field("scale"), pl.field("scaled"), pl.field("whole")
    up = node.value >= 0
    result = _signed(whole / scale if up else whole * scale, pl.field("v"))
    if up:
        result = pl.when(scaled < scalar.WHOLE).then(result).otherwise(pl.field("v"))
    rounded = let(
        {"v": _strict(node.args[0]), "scale": pl.lit(10.0 ** abs(node.value))},
        {"size": pl.field("v").abs()},
        {"scaled": size * scale if up else size / scale},
        {"whole": _half_up(scaled, scaled.floor())},
        result=result,
    )
    return let({"v": rounded}, result=if_finite(pl.field("v")))


def _log10(node: Node) -> pl.Expr:
    value, quotient, whole, power = pl.field("v"), pl.field("quotient"), pl.field("whole"), pl.field("power")
    size = quotient.abs()
    return let(
        {"v": _strict(node.args[0]), "ln10": pl.lit(scalar.LN10), "ten": pl.lit(10.0)},
        {"quotient": value.log() / pl.field("ln10")},
        {"whole": _signed(_half_up(size, size.floor()), quotient)},
        {"power": pl.field("ten").pow(whole)},
        result=pl.when(value > 0.0).then(pl.when(power == value).then(whole).otherwise(quotient)),
    )


def _modulo(node: Node) -> pl.Expr:
    quotient, result = pl.field("quotient"), pl.field("result")
    whole = pl.when(quotient >= 0.0).then(quotient.floor()).otherwise(quotient.ceil())
    return let(
        {"a": _strict(node.args[0]), "b": _strict(node.args[1])},
        {"quotient": pl.field("a") / pl.field("b")},
        {"result": pl.field("a") - whole * pl.field("b")},
        result=pl.when(quotient.is_finite() & result.is_finite()).then(result),
    )


def _extreme(
    holds: Callable[[pl.Expr, pl.Expr], pl.Expr], horizontal: Callable[[list[pl.Expr]], pl.Expr]
) -> Callable[[Node], pl.Expr]:
    """Skips nulls, and the first of two equal values stays, which tells 0.0 from -0.0."""

    def compile_(node: Node) -> pl.Expr:
        named, items = _operands(node.args)
        if len(items) == 2:
            best, item = items
            result = pl.when(item.is_null() | holds(best, item)).then(best).otherwise(item)
            return let(named, result=result) if named else result
        best = pl.field("best")
        if node.kind == "number":  # of all equal values only zeros differ
            first_zero = pl.coalesce([pl.when(item == 0.0).then(item) for item in items])
            best = pl.when(best == 0.0).then(first_zero).otherwise(best)
        return let(*([named] if named else []), {"best": horizontal(items)}, result=best)

    return compile_


def _operands(nodes: Sequence[Node]) -> tuple[dict[str, pl.Expr], list[pl.Expr]]:
    """What ``let`` has to name, and how to refer to each operand; where all are as short as names, nothing."""
    values = [_strict(node) for node in nodes]
    if nodes[0].op == "col" and all(node.op in ("col", "lit") for node in nodes):
        return {}, values
    named = {f"v{place}": value for place, value in enumerate(values)}
    return named, [pl.field(name) for name in named]


def _nullif(node: Node) -> pl.Expr:
    named, (a, b) = _operands(node.args)
    # A null is nothing's equal, so where one stands on either side the first value stays.
    result = pl.when((a == b).fill_null(False)).then(None).otherwise(a)
    return let(named, result=result) if named else result


def _case(node: Node) -> pl.Expr:
    *pairs, default = node.args
    chain: Any = pl
    for condition, result in zip(pairs[::2], pairs[1::2], strict=True):
        chain = chain.when(_strict(condition)).then(_strict(result))
    found: pl.Expr = chain.otherwise(_strict(default))
    return found


def _to_number(node: Node) -> pl.Expr:
    return _strict(node.args[0]).cast(pl.Float64)


def _in(node: Node) -> pl.Expr:
    assert isinstance(node.value, tuple)
    kind = node.args[0].kind
    return _strict(node.args[0]).is_in(pl.Series(list(node.value), dtype=DTYPES[kind]).implode())


def _like(node: Node) -> pl.Expr:
    pattern = str(node.value)
    text, inner = _strict(node.args[0]).str, pattern.strip("%")
    if "_" in inner or "%" in inner or pattern in ("", inner):
        return text.contains(scalar.like_regex(pattern))
    if pattern.startswith("%") and pattern.endswith("%"):
        return text.contains(inner, literal=True)
    return text.ends_with(inner) if pattern.startswith("%") else text.starts_with(inner)


def _extract(node: Node) -> pl.Expr:
    day = _strict(node.args[0]).dt
    part = {"year": day.year, "month": day.month, "day": day.day}[str(node.value)]
    return part().cast(pl.Float64)


def _days(node: Node) -> pl.Expr:
    start, end = (_strict(item).cast(pl.Int32) for item in node.args)
    return (end - start).cast(pl.Float64)


def _months(node: Node) -> pl.Expr:
    a, b = pl.field("a").dt, pl.field("b").dt
    months = (b.year() - a.year()) * 12 + b.month().cast(pl.Int32) - a.month().cast(pl.Int32)
    incomplete = (b.day() < a.day()).cast(pl.Int32)
    values = {"a": _strict(node.args[0]), "b": _strict(node.args[1])}
    return let(values, result=(months - incomplete).cast(pl.Float64))


def _horizontal(apply: Callable[[list[pl.Expr]], pl.Expr]) -> Callable[[Node], pl.Expr]:
    return lambda node: apply([_strict(item) for item in node.args])


def _joined(join: Callable[[pl.Expr, pl.Expr], pl.Expr]) -> Callable[[list[pl.Expr]], pl.Expr]:
    """Join conditions half by half: the time that Polars takes for a chain grows with the cube of its length."""

    def joined(conditions: list[pl.Expr]) -> pl.Expr:
        if len(conditions) == 1:
            return conditions[0]
        half = len(conditions) // 2
        return join(joined(conditions[:half]), joined(conditions[half:]))

    return joined


_COMPILE: dict[str, Callable[[Node], pl.Expr]] = {
    "distinct": _distinct,
    "col": lambda node: pl.col(str(node.value)),
    "lit": _literal,
    "add": _binary(lambda a, b: a + b, _loose),
    "sub": _binary(lambda a, b: a - b, _loose),
    "mul": _binary(lambda a, b: a * b, _loose),
    "neg": _unary(lambda a: -a, _loose),
    "abs": _unary(lambda a: a.abs(), _loose),
    "div": _divide,
    "pow": _power,
    "ln": _unary(lambda a: a.log()),
    "sqrt": _unary(lambda a: a.sqrt()),
    "exp": _unary(lambda a: a.exp()),
    "log10": _log10,
    "round": _round,
    "mod": _modulo,
    "floor": _unary(lambda a: a.floor()),
    "ceil": _unary(lambda a: a.ceil()),
    "eq": _binary(lambda a, b: a == b, _strict),
    "ne": _binary(lambda a, b: a != b, _strict),
    "lt": _binary(lambda a, b: a < b, _strict),
    "le": _binary(lambda a, b: a <= b, _strict),
    "gt": _binary(lambda a, b: a > b, _strict),
    "ge": _binary(lambda a, b: a >= b, _strict),
    "and": _horizontal(_joined(lambda a, b: a & b)),
    "or": _horizontal(_joined(lambda a, b: a | b)),
    "not": _unary(lambda a: ~a),
    "is_null": _unary(lambda a: a.is_null()),
    "in": _in,
    "like": _like,
    "coalesce": _horizontal(pl.coalesce),
    "nullif": _nullif,
    "least": _extreme(lambda a, b: a <= b, pl.min_horizontal),
    "greatest": _extreme(lambda a, b: a >= b, pl.max_horizontal),
    "case": _case,
    "to_number": _to_number,
    "lower": _unary(ascii_lower),
    "upper": _unary(ascii_upper),
    "trim": _unary(lambda a: a.str.strip_chars(scalar.SPACE)),
    "length": _unary(lambda a: a.str.len_chars().cast(pl.Float64)),
    "concat": _horizontal(lambda parts: pl.concat_str(parts, ignore_nulls=False)),
    "extract": _extract,
    "days": _days,
    "months": _months,
}


def date_literal(day: dt.date) -> pl.Expr:
    """A date as a constant."""
    return pl.lit(day, dtype=pl.Date)
