"""SQL text to a checked tree.

The subset, and all of it:

- numbers, 'texts', TRUE, FALSE, NULL, DATE '2024-01-31', column names (as they are written, "quoted" or not);
- ``+ - * /``, ``%`` or MOD, comparisons ``= <> != < <= > >=``, AND, OR, NOT, parentheses, ``||`` or CONCAT;
- CASE (both forms), COALESCE, NULLIF, LEAST, GREATEST, IN, BETWEEN, LIKE, IS NULL, IS NOT NULL;
- ABS, LN, LOG10, EXP, SQRT, POWER, ROUND, FLOOR, CEIL; LOWER, UPPER, TRIM, LENGTH;
- EXTRACT(YEAR | MONTH | DAY FROM date), DAYS_BETWEEN(start, end), MONTHS_BETWEEN(start, end): positive where the end
  is later, months that are complete.

Numbers are float64. NULL in gives NULL out, with SQL's three-valued AND and OR. Division by zero, the logarithm or
root of what has none, and whatever is not a finite number give NULL. LEAST and GREATEST skip NULL. ROUND goes half
away from zero. LOWER and UPPER know A to Z, TRIM knows ASCII whitespace. A date compares with an ISO date in quotes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from itertools import islice

import sqlglot.expressions as exp
from sqlglot.errors import SqlglotError
from sqlglot.parser import Parser

from creditrisk.contract import Kind
from creditrisk.expression.lower import Lowering
from creditrisk.expression.tokens import Place, checked_tokens, offset_of
from creditrisk.expression.tree import Expression, Node, walk

MAX_NODES = 5_000
"""Operations of one expression, what is used twice counted twice."""
MAX_DEPTH = 64
"""Operations inside each other, a long sum included."""


def parse(sql: str, kinds: Mapping[str, Kind], where: str) -> Expression:
    """Parse and check one expression over columns of these kinds.

    Args:
        sql: the text.
        kinds: what each name that may be used is.
        where: what messages call it, such as ``characteristics.instalment_burden``.

    Raises:
        ExpressionError: the text leaves the subset, is too long or too deep, names what is not there, or its kinds do
            not fit. The message has the line and column, what was found, and the nearest known name.
    """
    place = Place(where, sql)

    def attempt() -> Expression:
        return _parse(sql, kinds, place)

    try:
        try:
            return attempt()
        except RecursionError:  # the caller was deep already: once more, on a stack of its own
            return _on_own_stack(attempt)
    except RecursionError:
        raise place.error(None, "it is nested too deeply; split it into several characteristics") from None


def _parse(sql: str, kinds: Mapping[str, Kind], place: Place) -> Expression:
    tokens = checked_tokens(sql, kinds, place)
    try:
        found = Parser().parse(list(tokens), sql)
    except SqlglotError as error:
        raise place.syntax_error(error, tokens) from None
    if len(found) != 1 or found[0] is None:
        raise place.error(None, "expected one expression")
    _check_depth(found[0], place)
    tree = Lowering(kinds, place).node(found[0])
    if sum(1 for _ in islice(walk(tree), MAX_NODES + 1)) > MAX_NODES:
        raise place.error(None, f"it grows to over {MAX_NODES:,} operations; split it into several characteristics")
    columns = sorted({str(node.value) for node in walk(tree) if node.op == "col"})
    return Expression(sql, tree.kind, tuple(columns), tree)


def as_input(expression: Expression, where: str) -> Expression:
    """The expression as a model input: a condition becomes 1.0 or 0.0; a date is refused.

    Raises:
        ExpressionError: the result is a date.
    """
    if expression.kind == "date":
        raise Place(where, expression.sql).error(
            None, "its result is a date, which no model takes; use DAYS_BETWEEN, MONTHS_BETWEEN or EXTRACT"
        )
    if expression.kind == "boolean":
        tree = Node("to_number", "number", (expression.tree,))
        return Expression(expression.sql, "number", expression.columns, tree)
    return expression


def as_condition(expression: Expression, where: str) -> Expression:
    """The expression as a filter.

    Raises:
        ExpressionError: the result is no condition.
    """
    if expression.kind != "boolean":
        raise Place(where, expression.sql).error(None, f"expected a condition, found a {expression.kind}")
    return expression


def _on_own_stack(attempt: Callable[[], Expression]) -> Expression:
    result: list[Expression] = []
    failure: list[Exception] = []

    def target() -> None:
        try:
            result.append(attempt())
        except Exception as error:
            failure.append(error)

    thread = threading.Thread(target=target)
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return result[0]


def _check_depth(syntax: exp.Expr, place: Place) -> None:
    """Bound what is recursed into; a chain of ANDs or of ORs counts once, since it becomes one operation."""
    waiting = [(syntax, 1)]
    while waiting:
        node, depth = waiting.pop()
        if depth > MAX_DEPTH:
            raise place.error(
                offset_of(node),
                f"over {MAX_DEPTH} operations lie inside each other; split it into several characteristics",
            )
        for child in node.iter_expressions():
            chain = type(child) is type(node) and isinstance(node, (exp.And, exp.Or))
            waiting.append((child, depth if chain else depth + 1))
