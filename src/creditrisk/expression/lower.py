"""The second gate: sqlglot's syntax to the checked, typed tree; constants are folded on the way.

Only the kinds of syntax named here pass; each names what kind of operands it takes.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sqlglot.expressions as exp

from creditrisk.contract import Kind
from creditrisk.errors import ExpressionError
from creditrisk.expression.fold import fold
from creditrisk.expression.tokens import Place, describe, offset_of, unknown_column
from creditrisk.expression.tree import Node, lit

MAX_PATTERN = 200
MAX_DIGITS = 15

_ARITHMETIC: dict[type[exp.Expr], str] = {exp.Add: "add", exp.Sub: "sub", exp.Mul: "mul", exp.Div: "div"}
_COMPARISON: dict[type[exp.Expr], str] = {
    exp.EQ: "eq",
    exp.NEQ: "ne",
    exp.LT: "lt",
    exp.LTE: "le",
    exp.GT: "gt",
    exp.GTE: "ge",
}
_OF_NUMBER: dict[type[exp.Expr], str] = {
    exp.Neg: "neg",
    exp.Abs: "abs",
    exp.Ln: "ln",
    exp.Exp: "exp",
    exp.Sqrt: "sqrt",
    exp.Floor: "floor",
    exp.Ceil: "ceil",
}
_OF_TEXT: dict[type[exp.Expr], str] = {exp.Lower: "lower", exp.Upper: "upper", exp.Trim: "trim"}

_USUAL = frozenset({"this", "expression", "expressions"})
_TAKES: dict[type[exp.Expr], frozenset[str]] = {
    exp.Column: frozenset({"this"}),
    exp.Cast: frozenset({"this", "to"}),
    exp.Between: frozenset({"this", "low", "high"}),
    exp.Case: frozenset({"this", "default"}),
    exp.Round: frozenset({"this", "decimals"}),
    exp.In: frozenset({"this"}),
}
"""Operands that are known here of each syntax; sqlglot knows more, as in TRIM(LEADING ...) and IN (SELECT ...)."""


class Lowering:
    """Turns syntax into a checked tree, over columns of known kinds."""

    def __init__(self, kinds: Mapping[str, Kind], place: Place) -> None:
        self._kinds, self._place = kinds, place
        self._rules: dict[type[exp.Expr], Callable[[Any], Node]] = {
            exp.Paren: lambda e: self.node(e.this),
            exp.Column: self._column,
            exp.Literal: self._literal,
            exp.Boolean: lambda e: lit(bool(e.this), "boolean"),
            exp.Null: lambda e: _NULL,
            exp.Cast: self._date,
            exp.And: self._junction,
            exp.Or: self._junction,
            exp.Not: self._not,
            exp.Is: self._is_null,
            exp.In: self._in,
            exp.Between: self._between,
            exp.Like: self._like,
            exp.Case: self._case,
            exp.Coalesce: lambda e: self._same("coalesce", [e.this, *e.expressions], e),
            exp.Least: lambda e: self._extreme("least", e),
            exp.Greatest: lambda e: self._extreme("greatest", e),
            exp.Nullif: lambda e: self._nullif(e),
            exp.Mod: lambda e: self._numbers("mod", [e.this, e.expression], e),
            exp.Pow: lambda e: self._numbers("pow", [e.this, e.expression], e),
            exp.Log: self._log10,
            exp.Round: self._round,
            exp.Length: lambda e: self._call("length", "number", "text", [e.this], e),
            exp.DPipe: lambda e: self._texts([e.this, e.expression], e),
            exp.Concat: lambda e: self._texts(e.expressions, e),
            exp.Extract: self._extract,
            exp.MonthsBetween: lambda e: self._dates("months", [e.this, e.expression], e),
            exp.Anonymous: self._anonymous,
        }
        self._rules |= dict.fromkeys(_ARITHMETIC, self._arithmetic)
        self._rules |= dict.fromkeys(_COMPARISON, self._compare)
        self._rules |= dict.fromkeys(_OF_NUMBER, self._of_number)
        self._rules |= dict.fromkeys(_OF_TEXT, self._of_text)

    def node(self, syntax: exp.Expr) -> Node:
        """Lower one piece of syntax and all below it.

        Raises:
            ExpressionError: it is not of the subset, or its kinds do not fit.
        """
        rule = self._rules.get(type(syntax))
        if rule is None:
            raise self._error(syntax, f"{describe(syntax)} is not of the subset of SQL that a contract may use")
        known = _TAKES.get(type(syntax), _USUAL)
        for key, value in syntax.args.items():
            if isinstance(value, exp.Expr) and key not in known:
                raise self._error(syntax, f"{describe(syntax)} does not take this form here")
        return rule(syntax)

    def _error(self, syntax: exp.Expr, message: str) -> ExpressionError:
        return self._place.error(offset_of(syntax), message)

    def _column(self, syntax: exp.Column) -> Node:
        name = syntax.name
        if name not in self._kinds:
            raise unknown_column(name, offset_of(syntax), self._kinds, self._place)
        return Node("col", self._kinds[name], (), name)

    def _literal(self, syntax: exp.Literal) -> Node:
        if syntax.is_string:
            return lit(str(syntax.this), "text")
        value = float(syntax.this)
        if not math.isfinite(value):
            raise self._error(syntax, f"{syntax.this} is too large for a number")
        return lit(value, "number")

    def _date(self, syntax: exp.Cast) -> Node:
        given = syntax.this
        if not syntax.to.is_type("date") or not (isinstance(given, exp.Literal) and given.is_string):
            raise self._error(syntax, "only a date can be written with its type, such as DATE '2024-01-31'")
        return self._iso(str(given.this), syntax)

    def _iso(self, text: str, syntax: exp.Expr) -> Node:
        try:
            if len(text) == 10 and text[4] == text[7] == "-":
                return lit(dt.date.fromisoformat(text), "date")
        except ValueError:
            pass
        raise self._error(syntax, f"{text!r} is no date; write it like '2024-01-31'")

    def _operand(self, syntax: exp.Expr, kind: Kind, by: exp.Expr) -> Node:
        node = self.node(syntax)
        if _is_null(node):
            return lit(None, kind)
        if node.kind == kind:
            return node
        raise self._error(
            syntax, f"{describe(by)} takes a {kind}, {describe(syntax)} is a {node.kind}{_hint(kind, node)}"
        )

    def _call(self, op: str, kind: Kind, takes: Kind, operands: Sequence[exp.Expr], by: exp.Expr) -> Node:
        return fold(Node(op, kind, tuple(self._operand(item, takes, by) for item in operands)))

    def _numbers(self, op: str, operands: Sequence[exp.Expr], by: exp.Expr) -> Node:
        return self._call(op, "number", "number", operands, by)

    def _dates(self, op: str, operands: Sequence[exp.Expr], by: exp.Expr) -> Node:
        return fold(Node(op, "number", tuple(self._day(item, by) for item in operands)))

    def _day(self, syntax: exp.Expr, by: exp.Expr) -> Node:
        if isinstance(syntax, exp.Literal) and syntax.is_string:
            return self._iso(str(syntax.this), syntax)
        return self._operand(syntax, "date", by)

    def _texts(self, operands: Sequence[exp.Expr], by: exp.Expr) -> Node:
        return self._call("concat", "text", "text", operands, by)

    def _arithmetic(self, syntax: exp.Binary) -> Node:
        left, right = syntax.this, syntax.expression
        if isinstance(syntax, exp.Sub) and self._is_date(left) and self._is_date(right):
            raise self._error(syntax, "for the days between two dates use DAYS_BETWEEN(start, end)")
        return self._numbers(_ARITHMETIC[type(syntax)], [left, right], syntax)

    def _is_date(self, syntax: exp.Expr) -> bool:
        return isinstance(syntax, exp.Column) and self._kinds.get(syntax.name) == "date"

    def _of_number(self, syntax: exp.Func) -> Node:
        return self._numbers(_OF_NUMBER[type(syntax)], [syntax.this], syntax)

    def _of_text(self, syntax: exp.Func) -> Node:
        if syntax.args.get("position"):
            raise self._error(syntax, "TRIM takes one text and trims both ends")
        return self._call(_OF_TEXT[type(syntax)], "text", "text", [syntax.this], syntax)

    def _log10(self, syntax: exp.Log) -> Node:
        return self._numbers("log10", [syntax.expression], syntax)

    def _round(self, syntax: exp.Round) -> Node:
        digits = 0
        if syntax.args.get("decimals") is not None:
            given = self.node(syntax.args["decimals"])
            if not (given.literal and isinstance(given.value, float) and given.value.is_integer()):
                raise self._error(syntax, "ROUND takes its digits as a whole number, such as ROUND(x, 2)")
            digits = int(given.value)
        if abs(digits) > MAX_DIGITS:
            raise self._error(syntax, f"ROUND takes up to {MAX_DIGITS} digits, found {digits}")
        return fold(Node("round", "number", (self._operand(syntax.this, "number", syntax),), digits))

    def _extract(self, syntax: exp.Extract) -> Node:
        part = syntax.this.name.lower()
        if part not in ("year", "month", "day"):
            raise self._error(syntax, f"EXTRACT takes YEAR, MONTH or DAY, found {syntax.this.name}")
        return fold(Node("extract", "number", (self._day(syntax.expression, syntax),), part))

    def _anonymous(self, syntax: exp.Anonymous) -> Node:
        operands = syntax.expressions
        if syntax.name.upper() != "DAYS_BETWEEN" or len(operands) != 2:
            raise self._error(syntax, f"{syntax.name} does not take {len(operands)} values here")
        return self._dates("days", operands, syntax)

    def _compare(self, syntax: exp.Binary) -> Node:
        left, right = self._alike([syntax.this, syntax.expression], syntax)
        return self._comparison(_COMPARISON[type(syntax)], left, right, syntax)

    def _comparison(self, op: str, left: Node, right: Node, syntax: exp.Expr) -> Node:
        if left.kind == "boolean" and op not in ("eq", "ne"):
            raise self._error(syntax, "conditions have no order; compare them with = or <>")
        return fold(Node(op, "boolean", (left, right)))

    def _alike(self, operands: Sequence[exp.Expr], by: exp.Expr) -> tuple[Node, ...]:
        """Operands of one kind; NULL takes the kind of the others, and an ISO date in quotes may stand for a date."""
        nodes = [self.node(item) for item in operands]
        kinds = {node.kind for node in nodes if not _is_null(node)}
        if kinds == {"date", "text"}:
            nodes = [
                self._iso(str(node.value), item)
                if node.kind == "text" and node.literal and not _is_null(node)
                else node
                for node, item in zip(nodes, operands, strict=True)
            ]
            kinds = {node.kind for node in nodes if not _is_null(node)}
        if len(kinds) > 1:
            first = next(node for node in nodes if not _is_null(node))
            item, odd = next(
                (i, n) for i, n in zip(operands, nodes, strict=True) if not _is_null(n) and n.kind != first.kind
            )
            hint = _hint(first.kind, odd)
            raise self._error(
                item, f"{describe(by)} takes values of one kind, found a {first.kind} and a {odd.kind}{hint}"
            )
        kind = next(iter(kinds), None)
        if kind is None:
            return tuple(nodes)
        return tuple(lit(None, kind) if _is_null(node) else node for node in nodes)

    def _same(self, op: str, operands: Sequence[exp.Expr], by: exp.Expr) -> Node:
        nodes = self._alike(operands, by)
        return fold(Node(op, nodes[0].kind, nodes))

    def _extreme(self, op: str, syntax: exp.Func) -> Node:
        node = self._same(op, [syntax.this, *syntax.expressions], syntax)
        if node.kind not in ("number", "date") and not _is_null(node):
            raise self._error(syntax, f"{op.upper()} takes numbers or dates, found a {node.kind}")
        return node

    def _nullif(self, syntax: exp.Nullif) -> Node:
        return self._same("nullif", [syntax.this, syntax.expression], syntax)

    def _junction(self, syntax: exp.Connector) -> Node:
        kind = type(syntax)
        op = "and" if kind is exp.And else "or"
        operands: list[exp.Expr] = []
        rest: exp.Expr = syntax
        while type(rest) is kind:  # sqlglot nests a chain to the left
            operands.append(rest.expression)
            rest = rest.this
        return self._call(op, "boolean", "boolean", [rest, *reversed(operands)], syntax)

    def _not(self, syntax: exp.Not) -> Node:
        return self._call("not", "boolean", "boolean", [syntax.this], syntax)

    def _is_null(self, syntax: exp.Is) -> Node:
        if not isinstance(syntax.expression, exp.Null):
            raise self._error(syntax, "IS takes NULL or NOT NULL")
        return fold(Node("is_null", "boolean", (self.node(syntax.this),)))

    def _between(self, syntax: exp.Between) -> Node:
        value, low, high = self._alike([syntax.this, syntax.args["low"], syntax.args["high"]], syntax)
        above = self._comparison("ge", value, low, syntax)
        return fold(Node("and", "boolean", (above, self._comparison("le", value, high, syntax))))

    def _in(self, syntax: exp.In) -> Node:
        if not syntax.expressions:
            raise self._error(syntax, "IN needs at least one value")
        value, *given = self._alike([syntax.this, *syntax.expressions], syntax)
        values = tuple(node.value for node in given if node.literal and node.value is not None)
        parts: list[Node] = [Node("eq", "boolean", (value, node)) for node in given if not node.literal]
        if values and value.kind != "boolean":
            parts.append(Node("in", "boolean", (value,), values))  # type: ignore[arg-type]
        elif values:
            parts += [Node("eq", "boolean", (value, lit(v, "boolean"))) for v in values]  # type: ignore[arg-type]
        if any(node.literal and node.value is None for node in given):
            parts.append(lit(None, "boolean"))
        folded = tuple(fold(part) for part in parts)
        return folded[0] if len(folded) == 1 else fold(Node("or", "boolean", folded))

    def _like(self, syntax: exp.Like) -> Node:
        pattern = syntax.expression
        if not (isinstance(pattern, exp.Literal) and pattern.is_string):
            raise self._error(syntax, "LIKE takes its pattern as a text in quotes, such as 'car%'")
        if len(pattern.this) > MAX_PATTERN:
            raise self._error(pattern, f"LIKE takes a pattern of up to {MAX_PATTERN} characters")
        node = fold(Node("like", "boolean", (self._operand(syntax.this, "text", syntax),), str(pattern.this)))
        return fold(Node("not", "boolean", (node,))) if syntax.args.get("negate") else node

    def _case(self, syntax: exp.Case) -> Node:
        branches = syntax.args["ifs"]
        default = syntax.args.get("default") or exp.Null()
        results = self._alike([*(branch.args["true"] for branch in branches), default], syntax)
        conditions = self._conditions(syntax, branches)
        args: list[Node] = []
        for condition, result in zip(conditions, results, strict=False):
            if condition.literal and condition.value is not True:
                continue
            if condition.literal:  # what follows is never reached
                return _case(args, result)
            args += [condition, result]
        return _case(args, results[-1])

    def _conditions(self, syntax: exp.Case, branches: Sequence[exp.If]) -> list[Node]:
        if syntax.this is None:
            return [self._operand(branch.this, "boolean", syntax) for branch in branches]
        operand, *values = self._alike([syntax.this, *(branch.this for branch in branches)], syntax)
        return [fold(Node("eq", "boolean", (operand, value))) for value in values]


_NULL = lit(None, "text")


def _is_null(node: Node) -> bool:
    """NULL has no kind of its own; it takes its neighbours'."""
    return node.literal and node.value is None


def _case(args: list[Node], default: Node) -> Node:
    if not args or all(_is_null(result) for result in (*args[1::2], default)):
        return default
    return Node("case", default.kind, (*args, default))


def _hint(wanted: Kind, found: Node) -> str:
    if wanted == "text" and found.kind == "number" and found.literal and isinstance(found.value, float):
        shown = int(found.value) if found.value.is_integer() else found.value
        return f"; a category's values are texts: write '{shown}'"
    if wanted == "number" and found.kind == "boolean":
        return "; write CASE WHEN ... THEN 1 ELSE 0 END"
    if wanted == "number" and found.kind == "text" and found.literal:
        return "; write a number without quotes"
    return ""
