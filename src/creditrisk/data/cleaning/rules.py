"""A column's rules, settled once for both engines: what is missing, how a text is read, what may be in it.

``cleaning.cell`` applies them to one Python value, ``cleaning.column`` as Polars expressions; each gives a value and a
code, and property tests say that both always agree. Order: trim ASCII whitespace, remove ``strip`` characters (from
texts alone), missing values, parse by type, ``case``, range or list of values, ``required``.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from dataclasses import dataclass
from functools import cached_property

from creditrisk.contract import Column, Contract, Scalar, as_text
from creditrisk.data.cleaning.dates import DateFormat, date_format
from creditrisk.expression.scalar import SPACE

OK, MISSING, CLIPPED, OUT_OF_RANGE, UNKNOWN = 0, 1, 2, 3, 4
"""What became of a value: as it is; null; moved to the limit; null for being beyond it; null for being in no list."""
FAULT = 8
"""From here on a code is a fault: the row cannot be used. A bit that no other code has."""
UNPARSEABLE, NOT_WHOLE, BEYOND, REJECTED, REQUIRED = 8, 9, 10, 11, 12
CODES = 13
NAMES = {
    MISSING: "missing",
    CLIPPED: "clipped",
    OUT_OF_RANGE: "out_of_range",
    UNKNOWN: "unknown",
    UNPARSEABLE: "type",
    NOT_WHOLE: "integer",
    BEYOND: "range",
    REJECTED: "values",
    REQUIRED: "required",
}
"""A code's name in reports, quarantine and answers."""

SHOWN = 80
"""Characters of a value that messages quote."""
WHOLE_LIMIT = 2.0**53
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
COMMA_NUMBER = r"[+-]?(?:[1-9][0-9]{0,2}(?:\.[0-9]{3})+|[0-9]*)(?:,[0-9]*)?(?:[eE][+-]?[0-9]+)?"
"""How a number with a decimal comma is written; a point that parts no thousands is refused, not passed over."""
NEGATIVE = r"\([^()+-]*\)|[^()+-]*-"
"""How accountants, and SAP, write a negative number."""
_TRUTH = {"true": True, "false": False}
_USUAL_TRUTH = _TRUTH | {"yes": True, "no": False, "y": True, "n": False, "t": True, "f": False, "1": True, "0": False}


@dataclass(frozen=True)
class Fault:
    """One wrong (or doubtful) field: raw column, the value found (null: none), the rule, what was expected."""

    column: str
    value: str | None
    rule: str
    expected: str

    @property
    def sentence(self) -> str:
        """Said to people."""
        found = "nothing" if self.value is None else f"'{self.value}'"
        return f"{self.column}: expected {self.expected}, found {found}"


def number_of(text: str) -> float | None:
    """Read a number written in ASCII digits; null for anything else (no ``inf``, no ``1_000``, no spaces)."""
    if not _NUMBER.fullmatch(text):
        return None
    value = float(text)
    return value if math.isfinite(value) else None


def pointed(text: str) -> str:
    """A number with a decimal comma as one with a decimal point; the empty text, which is none, for anything else."""
    return text.replace(".", "").replace(",", ".") if re.fullmatch(COMMA_NUMBER, text) else ""


def beside(*words: str) -> tuple[str, str]:
    """Patterns of words before and after a number, with the spaces around them; the group ``rest`` is what stays."""
    word, space = "|".join(map(re.escape, words)), f"[{SPACE}]*"
    return (
        rf"^(?P<rest>[(+-]?){space}(?P<word>{word}){space}",
        rf"{space}(?P<word>{word})(?P<rest>[)-]?)$",
    )


