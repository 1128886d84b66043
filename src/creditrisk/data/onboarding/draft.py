"""A column of a first contract in the making."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from creditrisk.contract import ColumnType, Role
from creditrisk.data.onboarding.profile import Profile, Table, markers_of
from creditrisk.expression.scalar import SPACE

MIN_SHARE = 0.999
"""Share of values that must be of the type: the others would put their rows into quarantine."""


@dataclass
class Draft:
    """A column of the contract in the making."""

    raw: str
    name: str
    type: ColumnType = "text"
    role: Role = "feature"
    keys: dict[str, Any] = field(default_factory=dict)
    """Further keys of the contract's column."""
    notes: list[str] = field(default_factory=list)
    """What a person should check or know."""

    @property
    def is_number(self) -> bool:
        """Whether a characteristic can calculate with it."""
        return self.role == "feature" and self.type in ("number", "integer")

    def ignore(self, note: str) -> Draft:
        """Leave the column out."""
        self.role = "ignore"
        self.type = "text" if self.type in ("category", "open_category") else self.type
        self.keys = {}
        self.notes = [note]
        return self


def list_missing(table: Table, one: Profile, draft: Draft, more: Sequence[str]) -> None:
    """List the texts that mean missing, and more of them, as they are when the characters of ``strip`` are gone."""
    gone = str.maketrans("", "", draft.keys.get("strip", ""))
    found = list(dict.fromkeys(text.translate(gone).strip(SPACE) for text in [*markers_of(table.frame, one), *more]))
    if found:
        draft.keys["missing"] = found
