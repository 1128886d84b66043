"""The generated function: nothing of a contract's text gets into it, and what is shared is computed once."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from creditrisk.contract import Kind
from creditrisk.expression import python, scalar
from creditrisk.expression.parse import parse
from creditrisk.expression.python import Writer, compile_python

KINDS: dict[str, Kind] = {"a": "number", "b": "number", "s": "text", "import_os": "number"}


def source(*sqls: str) -> str:
    writer = Writer({name: f"c{index}" for index, name in enumerate(KINDS)})
    for sql in sqls:
        writer.value(parse(sql, KINDS, "test").tree)
    return "\n".join(writer._lines)


def test_no_text_of_the_contract_is_in_the_source() -> None:
    text = source(
        "CASE WHEN s = 'open(1)' OR s LIKE '%exec%' THEN import_os + 4711 ELSE 0.25 END",
        "s || '\"); import os #' || UPPER('é')",
        "s IN ('__class__', 'x')",
    )
    assert set(re.findall(r"[A-Za-z_]\w*", text)) <= {
        *(name for name in re.findall(r"\b[ckt]\d+\b", text)),
        *("if", "elif", "else", "and", "or", "not", "is", "in", "None", "True", "False"),
    }
    assert "4711" not in text


def test_the_function_reaches_nothing_but_what_it_was_given() -> None:
    function = compile_python([parse("a + 1", KINDS, "test")], ["a"])
    assert function.__globals__["__builtins__"] == {}
    assert function([1.0]) == [2.0]


def test_shared_parts_are_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[float] = []

    def counted(base: float, exponent: float) -> float | None:
        calls.append(base)
        return scalar.power(base, exponent)

    known: dict[str, Callable[..., Any]] = python._CALLS | {"pow": counted}
    monkeypatch.setattr(python, "_CALLS", known)
    both = [parse(sql, KINDS, "test") for sql in ("POWER(a, b) + 1", "COALESCE(POWER(a, b), 0)")]
    assert compile_python(both, list(KINDS))([2.0, 3.0, None, None]) == [9.0, 8.0]
    assert calls == [2.0]


def test_what_a_branch_computes_is_not_taken_for_known_after_it() -> None:
    sqls = ["CASE WHEN a > 0 THEN POWER(a, b) END", "POWER(a, b)"]
    function = compile_python([parse(sql, KINDS, "test") for sql in sqls], list(KINDS))
    assert function([-2.0, 3.0, None, None]) == [None, -8.0]


def test_long_sums_nest_no_parentheses_too_deep() -> None:
    sql = "+".join(["a"] * 60)
    assert compile_python([parse(sql, KINDS, "test")], ["a"])([1.0]) == [60.0]


def test_like_takes_linear_time() -> None:
    pattern = "%a" * 90 + "%b"
    function = compile_python([parse(f"s LIKE '{pattern}'", KINDS, "test")], ["s"])
    assert function(["a" * 20_000]) == [False]


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("", "", True),
        ("%", "x", True),
        ("a%a", "a", False),
        ("a%a", "aa", True),
        ("%ab%ab", "abab", True),
        ("%ab%ab", "aab", False),
        ("_%_", "x", False),
        ("a.c", "abc", False),
        ("a_c", "a\nc", True),
        ("%ä_", "xäö", True),
    ],
)
def test_like(pattern: str, text: str, expected: bool) -> None:
    assert scalar.like(pattern)(text) is expected
    assert (re.search(scalar.like_regex(pattern).replace("$", r"\Z"), text) is not None) is expected
