"""What the subset takes, and the sentence for what it does not."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from creditrisk.contract import Kind
from creditrisk.errors import ExpressionError
from creditrisk.expression.parse import as_condition, as_input, parse
from creditrisk.expression.python import compile_python

KINDS: dict[str, Kind] = {
    "amount": "number",
    "duration": "number",
    "purpose": "text",
    "owner": "boolean",
    "opened": "date",
    "desc": "text",
    "year": "number",
}
ROW: dict[str, Any] = {"amount": 1200.0, "duration": 12.0, "purpose": "car", "owner": True, "desc": "x", "year": 3.0}


def value(sql: str, **columns: Any) -> Any:
    expression = parse(sql, KINDS, "test")
    return compile_python([expression], list(KINDS))([(ROW | columns).get(name) for name in KINDS])[0]


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("amount / duration", 100.0),
        ("amount / 0", None),
        ("amount / (duration - 12)", None),
        ("2 + 3 * 4 - 1", 13.0),
        ("-amount + 1", -1199.0),
        ("7 % 3", 1.0),
        ("MOD(-7, 3)", -1.0),
        ("LN(0)", None),
        ("SQRT(0 - amount)", None),
        ("EXP(1000)", None),
        ("EXP(amount)", None),
        ("POWER(0, -1)", None),
        ("POWER(2, 10)", 1024.0),
        ("LOG10(1000)", 3.0),
        ("LOG10(0.001)", -3.0),
        ("1e308 * 10 - 1e308 * 10", None),
        ("ROUND(2.5)", 3.0),
        ("ROUND(-2.5)", -3.0),
        ("ROUND(0.49999999999999994)", 0.0),
        ("ROUND(1234.5, -2)", 1200.0),
        ("ROUND(2.345, 2)", 2.35),
        ("FLOOR(-1.5) + CEIL(1.2)", 0.0),
        ("LEAST(NULL, 3, amount)", 3.0),
        ("GREATEST(NULL, NULL)", None),
        ("COALESCE(NULL, amount, 1)", 1200.0),
        ("NULLIF(duration, 12)", None),
        ("CASE purpose WHEN 'car' THEN 1 ELSE 2 END", 1.0),
        ("CASE WHEN amount > 5000 THEN 1 END", None),
        ("purpose LIKE 'c%'", True),
        ("purpose LIKE '_a_'", True),
        ("purpose NOT LIKE '%a'", True),
        ("purpose IN ('boat', NULL)", None),
        ("purpose NOT IN ('boat', 'car')", False),
        ("amount BETWEEN 1 AND 1200", True),
        ("amount IS NULL OR owner", True),
        ("NULL AND FALSE", False),
        ("NOT (NULL OR FALSE)", None),
        ("UPPER(purpose) || 'ä'", "CARä"),
        ("CONCAT(purpose, NULL)", None),
        ("LENGTH(TRIM('  ä '))", 1.0),
        ("EXTRACT(YEAR FROM DATE '2024-02-29')", 2024.0),
        ("EXTRACT(year FROM DATE '2024-02-29') + year", 2027.0),
        ("DAYS_BETWEEN(DATE '2024-02-28', DATE '2024-03-01')", 2.0),
        ("DAYS_BETWEEN('2024-03-01', '2024-02-28')", -2.0),
        ("MONTHS_BETWEEN(DATE '2024-01-31', DATE '2024-02-29')", 0.0),
        ("MONTHS_BETWEEN(DATE '2024-01-15', DATE '2025-01-15')", 12.0),
        ("MONTHS_BETWEEN(DATE '2024-01-15', DATE '2024-01-14')", -1.0),
        ("opened > '2020-01-01'", None),
        ("desc = 'x'", True),
        ('"desc"', "x"),
    ],
)
def test_meaning(sql: str, expected: Any) -> None:
    assert value(sql) == expected
    assert type(value(sql)) is type(expected)


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("amuont / duration", "line 1, column 1: there is no column 'amuont'. Did you mean 'amount'?"),
        ("amount /\n  FOOR(duration)", "line 2, column 3: there is no function 'FOOR'. Did you mean 'FLOOR'?"),
        ("LOG(amount)", "Say LN or LOG10"),
        ("CAST(amount AS INT)", "there is no function 'CAST'"),
        ("amount::int", "'::' is no column, and not of the subset"),
        ("SELECT amount", "line 1, column 1: 'SELECT'"),
        ("amount; amount", "';'"),
        ("(amount", "is no complete expression"),
        ("amount +", "line 1, column 8: the text around '+'"),
        ("amount duration", "without an operator"),
        ("amount -- all", "leave comments out"),
        ("'open", "is a quotation mark missing?"),
        ("", "it is empty"),
        ("-" * 2_000 + "inc", "it is a comment alone, which -- begins"),
        ("amount + purpose", "line 1, column 10: + takes a number, 'purpose' is a text"),
        ("amount = 'x'", "one kind, found a number and a text; write a number without quotes"),
        ("purpose = 3", "write '3'"),
        ("owner + 1", "write CASE WHEN ... THEN 1 ELSE 0 END"),
        ("owner > TRUE", "conditions have no order"),
        ("CASE WHEN amount THEN 1 END", "CASE takes a boolean, 'amount' is a number"),
        ("CASE WHEN owner THEN 1 ELSE 'x' END", "one kind"),
        ("opened - opened", "DAYS_BETWEEN"),
        ("opened > 'soon'", "'soon' is no date"),
        ("purpose LIKE desc", "LIKE takes its pattern as a text in quotes"),
        ("purpose LIKE '" + "%a" * 101 + "'", "a pattern of up to 200 characters"),
        ("TRIM(LEADING 'x' FROM purpose)", "LEADING"),
        ("ROUND(amount, duration)", "a whole number"),
        ("ROUND(amount, 40)", "up to 15 digits"),
        ("EXTRACT(HOUR FROM opened)", "YEAR, MONTH or DAY"),
        ("amount IN ()", "at least one value"),
        ("amount IN (SELECT 1)", "SELECT"),
        ("LENGTH(purpose, 2)", "does not take this form"),
        ("1e999", "too large"),
        ("a.amount", "there is no column 'a'"),
        ("COUNT(*)", "there is no function 'COUNT'"),
        ("CURRENT_DATE", "CURRENT_DATE"),
        ("__import__('os')", "there is no function '__import__'"),
    ],
)
def test_refusals_name_place_and_reason(sql: str, message: str) -> None:
    with pytest.raises(ExpressionError) as error:
        parse(sql, KINDS, "characteristics.burden")
    assert str(error.value).startswith("characteristics.burden: ")
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("sql", "done"),
    [
        ("(" * 1000 + "amount" + ")" * 1000, ["Tokenizer"]),
        ("ABS(" * 100 + "amount" + ")" * 100, ["Tokenizer"]),
        ("NOT " * 900 + "owner", ["Tokenizer"]),
        ("- " * 1500 + "amount", ["Tokenizer"]),
        ("CASE WHEN owner THEN " * 100 + "1" + " END" * 100, ["Tokenizer"]),
        ("+".join(["amount"] * 500), ["Tokenizer", "Parser"]),
        ("amount + " * 5000 + "1", []),
        ("LEAST(" + ",".join(["amount"] * 1500) + ")", []),
        ("((((((((((" * 3 + "amount", ["Tokenizer"]),
        ("x" * 4001, []),
    ],
)
def test_what_is_too_deep_or_long_is_refused_before_more_is_done_with_it(
    sql: str, done: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    for module, name in (("tokens", "Tokenizer"), ("parse", "Parser"), ("parse", "Lowering")):
        note_use(f"creditrisk.expression.{module}.{name}", steps, monkeypatch)
    assert parse("amount", KINDS, "test").kind == "number"
    assert steps == ["Tokenizer", "Parser", "Lowering"]
    steps.clear()
    with pytest.raises(ExpressionError):
        parse(sql, KINDS, "test")
    assert steps == done


def note_use(path: str, steps: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    module, _, name = path.rpartition(".")
    real = getattr(sys.modules[module], name)

    def made(*arguments: Any) -> Any:
        steps.append(name)
        return real(*arguments)

    monkeypatch.setattr(sys.modules[module], name, made)


def test_long_chains_of_conditions_are_fine() -> None:
    sql = " OR ".join(f"amount = {number}" for number in range(200))
    assert value(sql, amount=199.0) is True
    listed = ", ".join(f"'{number}'" for number in range(400))
    assert value(f"purpose IN ({listed})", purpose="399") is True
    branches = " ".join(f"WHEN amount = {number} THEN {number}" for number in range(120))
    assert value(f"CASE {branches} END", amount=119.0) == 119.0


def test_a_caller_that_is_deep_already_can_parse() -> None:
    sql = "(" * 20 + "amount" + ")" * 20

    def dive(depth: int) -> str:
        return dive(depth - 1) if depth else parse(sql, KINDS, "test").kind

    frame, used = sys._getframe(), 0
    while frame.f_back is not None:
        frame, used = frame.f_back, used + 1
    assert dive(sys.getrecursionlimit() - used - 60) == "number"


def test_expression_says_what_it_reads() -> None:
    expression = parse("amount / duration + amount", KINDS, "test")
    assert (expression.kind, expression.columns) == ("number", ("amount", "duration"))


def test_conditions_become_numbers_as_inputs() -> None:
    expression = as_input(parse("amount > 5", KINDS, "test"), "test")
    assert expression.kind == "number"
    function = compile_python([expression], list(KINDS))
    assert [function([amount] + [None] * 6)[0] for amount in (6.0, 5.0, None)] == [1.0, 0.0, None]


def test_dates_are_no_inputs_and_numbers_no_conditions() -> None:
    with pytest.raises(ExpressionError, match="no model takes"):
        as_input(parse("LEAST(opened, opened)", KINDS, "test"), "test")
    with pytest.raises(ExpressionError, match="expected a condition, found a number"):
        as_condition(parse("amount", KINDS, "test"), "population")
