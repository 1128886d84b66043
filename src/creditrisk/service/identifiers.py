"""Identifiers that sort by time of making: UUID version 7 (RFC 9562), 48 bits of milliseconds and 74 random ones."""

from __future__ import annotations

import os
import re

FORM = r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
"""As a regular expression."""
_FORM = re.compile(FORM)
_POOL = 4_096
_VARIANTS = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}


class Identifiers:
    """A source of identifiers; random bytes are drawn many at a time, since a system call each would cost more."""

    def __init__(self) -> None:
        self._pool = ""
        self._at = 0
        self._millisecond, self._start = -1, ""

    def make(self, now_ns: int) -> str:
        """An identifier made at a time given in nanoseconds since 1970."""
        at = self._at
        if at + 19 > len(self._pool):
            self._pool, at = os.urandom(_POOL).hex(), 0
        self._at = at + 19
        random = self._pool[at : at + 19]
        if now_ns // 1_000_000 != self._millisecond:
            self._millisecond = now_ns // 1_000_000
            time48 = f"{self._millisecond:012x}"
            self._start = f"{time48[:8]}-{time48[8:]}-7"
        return f"{self._start}{random[:3]}-{_VARIANTS[random[3]]}{random[4:7]}-{random[7:]}"


def lowest(milliseconds: int) -> str:
    """The lowest text that an identifier made from this millisecond on can have: a limit for look-ups by time."""
    time48 = f"{max(0, milliseconds):012x}"
    return f"{time48[:8]}-{time48[8:]}-"


def made_at(identifier: str) -> int:
    """When an identifier was made, in milliseconds since 1970."""
    return int(identifier[:8] + identifier[9:13], 16)


def is_identifier(text: str) -> bool:
    """Whether a text has an identifier's form."""
    return bool(_FORM.fullmatch(text))
