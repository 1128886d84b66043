"""What cleaning did, counted: the report that becomes DVC metrics, and the reasons for which cleaning stops."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from creditrisk.contract import ID, TARGET, Contract
from creditrisk.data.cleaning.rules import BEYOND as RANGE
from creditrisk.data.cleaning.rules import (
    CLIPPED,
    CODES,
    MISSING,
    NOT_WHOLE,
    OK,
    OUT_OF_RANGE,
    REJECTED,
    REQUIRED,
    UNKNOWN,
    UNPARSEABLE,
    Rule,
)
from creditrisk.errors import DataError

Counts = npt.NDArray[np.int64]

KEPT, DUPLICATE, EXCLUDED, OUTSIDE, QUARANTINED = range(5)
"""What becomes of a row, in the column ``_state``."""
STATE, TARGET_TEXT = "_state", "_target_text"
CODE = "_code:"
"""Before a column's name: what became of its value."""
MAX_LISTED = 50
"""Different excluded target values that a report lists; the rest is summed up."""
_SHOWN_COUNTS = {
    "missing": (MISSING,),
    "clipped": (CLIPPED,),
    "out_of_range": (OUT_OF_RANGE, RANGE),
    "unknown": (UNKNOWN, REJECTED),
    "unparseable": (UNPARSEABLE, NOT_WHOLE),
    "required": (REQUIRED,),
}


