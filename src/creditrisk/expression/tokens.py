"""The first gate: words. Whatever is not of the subset is refused here, with its place, before anything is parsed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import sqlglot.expressions as exp
from sqlglot.errors import ParseError, SqlglotError
from sqlglot.tokenizer_core import Token, TokenType
from sqlglot.tokens import Tokenizer

from creditrisk.contract import Kind
from creditrisk.errors import ExpressionError, nearest

MAX_LENGTH = 4_000
MAX_TOKENS = 2_000
MAX_NESTING = 24
"""Parentheses, CASEs and signs inside each other; sqlglot takes about twenty frames for each."""

FUNCTIONS = frozenset(
    (
        *("ABS", "CEIL", "COALESCE", "CONCAT", "DAYS_BETWEEN", "EXP", "EXTRACT", "FLOOR", "GREATEST", "LEAST"),
        *(
            "LENGTH",
            "LN",
            "LOG10",
            "LOWER",
            "MOD",
            "MONTHS_BETWEEN",
            "NULLIF",
            "POWER",
            "ROUND",
            "SQRT",
            "TRIM",
            "UPPER",
        ),
    )
)
HINTS = {
    "LOG": "say LN or LOG10, since engines differ on which one LOG is",
    "CAST": "a column has the type that the contract gives it; for a condition use CASE WHEN ... THEN 1 ELSE 0 END",
    "IF": "use CASE WHEN ... THEN ... ELSE ... END",
    "IIF": "use CASE WHEN ... THEN ... ELSE ... END",
    "YEAR": "use EXTRACT(YEAR FROM ...)",
    "MONTH": "use EXTRACT(MONTH FROM ...)",
    "DAY": "use EXTRACT(DAY FROM ...)",
    "DATEDIFF": "use DAYS_BETWEEN(start, end) or MONTHS_BETWEEN(start, end)",
    "IFNULL": "use COALESCE",
    "NVL": "use COALESCE",
    "MIN": "use LEAST",
    "MAX": "use GREATEST",
}
_T = TokenType
_OPERATORS = {
    _T.L_PAREN, _T.R_PAREN, _T.COMMA, _T.PLUS, _T.DASH, _T.STAR, _T.SLASH, _T.MOD, _T.DPIPE,
    _T.EQ, _T.NEQ, _T.LT, _T.LTE, _T.GT, _T.GTE,
}  # fmt: skip
_WORDS = {
    _T.AND, _T.OR, _T.NOT, _T.CASE, _T.WHEN, _T.THEN, _T.ELSE, _T.END, _T.IN, _T.BETWEEN, _T.LIKE, _T.IS,
    _T.NULL, _T.TRUE, _T.FALSE,
}  # fmt: skip
_VALUES = {_T.NUMBER, _T.STRING, _T.IDENTIFIER}
_SYMBOLS: dict[type[exp.Expr], str] = {
    exp.Add: "+",
    exp.Sub: "-",
    exp.Mul: "*",
    exp.Div: "/",
    exp.Neg: "-",
    exp.EQ: "=",
    exp.NEQ: "<>",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
    exp.DPipe: "||",
    exp.Pow: "POWER",
    exp.Paren: "the part in parentheses",
    exp.MonthsBetween: "MONTHS_BETWEEN",
    exp.Log: "LOG10",
}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NUMBER = re.compile(r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)


@dataclass(frozen=True)
class Place:
    """Where messages say an expression stands, and its text."""

    where: str
    sql: str

    def error(self, offset: int | None, message: str) -> ExpressionError:
        """An error at this character of the text, or of the expression as a whole."""
        if offset is None:
            return ExpressionError(f"{self.where}: {_ended(message)}")
        line = self.sql.count("\n", 0, offset) + 1
        column = offset - (self.sql.rfind("\n", 0, offset) + 1) + 1
        return ExpressionError(f"{self.where}: line {line}, column {column}: {_ended(message)}")

    def syntax_error(self, error: SqlglotError, tokens: Sequence[Token]) -> ExpressionError:
        """An error of sqlglot's parser, at the token it stood at."""
        details = error.errors[0] if isinstance(error, ParseError) and error.errors else {}
        line, column = details.get("line"), details.get("col")
        at = next((token for token in tokens if (token.line, token.col) == (line, column)), None)
        if at is None:
            return self.error(None, "this is no complete expression; check parentheses, commas and CASE ... END")
        return self.error(at.start, f"the text around {at.text!r} is no complete expression")


def _ended(message: str) -> str:
    return message if message.endswith(("?", ".")) else f"{message}."


def offset_of(node: exp.Expr) -> int | None:
    """The character at which a piece of syntax begins, as far as sqlglot kept it."""
    offsets = [part.meta["start"] for part in node.walk() if "start" in part.meta]
    return min(offsets, default=None)