@dataclass(frozen=True)
class Rule:
    """One column, ready to be applied. ``required`` is the contract's, or the use's (an id, the time column)."""

    name: str
    raw: str
    column: Column
    required: bool

    @property
    def comma(self) -> bool:
        """Whether texts have decimal commas."""
        return self.column.decimal == ","

    @property
    def rewrites(self) -> bool:
        """Whether numbers in texts may be written otherwise than with digits, a sign and a point."""
        return self.comma or self.column.accounting or self.column.currency is not None

    @cached_property
    def currencies(self) -> tuple[str, ...]:
        """Patterns of the currency's word beside a number."""
        return () if self.column.currency is None else beside(self.column.currency)

    def number_text(self, text: str) -> str:
        """A trimmed text as a number is usually written: no currency, a minus sign, a decimal point."""
        for pattern in self.currencies:
            text = re.sub(pattern, r"\g<rest>", text)
        if self.column.accounting and re.fullmatch(NEGATIVE, text):
            text = "-" + text.strip("()-").strip(SPACE)
        return pointed(text) if self.comma else text

    @property
    def type(self) -> str:
        """The contract's type, open categories being texts."""
        return "text" if self.column.type == "open_category" else self.column.type

    @cached_property
    def missing_texts(self) -> frozenset[str]:
        """Texts that mean missing; the empty one always does and is not among them."""
        return frozenset(as_text(value).strip(SPACE) for value in self.column.missing) - {""}

    @cached_property
    def missing_numbers(self) -> frozenset[float]:
        """Numbers that mean missing, however they are written."""
        numbers = (number_of(text) for text in self.missing_texts)
        return frozenset(number for number in numbers if number is not None)

    @cached_property
    def low(self) -> float | dt.date | None:
        """The lower limit, of the column's own type."""
        return _limit(self.column.min)

    @cached_property
    def high(self) -> float | dt.date | None:
        """The upper limit."""
        return _limit(self.column.max)

    @cached_property
    def beyond(self) -> int:
        """The code of a value out of range."""
        return {"clip": CLIPPED, "missing": OUT_OF_RANGE, "quarantine": BEYOND}[self.column.out_of_range]

    @cached_property
    def keys(self) -> dict[str, str | bool]:
        """A closed list: each text that may stand in the table, with what it becomes."""
        if self.type == "category":
            return {key: key for key in self.column.values}
        truth: dict[str, str | bool] = {key: title.lower() == "true" for key, title in self.column.values.items()}
        usual = _TRUTH if truth else _USUAL_TRUTH
        for key, value in usual.items():
            for written in (key, key.upper(), key.capitalize()):
                truth.setdefault(written, value)
        return truth

    @cached_property
    def number_keys(self) -> dict[float, str | bool]:
        """The same by number, where all declared values are numbers: ``1``, ``1.0`` and ``01`` are then one value."""
        declared = list(self.column.values) or (["1", "0"] if self.type == "boolean" else [])
        found: dict[float, str | bool] = {}
        for key in declared:
            number = number_of(key)
            if number is None:
                return {}
            found.setdefault(number, self.keys[key])
        return found

    @cached_property
    def date(self) -> DateFormat:
        """How a date is written."""
        return date_format(self.column.format, f"columns.{self.raw}")

    @cached_property
    def expected(self) -> dict[int, str]:
        """What messages say was expected, by code."""
        what = {"number": "a number", "integer": "a whole number", "date": self._date_text(), "text": "a text"}
        listed = ", ".join(list(self.column.values)[:20] or ["true", "false"])
        more = ", ..." if len(self.column.values) > 20 else ""
        what |= {"category": f"one of {listed}{more}", "boolean": f"one of {listed}{more}"}
        limits = self._limits_text()
        return {
            UNPARSEABLE: what[self.type],
            NOT_WHOLE: "a whole number",
            BEYOND: limits,
            CLIPPED: limits,
            OUT_OF_RANGE: limits,
            UNKNOWN: what[self.type],
            REJECTED: what[self.type],
            REQUIRED: f"a value ({what[self.type]})",
        }

    def _date_text(self) -> str:
        return f"a date written as {self.column.format}" if self.column.format else "a date such as 2024-01-31"

    def _limits_text(self) -> str:
        low, high = (f"{limit:g}" if isinstance(limit, float) else limit for limit in (self.low, self.high))
        if self.low is None:
            return f"at most {high}"
        return f"at least {low}" if self.high is None else f"between {low} and {high}"

    def fault(self, code: int, value: str | None) -> Fault:
        """Put a code in words."""
        return Fault(self.raw, value if value is None else value[:SHOWN], NAMES[code], self.expected[code])


def rules(contract: Contract, training: bool) -> list[Rule]:
    """The rules of a contract's columns, in order.

    Training needs every used column, and identifiers, time and weight in each row. Scoring needs the features (and
    the time, which is the request's own or today where none is given).
    """
    needed = {*contract.id_columns, contract.time, contract.weight} if training else set()
    found = []
    for name, column in contract.clean_columns.items():
        if training or column.role == "feature" or name == contract.time:
            required = (column.required and (training or name != contract.time)) or name in needed
            if name == contract.weight and column.min is None:
                column = column.model_copy(update={"min": 0.0})
            found.append(Rule(name, contract.raw_names[name], column, required))
    return found


def target_codes(contract: Contract) -> tuple[dict[str, float], dict[float, float]]:
    """Outcome (1.0 bad, 0.0 good) by the target's text, and by its number where a value is one."""
    texts: dict[str, float] = {}
    for values, outcome in ((contract.target.bad, 1.0), (contract.target.good, 0.0)):
        texts |= {as_text(value).strip(SPACE): outcome for value in values}
    numbers = {number: outcome for text, outcome in texts.items() if (number := number_of(text)) is not None}
    return texts, numbers


def _limit(value: Scalar | dt.date | None) -> float | dt.date | None:
    if isinstance(value, dt.date):
        return value
    return None if value is None else float(value)
