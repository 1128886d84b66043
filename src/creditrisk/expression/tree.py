"""The small typed tree between the parser and the two compilers.

Every operation in it has one meaning that both engines can hold to the last bit. Numbers are float64. An operation in
``LOOSE`` may give NaN or infinity for a moment: those absorb everything that loose operations do, so one check where
a value is needed (``strict``) turns them into null, with the same outcome as a check after each operation.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from creditrisk.contract import Kind

Value = float | bool | str | dt.date | None

LOOSE = frozenset({"add", "sub", "mul", "neg", "abs", "div", "ln", "sqrt", "exp"})
COMPARISONS = frozenset({"eq", "ne", "lt", "le", "gt", "ge"})
BOOLEAN = COMPARISONS | {"and", "or", "not", "is_null", "in", "like"}


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One operation.

    ``value`` holds what is no operand: a literal's value, a column's name, the values of IN, LIKE's pattern, the
    digits of ROUND, the part that EXTRACT takes. A CASE has condition, result, condition, result, ..., default.
    """

    op: str
    kind: Kind
    args: tuple[Node, ...] = ()
    value: Value | int | tuple[float | str | dt.date, ...] = None

    @property
    def literal(self) -> bool:
        """Whether this is a constant, NULL included."""
        return self.op == "lit"


@dataclass(frozen=True, slots=True)
class Expression:
    """A checked expression: its text, the kind of its result, the columns it reads (sorted), and its tree."""

    sql: str
    kind: Kind
    columns: tuple[str, ...]
    tree: Node


def lit(value: Value, kind: Kind) -> Node:
    """A constant. A zero is always the positive one: an engine may drop ``+ 0``, which would turn -0.0 round."""
    if kind == "number" and value == 0:
        value = 0.0
    return Node("lit", kind, (), value)


def walk(node: Node) -> Iterator[Node]:
    """Every operation of a tree, shared ones as often as they are used; no recursion."""
    waiting = [node]
    while waiting:
        current = waiting.pop()
        yield current
        waiting.extend(current.args)


def renamed(node: Node, names: Mapping[str, str]) -> Node:
    """The same tree over columns of other names."""
    if node.op == "col":
        return Node("col", node.kind, (), names.get(str(node.value), str(node.value)))
    return Node(node.op, node.kind, tuple(renamed(item, names) for item in node.args), node.value)
