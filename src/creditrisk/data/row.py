"""One raw application to the model's inputs: cleaning and characteristics as one generated Python function.

Bit for bit what ``clean_scoring``, ``add_characteristics`` and ``inputs_frame`` give for the same row: the cells are
cleaned by ``cleaning.cell`` and the characteristics come from the trees that Polars is given.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from creditrisk.contract import APPLICATION_DATE, Contract
from creditrisk.data.characteristics import parse_all
from creditrisk.data.cleaning.cell import Cell, compile_cell, shown
from creditrisk.data.cleaning.rules import CLIPPED, FAULT, MISSING, OK, Fault, Rule, rules
from creditrisk.expression.python import Writer
from creditrisk.expression.tree import Node

__all__ = ["Fault", "Row", "RowFunction", "compile_row"]


@dataclass(slots=True)
class Row:
    """What became of one application."""

    values: list[float | str | None]
    """The model's inputs, in the contract's order; without meaning where there are faults."""
    faults: list[Fault]
    """Every field that keeps the application from being scored."""
    warnings: list[Fault]
    """Values that were clipped, or taken for missing because they are out of range or not known."""
    application_date: dt.date | None
    """The day that was counted from, where the contract has a time column: given, else in the row, else today."""


RowFunction = Callable[..., Row]
"""``(raw, application_date=None) -> Row``; ``raw`` maps raw names to text, number, Boolean, date or null; a field that
is not there is missing. Extra fields are ignored."""


def compile_row(contract: Contract) -> RowFunction:
    """Compile a contract to a function of one application.

    Raises:
        ExpressionError: an expression of the contract is not of the subset.
    """
    parsed = parse_all(contract)
    found = rules(contract, training=False)
    names = {rule.name: f"c{index}" for index, rule in enumerate(found)}
    if contract.time:
        names[APPLICATION_DATE] = "day"
    writer = Writer(names)
    _write_cells(writer, found, names, contract)
    derived = {name: writer.value(expression.tree) for name, expression in parsed.characteristics.items()}
    values = []
    for item in contract.inputs:
        if item.name in derived:
            values.append(derived[item.name])
        elif contract.clean_columns[item.name].type == "boolean":
            column = Node("col", "boolean", (), item.name)
            values.append(writer.value(Node("to_number", "number", (column,))))
        else:
            values.append(names[item.name])
    writer.line(f"return [{', '.join(values)}], codes{', day' if contract.time else ', None'}")
    return _with_notes(writer.function("get", "day", "today"), found)


def _write_cells(writer: Writer, found: list[Rule], names: dict[str, str], contract: Contract) -> None:
    """One piece for each column: the commonest case in place, all others through the column's own function."""
    writer.line("codes = None")
    for index, rule in enumerate(found):
        if rule.name == contract.time:
            _write_time(writer, index, rule, names)
            continue
        cell, clean = names[rule.name], compile_cell(rule)
        writer.line(f"v = get({writer.bind(rule.raw)})")
        if rule.type in ("number", "integer"):
            head = _quick_number(writer, rule, cell)
        else:
            head = _quick_key(writer, rule, clean, cell)
        with writer.block(head):
            _write_call(writer, index, clean, cell)


def _write_call(writer: Writer, index: int, clean: Cell, cell: str) -> None:
    writer.line(f"{cell}, code = {writer.bind(clean)}(v)")
    writer.line(f"if code > {MISSING}:")
    writer.line("    if codes is None: codes = []")
    writer.line(f"    codes.append(({index}, code, v))")


def _write_time(writer: Writer, index: int, rule: Rule, names: dict[str, str]) -> None:
    """The time column counts only where no day was given with the request."""
    cell = names[rule.name]
    with writer.block("if day is None:"):
        writer.line(f"v = get({writer.bind(rule.raw)})")
        _write_call(writer, index, compile_cell(rule), cell)
        writer.line(f"day = {cell} if {cell} is not None else today()")
    writer.line(f"else: {cell} = day")


def _quick_number(writer: Writer, rule: Rule, cell: str) -> str:
    """Take a number in range as it is; return the head of the block for all others (``x`` is NaN where unclear)."""
    nan, number = writer.bind(math.nan), writer.bind(float)
    writer.line(f"if v.__class__ is {number}: x = v")
    kinds = [int] if rule.comma or set(rule.column.strip) & set("0123456789+-.eE") else [int, str]
    for kind in kinds:
        writer.line(f"elif v.__class__ is {writer.bind(kind)}{' and v' if kind is str else ''}:")
        writer.line(f"    try: x = {number}(v)")
        writer.line(f"    except {writer.bind((ValueError, OverflowError))}: x = {nan}")
        if kind is str:
            odd = f"not v.isascii() or not v.isprintable() or {writer.bind('_')} in v"
            writer.line(f"    if {odd}: x = {nan}")
    writer.line(f"else: x = {nan}")
    tests = [_between(writer, rule)]
    tests += [f"x not in {writer.bind(rule.missing_numbers)}"] if rule.missing_numbers else []
    tests += ["x.is_integer()"] if rule.type == "integer" else []
    writer.line(f"if {' and '.join(tests)}: {cell} = x")
    return "else:"


def _between(writer: Writer, rule: Rule) -> str:
    """A test that a number is in range and finite, false for NaN."""
    if rule.low is not None and rule.high is not None:
        return f"{writer.bind(rule.low)} <= x <= {writer.bind(rule.high)}"
    limits = ["x - x == 0.0"]
    limits += [f"{writer.bind(rule.low)} <= x"] if rule.low is not None else []
    limits += [f"x <= {writer.bind(rule.high)}"] if rule.high is not None else []
    return " and ".join(limits)


def _quick_key(writer: Writer, rule: Rule, clean: Cell, cell: str) -> str:
    """Look a value of a closed list up; return the head of the block for all others."""
    if rule.type not in ("category", "boolean"):
        return "if True:"
    written = [*rule.keys, *(int(key) for key in rule.number_keys if key.is_integer())]
    table = {key: clean(key)[0] for key in written if clean(key)[1] == OK}
    kind = f"v.__class__ is {writer.bind(str)} or v.__class__ is {writer.bind(int)}"
    writer.line(f"if ({kind}) and v in {writer.bind(table)}: {cell} = {writer.bind(table)}[v]")
    return "else:"


def _with_notes(compute: Callable[..., Any], found: list[Rule]) -> RowFunction:
    def today() -> dt.date:
        return dt.date.today()

    def row(raw: Mapping[str, Any], application_date: dt.date | None = None) -> Row:
        values, codes, day = compute(raw.get, application_date, today)
        if codes is None:
            return Row(values, [], [], day)
        faults = [found[i].fault(code, shown(value)) for i, code, value in codes if code >= FAULT]
        warnings = [found[i].fault(code, shown(value)) for i, code, value in codes if CLIPPED <= code < FAULT]
        return Row(values, faults, warnings, day)

    return row
