"""Operations on constants alone are done while parsing, and those that an engine would rewrite are written so here.

Polars drops ``+ 0`` and turns ``0 - x`` into ``-x``, which differ for -0.0; here both engines get the shorter form.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

from creditrisk.expression import scalar
from creditrisk.expression.tree import Node, lit


def _each(function: Callable[..., Any]) -> Callable[[Node, list[Any]], Any]:
    """A function of the operands' values that gives null where one of them is null."""
    return lambda node, values: None if None in values else function(*values)


def _with_value(function: Callable[..., Any]) -> Callable[[Node, list[Any]], Any]:
    return lambda node, values: None if None in values else function(node.value, *values)


def _and(values: list[Any]) -> bool | None:
    return False if False in values else (None if None in values else True)


def _or(values: list[Any]) -> bool | None:
    return True if True in values else (None if None in values else False)


def _first(values: list[Any]) -> Any:
    return next((value for value in values if value is not None), None)


def _pick(best: Callable[..., Any]) -> Callable[[Node, list[Any]], Any]:
    def pick(_: Node, values: list[Any]) -> Any:
        known = [value for value in values if value is not None]
        return best(known) if known else None

    return pick


EVALUATE: dict[str, Callable[[Node, list[Any]], Any]] = {
    "add": _each(operator.add),
    "sub": _each(operator.sub),
    "mul": _each(operator.mul),
    "div": _each(lambda a, b: a / b if b else None),
    "neg": _each(operator.neg),
    "abs": _each(abs),
    "ln": _each(lambda a: math.log(a) if a > 0.0 else None),
    "sqrt": _each(lambda a: math.sqrt(a) if a >= 0.0 else None),
    "exp": _each(lambda a: math.exp(a) if a <= scalar.EXP_LIMIT else None),
    "pow": _each(scalar.power),
    "log10": _each(scalar.log10),
    "round": lambda node, values: None if None in values else scalar.round_to(values[0], node.value),  # type: ignore[arg-type]
    "mod": _each(scalar.modulo),
    "floor": _each(scalar.floor),
    "ceil": _each(scalar.ceil),
    "eq": _each(operator.eq),
    "ne": _each(operator.ne),
    "lt": _each(operator.lt),
    "le": _each(operator.le),
    "gt": _each(operator.gt),
    "ge": _each(operator.ge),
    "and": lambda _, values: _and(values),
    "or": lambda _, values: _or(values),
    "not": _each(operator.not_),
    "is_null": lambda _, values: values[0] is None,
    "in": lambda node, values: None if None in values else values[0] in node.value,  # type: ignore[operator]
    "like": lambda node, values: None if None in values else scalar.like(node.value)(values[0]),
    "coalesce": lambda _, values: _first(values),
    "nullif": lambda _, values: None if None not in values and values[0] == values[1] else values[0],
    "least": _pick(min),
    "greatest": _pick(max),
    "lower": _each(scalar.lower),
    "upper": _each(scalar.upper),
    "trim": _each(scalar.trim),
    "length": _each(lambda a: float(len(a))),
    "concat": _each(lambda *a: "".join(a)),
    "extract": _with_value(scalar.extract),
    "days": _each(scalar.days_between),
    "months": _each(scalar.months_between),
}


def fold(node: Node) -> Node:
    """The node, or what it comes to where its operands are constants."""
    if node.literal:
        return node
    if all(item.literal for item in node.args):
        value = EVALUATE[node.op](node, [item.value for item in node.args])
        if isinstance(value, float) and not math.isfinite(value):
            value = None
        return lit(value, node.kind)
    return _REWRITE.get(node.op, _same)(node)


def _same(node: Node) -> Node:
    return node


def _is_zero(node: Node) -> bool:
    return node.literal and node.value == 0.0 and node.value is not False


def _add(node: Node) -> Node:
    left, right = node.args
    return right if _is_zero(left) else left if _is_zero(right) else _null_if_any(node)


def _sub(node: Node) -> Node:
    left, right = node.args
    if _is_zero(right):
        return left
    return Node("neg", "number", (right,)) if _is_zero(left) else _null_if_any(node)


def _null_if_any(node: Node) -> Node:
    """An operation on a NULL constant is NULL, so no engine has to type one."""
    if any(item.literal and item.value is None for item in node.args):
        return lit(None, node.kind)
    return node


def _divide(node: Node) -> Node:
    return lit(None, "number") if _is_zero(node.args[1]) else _null_if_any(node)


def _junction(decisive: bool) -> Callable[[Node], Node]:
    def rewrite(node: Node) -> Node:
        if any(item.literal and item.value is decisive for item in node.args):
            return lit(decisive, "boolean")
        rest = tuple(item for item in node.args if not (item.literal and item.value is (not decisive)))
        return rest[0] if len(rest) == 1 else Node(node.op, "boolean", rest)

    return rewrite


def _coalesce(node: Node) -> Node:
    """Drop NULLs, and whatever stands behind a constant."""
    args: list[Node] = []
    for item in node.args:
        if item.literal and item.value is None:
            continue
        args.append(item)
        if item.literal:
            break
    return args[0] if len(args) == 1 else Node("coalesce", node.kind, tuple(args))


def _extreme(node: Node) -> Node:
    args = tuple(item for item in node.args if not (item.literal and item.value is None))
    return args[0] if len(args) == 1 else Node(node.op, node.kind, args)


def _comparison(node: Node) -> Node:
    """Put a constant on the right: Polars' in-memory engine loses rows where one on the left meets a uniform column."""
    left, right = node.args
    if left.literal and not right.literal:
        node = Node(_MIRRORED[node.op], "boolean", (right, left))
    return _null_if_any(node)


def _nullif(node: Node) -> Node:
    left, right = node.args
    if left.literal and left.value is None:
        return left
    return left if right.literal and right.value is None else node


_MIRRORED = {"eq": "eq", "ne": "ne", "lt": "gt", "le": "ge", "gt": "lt", "ge": "le"}
_REWRITE: dict[str, Callable[[Node], Node]] = {
    "add": _add,
    "sub": _sub,
    "div": _divide,
    "and": _junction(False),
    "or": _junction(True),
    "coalesce": _coalesce,
    "least": _extreme,
    "greatest": _extreme,
    "nullif": _nullif,
    **dict.fromkeys(_MIRRORED, _comparison),
    **dict.fromkeys(("mul", "pow", "mod", "concat", "days", "months"), _null_if_any),
}
