"""Part rows into train, calibration and test so that new rows move no old one.

By hash: a row's side depends on its group (or id) alone. Shares hold in each class in expectation, and the
report shows each part's bad rate. Out-of-time: applications from ``test_from`` on are the test part, what lies in
the embargo before it and what is younger than its maturity belongs to no part. Nor do later applications of a customer
whose earlier ones train or calibrate: all rows of one customer are on one side, and those of training never move.
"""

from __future__ import annotations

import calendar
import datetime as dt
import hashlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from creditrisk.contract import APPLICATION_DATE, GROUP, ID, TARGET, Contract
from creditrisk.errors import DataError
from creditrisk.params import Split
from creditrisk.settings import Frozen

if TYPE_CHECKING:
    import polars as pl

Part = Literal["train", "calibration", "test", "immature", "embargo", "known"]
PARTS: tuple[Part, ...] = ("train", "calibration", "test")
SEEN: tuple[Part, ...] = ("train", "calibration")
"""Parts that a model is made on."""
MIN_CLASS_ROWS = 10
"""Rows of each class that a part needs before anything can be fitted or measured on it."""


class SplitRule(Frozen):
    """All that decides a row's part. It travels in the bundle, so that a challenger can be judged on rows that the
    champion never saw.
    """

    portfolio: str
    test_from: dt.date | None
    train_until: dt.date | None
    """Applications before this day may train; between it and ``test_from`` lies the embargo."""
    mature_until: dt.date | None
    """Applications after this day have no final outcome yet."""
    test: float
    calibration: float

    def parts(self, table: pl.DataFrame) -> NDArray[np.str_]:
        """Name each row's part, shape (n,); needs the id, and the group and application date where there are any.

        Whether a customer of the test part is ``known`` from training can be told from a whole table alone.
        """
        import polars as pl

        keys = table[GROUP if GROUP in table.columns else ID]
        parts = np.full(table.height, "train", dtype="<U11")
        parts[_uniform(keys, f"calibration:{self.portfolio}") < self.calibration] = "calibration"
        if self.test_from is None:
            parts[_uniform(keys, f"test:{self.portfolio}") < self.test] = "test"
        else:
            dates = table[APPLICATION_DATE]
            if self.train_until is not None:
                parts[_holds(dates >= self.train_until)] = "embargo"
            parts[_holds(dates >= self.test_from)] = "test"
        if self.mature_until is not None:
            parts[_holds(table[APPLICATION_DATE] > self.mature_until)] = "immature"
        if self.test_from is not None and GROUP in table.columns:
            customers = keys.filter(pl.Series(np.isin(parts, SEEN)))
            parts[(parts == "test") & _holds(keys.is_in(customers.unique().implode()))] = "known"
        return parts


@dataclass(frozen=True)
class SplitReport:
    """Rows, bad rate and period of each part."""

    method: str
    parts: dict[str, dict[str, Any]]
    test_from: str | None
    notes: list[str]

    def to_json(self) -> dict[str, Any]:
        """As DVC metrics."""
        return asdict(self)


def make_rule(table: pl.DataFrame, contract: Contract, params: Split) -> SplitRule:
    """Settle the dates that part the rows.

    Raises:
        DataError: the contract has no time column though params ask for a split by time, or no month is left over.
    """
    by_time = params.method == "time" or (params.method == "auto" and contract.time is not None)
    mature_until = _mature_until(contract)
    if not by_time:
        return SplitRule(
            portfolio=contract.name,
            test_from=None,
            train_until=None,
            mature_until=mature_until,
            test=params.test,
            calibration=params.calibration,
        )
    if contract.time is None:
        raise DataError(
            f"params split.method is time, but the contract {contract.name!r} names no time column; "
            "give time: in the contract, or set split.method to hash."
        )
    test_from = _test_from(table, contract, params, mature_until)
    return SplitRule(
        portfolio=contract.name,
        test_from=test_from,
        train_until=add_months(test_from, -params.embargo_months) if params.embargo_months else None,
        mature_until=mature_until,
        test=params.test,
        calibration=params.calibration,
    )


