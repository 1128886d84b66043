"""The tree as plain Python, generated from the checked operations alone.

Columns become local variables, constants are bound in a closure under names of our own, and every name in the text is
made here: no character of a contract is ever part of the source. What is used twice is computed once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from creditrisk.expression import scalar
from creditrisk.expression.tree import COMPARISONS, LOOSE, Expression, Node

_SIGNS = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
_OPPOSITE = {"eq": "!=", "ne": "==", "lt": ">=", "le": ">", "gt": "<=", "ge": "<"}
_ARITHMETIC = {"add": "+", "sub": "-", "mul": "*"}
_MAX_INLINE = 240
"""Characters of one arithmetic line; a longer chain continues in the next."""

_CALLS: dict[str, Callable[..., Any]] = {
    "pow": scalar.power,
    "log10": scalar.log10,
    "mod": scalar.modulo,
    "floor": scalar.floor,
    "ceil": scalar.ceil,
    "lower": scalar.lower,
    "upper": scalar.upper,
    "trim": scalar.trim,
    "length": lambda text: float(len(text)),
    "concat": lambda *texts: "".join(texts),
    "days": scalar.days_between,
    "months": scalar.months_between,
}

Row = Callable[[Sequence[Any]], list[Any]]


def compile_python(expressions: Sequence[Expression], columns: Sequence[str]) -> Row:
    """Compile several expressions to one function.

    Args:
        expressions: what to compute, in the order of the result.
        columns: names of the values that the function is given, in order: float, str, bool, date or None.

    Returns:
        A function from one row's values (never NaN or infinity) to the list of results.
    """
    used = {name for expression in expressions for name in expression.columns}
    writer = Writer({name: f"c{index}" for index, name in enumerate(columns) if name in used})
    for index, name in enumerate(columns):
        if name in used:
            writer.line(f"c{index} = row[{index}]")
    results = [writer.value(expression.tree) for expression in expressions]
    writer.line(f"return [{', '.join(results)}]")
    function: Row = writer.function("row")
    return function


class Writer:
    """Collects the lines of one function; others (cleaning) may write their own lines between."""

    def __init__(self, columns: Mapping[str, str]) -> None:
        self._columns = dict(columns)
        self._lines: list[str] = []
        self._indent = 1
        self._bound: dict[str, Any] = {}
        self._names: dict[tuple[Any, ...], str] = {}
        self._known: dict[int, str] = {}
        self._numbers: dict[tuple[Any, ...], int] = {}
        self._by_node: dict[int, int] = {}
        self._kept: list[Node] = []
        self._count = 0

    def line(self, text: str) -> None:
        """Add one line at the present depth."""
        self._lines.append("    " * self._indent + text)

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """Lines inside run only if the head holds, so what they compute is not known after."""
        self.line(head)
        known = dict(self._known)
        self._indent += 1
        yield
        self._indent -= 1
        self._known = known

    def name(self) -> str:
        """A fresh local name."""
        self._count += 1
        return f"t{self._count}"

    def bind(self, value: Any) -> str:
        """A name under which the function holds this constant or function."""
        key = (type(value), repr(value), id(value) if callable(value) or isinstance(value, dict) else 0)
        if key not in self._names:
            self._names[key] = f"k{len(self._names)}"
            self._bound[self._names[key]] = value
        return self._names[key]

    def function(self, *parameters: str) -> Callable[..., Any]:
        """Compile what was written. Constants are the closure's: quick to read, and of no cost to a call."""
        source = "\n".join(
            [
                f"def make({', '.join(self._bound)}):",
                f"  def generated({', '.join(parameters)}):",
                *self._lines,
                "  return generated",
            ]
        )
        scope: dict[str, Any] = {"__builtins__": {}}
        exec(compile(source, "<contract>", "exec"), scope)
        function: Callable[..., Any] = scope["make"](*self._bound.values())
        return function

    def value(self, node: Node) -> str:
        """Write what computes a value (never NaN or infinite) and return its name."""
        if node.op == "col":
            return self._columns[str(node.value)]
        if node.literal:
            return "None" if node.value is None else self.bind(node.value)
        number = self._number(node)
        if number not in self._known:
            self._known[number] = self._write(node)
        return self._known[number]

    def truth(self, node: Node) -> str:
        """Write what a condition needs and return the text that holds exactly where it is true."""
        return self._test(node, True)

    def _number(self, node: Node) -> int:
        """The same number for the same operation on the same operands."""
        if id(node) not in self._by_node:
            operands = tuple(self._number(item) for item in node.args)
            key = (node.op, node.kind, type(node.value), repr(node.value), operands)
            self._by_node[id(node)] = self._numbers.setdefault(key, len(self._numbers))
            self._kept.append(node)  # so that no other node gets its id
        return self._by_node[id(node)]

    def _write(self, node: Node) -> str:
        if node.op in LOOSE:
            return self._arithmetic(node)
        if node.op in _WRITE:
            return _WRITE[node.op](self, node)
        if node.op in _CALLS:
            return self._call(node, self.bind(_CALLS[node.op]))
        return self._condition(node)

    def _arithmetic(self, node: Node) -> str:
        conditions: dict[str, None] = {}
        text = self._inline(node, conditions)
        name = self.name()
        if conditions:
            with self.block(f"if {' and '.join(conditions)}:"):
                self.line(f"{name} = {text}")
                self.line(f"if {name} - {name}: {name} = None")  # NaN for NaN and infinity, which counts as true
            self.line(f"else: {name} = None")
        else:
            self.line(f"{name} = {text}")
            self.line(f"if {name} - {name}: {name} = None")
        return name

    def _inline(self, node: Node, conditions: dict[str, None]) -> str:
        """Arithmetic as one text; ``conditions`` collects what must hold for it to be computed."""
        if node.op not in LOOSE:
            return self._operand(node, conditions)
        if node.op in _ARITHMETIC:
            left, right = (self._inline(item, conditions) for item in node.args)
            return self._shortened(f"({left} {_ARITHMETIC[node.op]} {right})", conditions)
        if node.op == "div":
            left = self._inline(node.args[0], conditions)
            right = self.value(node.args[1])
            if not self._constant(node.args[1]):
                conditions[right] = None  # neither null nor zero
            return self._shortened(f"({left} / {right})", conditions)
        if node.op in ("neg", "abs"):
            inner = self._inline(node.args[0], conditions)
            return f"(-{inner})" if node.op == "neg" else f"{self.bind(abs)}({inner})"
        operand = self._operand(node.args[0], conditions)
        function, condition = _PARTIAL[node.op]
        conditions[condition.format(operand, limit=self.bind(scalar.EXP_LIMIT))] = None
        return f"{self.bind(function)}({operand})"

    def _shortened(self, text: str, conditions: dict[str, None]) -> str:
        if len(text) < _MAX_INLINE:
            return text
        name = self.name()
        if conditions:
            self.line(f"if {' and '.join(conditions)}: {name} = {text}")
            conditions.clear()
            self.line(f"else: {name} = None")
            conditions[f"{name} is not None"] = None
        else:
            self.line(f"{name} = {text}")
        return name

    def _operand(self, node: Node, conditions: dict[str, None]) -> str:
        name = self.value(node)
        if not self._constant(node):
            conditions[f"{name} is not None"] = None
        return name

    def _constant(self, node: Node) -> bool:
        return node.literal and node.value is not None

    def _present(self, nodes: Sequence[Node]) -> list[str]:
        names = [self.value(node) for node in nodes if not self._constant(node)]
        return [f"{name} is not None" for name in dict.fromkeys(names)]

    def _call(self, node: Node, function: str, *more: str) -> str:
        present = self._present(node.args)
        arguments = ", ".join([*more, *(self.value(item) for item in node.args)])
        name = self.name()
        self.line(f"{name} = {function}({arguments})" + (f" if {' and '.join(present)} else None" if present else ""))
        return name

    def _round(self, node: Node) -> str:
        digits, function = node.value, scalar.round_to
        return self._call(node, self.bind(_Rounding(digits, function)))  # type: ignore[arg-type]

    def _extract(self, node: Node) -> str:
        day, name = self.value(node.args[0]), self.name()
        part = _PARTS[str(node.value)]
        self.line(f"{name} = {self.bind(float)}({day}{part}) if {day} is not None else None")
        return name

    def _coalesce(self, node: Node) -> str:
        values = [self.value(item) for item in node.args]
        name = self.name()
        self.line(f"{name} = {values[0]}")
        for value in values[1:]:
            self.line(f"if {name} is None: {name} = {value}")
        return name

    def _nullif(self, node: Node) -> str:
        left, right = (self.value(item) for item in node.args)
        name = self.name()
        self.line(f"{name} = None if {left} == {right} else {left}")  # null equals nothing but null, and gives null
        return name

    def _extreme(self, node: Node) -> str:
        sign = "<" if node.op == "least" else ">"
        values = [self.value(item) for item in node.args]
        name = self.name()
        self.line(f"{name} = {values[0]}")
        for item, value in zip(node.args[1:], values[1:], strict=True):
            test = f"{name} is None or {value} {sign} {name}"
            self.line(f"if {test if self._constant(item) else f'{value} is not None and ({test})'}: {name} = {value}")
        return name

    def _case(self, node: Node) -> str:
        *pairs, default = node.args
        tests = [self.truth(condition) for condition in pairs[::2]]
        name = self.name()
        for index, (test, result) in enumerate(zip(tests, pairs[1::2], strict=True)):
            with self.block(f"{'elif' if index else 'if'} {test}:"):
                self.line(f"{name} = {self.value(result)}")
        with self.block("else:"):
            self.line(f"{name} = {self.value(default)}")
        return name

    def _to_number(self, node: Node) -> str:
        inner, name = node.args[0], self.name()
        true, false = self._test(inner, True), self._test(inner, False)
        self.line(f"{name} = {self.bind(1.0)} if {true} else ({self.bind(0.0)} if {false} else None)")
        return name

    def _condition(self, node: Node) -> str:
        true, false, name = self._test(node, True), self._test(node, False), self.name()
        self.line(f"{name} = True if {true} else (False if {false} else None)")
        return name

    def _test(self, node: Node, wanted: bool) -> str:
        """The text that holds exactly where the condition is ``wanted``, so not where it is null."""
        if node.op in ("and", "or"):
            word = " and " if (node.op == "and") == wanted else " or "
            return "(" + word.join(self._test(item, wanted) for item in node.args) + ")"
        if node.op == "not":
            return self._test(node.args[0], not wanted)
        if node.op == "is_null":
            return f"({self.value(node.args[0])} is {'' if wanted else 'not '}None)"
        if node.op in COMPARISONS:
            sign = (_SIGNS if wanted else _OPPOSITE)[node.op]
            left, right = (self.value(item) for item in node.args)
            return "(" + " and ".join([*self._present(node.args), f"{left} {sign} {right}"]) + ")"
        if node.op in ("in", "like"):
            return self._member(node, wanted)
        return f"({self.value(node)} is {wanted})"

    def _member(self, node: Node, wanted: bool) -> str:
        value = self.value(node.args[0])
        if node.op == "in":
            assert isinstance(node.value, tuple)
            test = f"{value} {'' if wanted else 'not '}in {self.bind(frozenset(node.value))}"
        else:
            test = f"{'' if wanted else 'not '}{self.bind(scalar.like(str(node.value)))}({value})"
        return f"({value} is not None and {test})"


class _Rounding:
    """ROUND to a fixed number of digits."""

    def __init__(self, digits: int, function: Callable[[float, int], float | None]) -> None:
        self._digits, self._function = digits, function

    def __call__(self, value: float) -> float | None:
        return self._function(value, self._digits)

    def __repr__(self) -> str:
        return f"round to {self._digits}"


_PARTS = {"year": ".year", "month": ".month", "day": ".day"}
_PARTIAL: dict[str, tuple[Callable[[float], float], str]] = {
    "ln": (math.log, "{0} > 0.0"),
    "sqrt": (math.sqrt, "{0} >= 0.0"),
    "exp": (math.exp, "{0} <= {limit}"),
}
_WRITE: dict[str, Callable[[Writer, Node], str]] = {
    "round": Writer._round,
    "extract": Writer._extract,
    "coalesce": Writer._coalesce,
    "nullif": Writer._nullif,
    "least": Writer._extreme,
    "greatest": Writer._extreme,
    "case": Writer._case,
    "to_number": Writer._to_number,
}