def describe(node: exp.Expr) -> str:
    """A short quotation of a piece of syntax."""
    if isinstance(node, exp.Column):
        return repr(node.name)
    if isinstance(node, exp.Literal):
        return repr(str(node.this)) if node.is_string else str(node.this)
    if isinstance(node, exp.Anonymous):
        return node.name.upper()
    if isinstance(node, exp.Alias):
        return f"what follows {describe(node.this)} without an operator"
    return _SYMBOLS.get(type(node), type(node).__name__.upper())


def checked_tokens(sql: str, kinds: Mapping[str, Kind], place: Place) -> list[Token]:
    """Split the text into words and refuse what the subset does not have.

    A word of SQL that is a known column (``desc``, ``date``) becomes a quoted name, so that it is taken as one.

    Raises:
        ExpressionError: see above.
    """
    if len(sql) > MAX_LENGTH:
        raise place.error(None, f"it has {len(sql):,} characters, at most {MAX_LENGTH:,} are read")
    try:
        tokens = Tokenizer().tokenize(sql)
    except SqlglotError:
        raise place.error(None, "it cannot be split into words; is a quotation mark missing?") from None
    if not tokens:
        raise place.error(
            None, "it is a comment alone, which -- begins; leave comments out" if sql.strip() else "it is empty"
        )
    if len(tokens) > MAX_TOKENS:
        raise place.error(tokens[MAX_TOKENS].start, f"it has over {MAX_TOKENS:,} words; split it into several")
    _check_nesting(tokens, place)
    return list(_checked(tokens, kinds, place))


def _checked(tokens: Sequence[Token], kinds: Mapping[str, Kind], place: Place) -> Iterator[Token]:
    for index, token in enumerate(tokens):
        if token.comments:
            raise place.error(token.start, f"a comment stands near {token.text!r}; leave comments out")
        if token.token_type == _T.NUMBER and not _NUMBER.fullmatch(token.text):
            raise place.error(token.start, f"{token.text!r} is no number; write it like 12, 0.5 or 1e-3")
        if token.token_type in _OPERATORS | _WORDS | _VALUES or _has_part(tokens, index):
            yield token
        elif _is(tokens, index + 1, _T.L_PAREN) and _NAME.fullmatch(token.text):
            _check_function(token, place)
            yield token
        elif token.text in kinds:
            yield Token(_T.IDENTIFIER, token.text, token.line, token.col, token.start, token.end, [])
        else:
            raise _unknown(token, kinds, place)


def _is(tokens: Sequence[Token], index: int, kind: TokenType) -> bool:
    return 0 <= index < len(tokens) and tokens[index].token_type == kind


def _has_part(tokens: Sequence[Token], index: int) -> bool:
    """Whether a word has its place in ``EXTRACT(YEAR FROM ...)`` or ``DATE '...'``."""
    if tokens[index].token_type == _T.DATE and _is(tokens, index + 1, _T.STRING):
        return True
    part = index if _is(tokens, index + 1, _T.FROM) else index - 1 if tokens[index].token_type == _T.FROM else -1
    return part >= 2 and tokens[part - 2].text.upper() == "EXTRACT" and _is(tokens, part - 1, _T.L_PAREN)


def _check_function(token: Token, place: Place) -> None:
    name = token.text.upper()
    if name in FUNCTIONS:
        return
    hint = f" {HINTS[name][0].upper()}{HINTS[name][1:]}." if name in HINTS else nearest(name, FUNCTIONS)
    known = ", ".join(sorted(FUNCTIONS))
    raise place.error(token.start, f"there is no function {token.text!r}.{hint} Known functions: {known}")


def _unknown(token: Token, kinds: Mapping[str, Kind], place: Place) -> ExpressionError:
    if token.token_type == _T.VAR:
        return unknown_column(token.text, token.start, kinds, place)
    return place.error(
        token.start, f"{token.text!r} is no column, and not of the subset of SQL that a contract may use"
    )


def unknown_column(name: str, offset: int | None, kinds: Mapping[str, Kind], place: Place) -> ExpressionError:
    """A name that is no column: with the nearest one, or all where there are few."""
    hint = nearest(name, kinds)
    listed = f" Known columns: {', '.join(kinds)}" if not hint and len(kinds) <= 40 else ""
    return place.error(offset, f"there is no column {name!r}.{hint}{listed}")


def _check_nesting(tokens: Sequence[Token], place: Place) -> None:
    depth = signs = 0
    for token in tokens:
        if token.token_type in (_T.L_PAREN, _T.CASE):
            depth += 1
        elif token.token_type in (_T.R_PAREN, _T.END):
            depth -= 1
        signs = signs + 1 if token.token_type in (_T.DASH, _T.PLUS, _T.NOT) else 0
        if depth + signs > MAX_NESTING:
            raise place.error(token.start, f"it is nested over {MAX_NESTING} levels deep; split it into several")