def split(
    table: pl.DataFrame, contract: Contract, params: Split
) -> tuple[dict[Part, pl.DataFrame], SplitRule, SplitReport]:
    """Part a table of characteristics.

    Raises:
        DataError: a part would hold too few rows of one class.
    """
    import polars as pl

    rule = make_rule(table, contract, params)
    names = rule.parts(table)
    parts: dict[Part, pl.DataFrame] = {part: table.filter(pl.Series(names == part)) for part in PARTS}
    figures = {str(name): _figures(table.filter(pl.Series(names == name)), name in PARTS) for name in np.unique(names)}
    for part in PARTS:
        _check_classes(part, parts[part], rule, int((names == "known").sum()) if part == "test" else 0)
    method = "out-of-time" if rule.test_from else "hash"
    notes = []
    if rule.test_from and contract.test_from is None and params.test_months is None:
        notes.append(
            f"The test part begins at {rule.test_from}, taken from the table's own months; write test_from: "
            f'"{rule.test_from}" in the contract so that new months do not move it.'
        )
    report = SplitReport(method, figures, rule.test_from.isoformat() if rule.test_from else None, notes)
    return parts, rule, report


def add_months(day: dt.date, months: int) -> dt.date:
    """The same day so many months on (or back), or the month's last where it is shorter; no further than dates go."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    if not dt.MINYEAR <= year <= dt.MAXYEAR:
        return dt.date.min if year < dt.MINYEAR else dt.date.max
    return dt.date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def _mature_until(contract: Contract) -> dt.date | None:
    if contract.maturity is None or contract.as_of is None:
        return None
    return add_months(contract.as_of, -contract.maturity.months)


def _test_from(table: pl.DataFrame, contract: Contract, params: Split, mature_until: dt.date | None) -> dt.date:
    if params.test_months is None and contract.test_from is not None:
        return contract.test_from
    dates = table[APPLICATION_DATE].drop_nulls()
    if mature_until is not None:
        dates = dates.filter(dates <= mature_until)
    first = newest_months(dates, params)
    if first is None:
        raise DataError(
            f"The mature rows of {contract.name!r} lie in {min(1, dates.len())} month(s) by {contract.time!r}; a split "
            "by time needs at least two. Check as_of and maturity in the contract, or set split.method to hash."
        )
    return first


def newest_months(dates: pl.Series, params: Split) -> dt.date | None:
    """The first day of the newest whole months that make up the test part; None where all dates lie in one month."""
    dates = dates.drop_nulls().rename("date")
    months = dates.dt.truncate("1mo").value_counts(sort=False).sort("date", descending=True)
    first: list[dt.date] = months["date"].to_list()
    if len(first) < 2:
        return None
    if params.test_months is not None:
        wanted = min(params.test_months, len(first) - 1)
    else:
        reached = (months["count"].cum_sum() / dates.len() >= params.test).arg_true()
        wanted = min(int(reached[0]) + 1, len(first) - 1)
    return first[wanted - 1]


def _uniform(keys: pl.Series, salt: str) -> NDArray[np.float64]:
    """A number in [0, 1) for each key that depends on key and salt alone, on every machine and version."""
    import polars as pl

    values: Iterable[str] = keys.cast(pl.String).fill_null("").to_list()
    start = hashlib.blake2b(salt.encode(), digest_size=8)
    numbers = np.empty(keys.len(), dtype=np.uint64)
    for row, value in enumerate(values):
        digest = start.copy()
        digest.update(value.encode())
        numbers[row] = int.from_bytes(digest.digest(), "big")
    return numbers / np.float64(2**64)


def _holds(condition: pl.Series) -> NDArray[np.bool_]:
    return condition.fill_null(False).to_numpy()


def _figures(part: pl.DataFrame, used: bool) -> dict[str, Any]:
    rate = part[TARGET].mean()
    figures: dict[str, Any] = {
        "rows": part.height,
        "bad_rate": float(rate) if isinstance(rate, float) else None,
        "used": used,
    }
    if APPLICATION_DATE in part.columns and part.height:
        figures["from"], figures["to"] = str(part[APPLICATION_DATE].min()), str(part[APPLICATION_DATE].max())
    return figures


def _check_classes(name: str, part: pl.DataFrame, rule: SplitRule, known: int) -> None:
    bad = int(part[TARGET].sum())
    good = part.height - bad
    if min(bad, good) >= MIN_CLASS_ROWS:
        return
    days = {"test from": rule.test_from, "mature until": rule.mature_until}
    listed = ", ".join(f"{what} {day}" for what, day in days.items() if day)
    if known:
        raise DataError(
            f"The test part has {good:,} good and {bad:,} bad rows; at least {MIN_CLASS_ROWS} of each are needed. "
            f"Another {known:,} applications from {rule.test_from} on are of customers whose earlier ones train, and "
            "all rows of one customer stay on one side. Take group out of the contract to test on these customers too."
        )
    raise DataError(
        f"The {name} part has {good:,} good and {bad:,} bad rows{f' ({listed})' if listed else ''}; at least "
        f"{MIN_CLASS_ROWS} of each are needed. Bring more rows, or change split in params.yaml, or test_from, as_of "
        "and maturity in the contract."
    )