@dataclass(frozen=True)
class CleaningReport:
    """Counts of rows, and of values by column: over all rows read for faults, so quarantined ones count."""

    rows_read: int
    """Broken lines included."""
    duplicates: int
    repeated_ids: int
    """Ids that several of the rows kept have; where duplicates are dropped, each row with a content of its own."""
    excluded_by_target: dict[str, int]
    """By the target's value."""
    outside_population: int
    rows_quarantined: int
    quarantine_share: float
    """Of rows that are of the portfolio: neither duplicate nor excluded nor outside."""
    broken_lines: int
    """Lines of the source that could not be read as rows; they count as quarantined."""
    rows_kept: int
    bad_rate: float
    rules: dict[str, int]
    """Faults by ``column: rule``."""
    columns: dict[str, dict[str, int]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As DVC metrics."""
        return asdict(self)


class Tally:
    """Adds up what became of rows and values, piece by piece, and says in the end whether the table can be used."""

    def __init__(self, contract: Contract, rules: list[Rule], broken: pl.DataFrame) -> None:
        self._contract, self._rules = contract, rules
        self._states = np.zeros(5, dtype=np.int64)
        self._ids: list[npt.NDArray[np.uint64]] = []
        self._codes = {rule.name: np.zeros(CODES, dtype=np.int64) for rule in rules}
        self._present = {rule.name: 0 for rule in rules}
        self._excluded: Counter[str] = Counter()
        self._faults: Counter[tuple[str, str]] = Counter()
        self._examples: dict[tuple[str, str], dict[str, Any]] = {}
        self._bad = 0.0
        self._broken = broken.height
        self._add_faults(broken)

    def add(self, batch: pl.DataFrame, faults: pl.DataFrame) -> None:
        """Count one piece of the marked table and its lines of the quarantine."""
        self._states += np.bincount(batch[STATE].to_numpy(), minlength=5)
        if self._contract.id_columns:
            # 64 bits of each: among ten million ids two different ones look alike with a probability of 3e-6.
            self._ids.append(batch[ID].filter(batch[STATE] == KEPT).hash().to_numpy())
        counted = batch.select(STATE, TARGET, TARGET_TEXT, *(CODE + rule.name for rule in self._rules))
        lost = counted.filter(pl.col(STATE) != KEPT)  # few rows, so what was kept is counted as all but these
        bad = lost.filter(pl.col(STATE) == QUARANTINED)
        self._bad += float(batch[TARGET].sum()) - float(lost[TARGET].sum())
        for rule in self._rules:
            code = CODE + rule.name
            kept = _counts(batch[code]) - _counts(lost[code])
            self._codes[rule.name] += kept + _counts(bad[code])
            self._present[rule.name] += int(kept[OK] + kept[CLIPPED])
        excluded = lost.filter(pl.col(STATE) == EXCLUDED)[TARGET_TEXT].fill_null("").value_counts()
        for value, count in excluded.iter_rows():
            if value in self._excluded or len(self._excluded) < MAX_LISTED:
                self._excluded[value] += count
            else:
                self._excluded["(others)"] += count
        self._add_faults(faults)

    def _add_faults(self, faults: pl.DataFrame) -> None:
        for column, rule, count in faults.group_by("column", "rule", maintain_order=True).len().iter_rows():
            self._faults[(column or "", rule)] += count
        for line in faults.unique(["column", "rule"], keep="first", maintain_order=True).iter_rows(named=True):
            self._examples.setdefault((line["column"] or "", line["rule"]), line)

    def report(self) -> CleaningReport:
        """Everything counted.

        Raises:
            DataError: the table is empty, too much of it is in quarantine, no row is left, one class only is left, or
                a feature has no value at all.
        """
        read, quarantined = int(self._states.sum()), int(self._states[QUARANTINED]) + self._broken
        kept = int(self._states[KEPT])
        of_portfolio = kept + quarantined
        share = quarantined / of_portfolio if of_portfolio else 0.0
        self._check(read, kept, quarantined, share)
        return CleaningReport(
            rows_read=read + self._broken,
            duplicates=int(self._states[DUPLICATE]),
            repeated_ids=self._repeated_ids(),
            excluded_by_target=dict(self._excluded.most_common()),
            outside_population=int(self._states[OUTSIDE]),
            rows_quarantined=quarantined,
            quarantine_share=share,
            broken_lines=self._broken,
            rows_kept=kept,
            bad_rate=self._bad / kept,
            rules={f"{column}: {rule}" if column else rule: n for (column, rule), n in self._faults.most_common()},
            columns={rule.name: self._column(rule) for rule in self._rules},
        )

    def _repeated_ids(self) -> int:
        ordered = np.sort(np.concatenate([*self._ids, np.empty(0, np.uint64)]))
        return int(np.unique(ordered[1:][ordered[1:] == ordered[:-1]]).size)

    def _column(self, rule: Rule) -> dict[str, int]:
        codes = self._codes[rule.name]
        return {name: int(sum(codes[code] for code in wanted)) for name, wanted in _SHOWN_COUNTS.items()}

    def _check(self, read: int, kept: int, quarantined: int, share: float) -> None:
        name = self._contract.name
        if read + self._broken == 0:
            raise DataError(f"The table of {name!r} has no rows. Is it the right file?")
        limit = self._contract.quarantine.max_share
        if share > limit:
            raise DataError(
                f"{quarantined:,} of {kept + quarantined:,} rows of {name!r} ({100 * share:.3g}%) have faults, more "
                f"than the {100 * limit:g}% that quarantine.max_share allows. Most frequent: {self._examples_text()}. "
                "Correct the table or the contract's column rules, or raise quarantine.max_share."
            )
        if kept == 0:
            raise DataError(f"No row of {name!r} is left after cleaning: {self._where_rows_went()}.")
        if self._bad in (0.0, float(kept)):
            there, lacking = ("bad", "good") if self._bad else ("good", "bad")
            raise DataError(
                f"All {kept:,} rows of {name!r} are {there}: none has a {lacking} outcome, so nothing can be learnt. "
                f"Check target.{lacking} in the contract ({self._where_rows_went()})."
            )
        self._check_empty_columns(kept)

    def _check_empty_columns(self, kept: int) -> None:
        for rule in self._rules:
            if self._present[rule.name] == 0 and rule.column.role == "feature":
                counts = ", ".join(f"{count:,} {key}" for key, count in self._column(rule).items() if count)
                raise DataError(
                    f"Column {rule.raw!r} has no usable value in any of the {kept:,} rows of {self._contract.name!r} "
                    f"({counts}); expected {rule.expected[UNPARSEABLE]}. Correct its rules, or set role: ignore."
                )

    def _where_rows_went(self) -> str:
        excluded = ", ".join(f"{value!r} {count:,}" for value, count in self._excluded.most_common(5))
        listed = f" (their values: {excluded})" if excluded else ""
        return (
            f"{self._states[EXCLUDED]:,} rows have a target value that is neither bad nor good{listed}, "
            f"{self._states[OUTSIDE]:,} lie outside the population, {self._states[DUPLICATE]:,} are duplicates"
        )

    def _examples_text(self) -> str:
        said = []
        for key, count in self._faults.most_common(3):
            line = self._examples[key]
            found = "nothing" if line["value"] is None else f"'{line['value']}'"
            column = f"column {line['column']!r}, " if line["column"] else ""
            said.append(
                f"{column}rule {line['rule']}: {count:,} (row {line['row']}: {found}, expected {line['expected']})"
            )
        return "; ".join(said)


def _counts(codes: pl.Series) -> Counts:
    """How often each code stands there; nearly all are ``OK``, which is quicker to pass over than to count."""
    there = codes.to_numpy()
    others = there[there != OK]
    counts: Counts = np.bincount(others, minlength=CODES)
    counts[OK] = there.size - others.size
    return counts
