import datetime as dt
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from creditrisk.contract import APPLICATION_DATE, GROUP, ID, TARGET, Contract
from creditrisk.data.split import add_months, split
from creditrisk.errors import DataError
from creditrisk.params import Split


def contract(**changes: Any) -> Contract:
    base: dict[str, Any] = {
        "name": "small",
        "title": "Small",
        "source": {"url": "x.csv"},
        "target": {"column": "y", "bad": [1], "good": [0]},
        "columns": {"applied": {"type": "date", "role": "time"}, "amount": {"type": "number"}},
    }
    return Contract.model_validate(base | changes)


def table(rows: int, months: int = 24, start: int = 0, groups: int | None = None) -> pl.DataFrame:
    random = np.random.default_rng(5)
    columns: dict[str, Any] = {
        ID: [f"id-{start + row}" for row in range(rows)],
        TARGET: (random.random(rows) < 0.3).astype(float),
        APPLICATION_DATE: [add_months(dt.date(2020, 1, 15), row % months) for row in range(rows)],
    }
    if groups:
        columns[GROUP] = [f"g{row % groups}" for row in range(rows)]
    return pl.DataFrame(columns)


def sides(data: pl.DataFrame, **changes: Any) -> dict[str, str]:
    params = changes.pop("params", Split())
    parts, _, _ = split(data, contract(**changes), params)
    return {key: name for name, part in parts.items() for key in part[ID]}


def test_shares_are_as_asked() -> None:
    parts, _, report = split(table(20_000), contract(), Split(test=0.25, calibration=0.2))
    assert parts["test"].height == pytest.approx(5_000, rel=0.05)
    assert parts["calibration"].height == pytest.approx(3_000, rel=0.06)
    assert {name: part["rows"] for name, part in report.parts.items()} == {n: p.height for n, p in parts.items()}
    rates = [part["bad_rate"] for part in report.parts.values()]
    assert max(rates) - min(rates) < 0.03


@given(st.randoms())
def test_new_rows_and_another_order_move_no_old_row(random: Any) -> None:
    old = table(400)
    more = pl.concat([old, table(300, start=400)])
    order = list(range(more.height))
    random.shuffle(order)
    before, after = sides(old), sides(more[order])
    assert {key: after[key] for key in before} == before


def test_rows_of_a_group_stay_together() -> None:
    parts, _, _ = split(table(6_000, groups=500), contract(), Split())
    seen = [set(part[GROUP]) for part in parts.values()]
    assert not (seen[0] & seen[1])
    assert not (seen[0] & seen[2])
    assert not (seen[1] & seen[2])


def test_a_customer_s_rows_stay_together_out_of_time_too() -> None:
    data = table(4_800).with_columns(pl.Series(GROUP, [f"g{row // 5}" for row in range(4_800)]))
    parts, _, report = split(data, contract(time="applied", test_from="2021-07-01"), Split())
    seen = set(parts["train"][GROUP]) | set(parts["calibration"][GROUP])
    assert seen.isdisjoint(parts["test"][GROUP])
    later = data.filter(pl.col(APPLICATION_DATE) >= dt.date(2021, 7, 1))
    known = later.filter(pl.col(GROUP).is_in(seen))
    assert report.parts["known"]["rows"] == known.height
    assert 0 < known.height < later.height
    assert parts["test"].height + known.height == later.height


def test_a_test_part_of_known_customers_alone_is_refused() -> None:
    changes: dict[str, Any] = {"time": "applied", "test_from": "2021-07-01"}
    data = table(2_400).with_columns(pl.Series(GROUP, [f"g{row // 24}" for row in range(2_400)]))
    with pytest.raises(DataError, match="Another 600 applications from 2021-07-01 on are of customers"):
        split(data, contract(**changes), Split())


def test_out_of_time_begins_where_the_contract_says() -> None:
    changes = {"time": "applied", "test_from": "2021-07-01"}
    parts, rule, report = split(table(2_400), contract(**changes), Split())
    assert rule.test_from == dt.date(2021, 7, 1)
    assert parts["test"][APPLICATION_DATE].min() == dt.date(2021, 7, 15)
    assert parts["train"][APPLICATION_DATE].max() == dt.date(2021, 6, 15)
    assert report.notes == []


def test_new_months_move_no_old_row_where_test_from_is_written() -> None:
    changes = {"time": "applied", "test_from": "2021-07-01"}
    old = table(2_400)
    later = table(500, start=2_400).with_columns(pl.lit(dt.date(2022, 3, 15)).alias(APPLICATION_DATE))
    before, after = sides(old, **changes), sides(pl.concat([old, later]), **changes)
    assert {key: after[key] for key in before} == before
    assert after["id-2400"] == "test"


def test_without_test_from_whole_months_are_taken_and_said() -> None:
    parts, rule, report = split(table(2_400), contract(time="applied"), Split(test=0.25))
    assert rule.test_from == dt.date(2021, 7, 1)
    assert parts["test"].height == 600
    assert 'test_from: "2021-07-01"' in report.notes[0]


def test_params_may_ask_for_months() -> None:
    changes = {"time": "applied", "test_from": "2021-07-01"}
    _, rule, _ = split(table(2_400), contract(**changes), Split(test_months=3))
    assert rule.test_from == dt.date(2021, 10, 1)


def test_embargo_leaves_out_the_months_before_the_test() -> None:
    changes = {"time": "applied", "test_from": "2021-07-01"}
    parts, _, report = split(table(2_400), contract(**changes), Split(embargo_months=2))
    assert parts["train"][APPLICATION_DATE].max() == dt.date(2021, 4, 15)
    assert report.parts["embargo"] == {
        "rows": 200, "bad_rate": pytest.approx(0.3, abs=0.15), "used": False, "from": "2021-05-15", "to": "2021-06-15"
    }  # fmt: skip


def test_immature_rows_belong_to_no_part() -> None:
    changes = {"time": "applied", "as_of": "2022-01-01", "maturity": {"months": 6}}
    parts, rule, report = split(table(2_400), contract(**changes), Split())
    assert rule.mature_until == dt.date(2021, 7, 1)
    assert max(max(part[APPLICATION_DATE].to_list()) for part in parts.values()) <= dt.date(2021, 7, 1)
    assert report.parts["immature"]["rows"] == 600


def test_hash_is_possible_with_dates_too() -> None:
    parts, rule, _ = split(table(2_400), contract(time="applied"), Split(method="hash"))
    assert rule.test_from is None
    assert parts["train"][APPLICATION_DATE].max() == parts["test"][APPLICATION_DATE].max()


@pytest.mark.parametrize(
    ("data", "changes", "params", "said"),
    [
        (table(30), {}, Split(), "part has"),
        (table(500), {}, Split(method="time"), "names no time column"),
        (table(500, months=1), {"time": "applied"}, Split(), "at least two"),
        (
            table(500),
            {"time": "applied", "test_from": "2030-01-01"},
            Split(),
            r"The test part has 0 good and 0 bad rows \(test from 2030-01-01\);",
        ),
        (
            table(500),
            {"time": "applied", "test_from": "2021-01-01"},
            Split(embargo_months=30_000),
            r"The train part has 0 good and 0 bad rows \(test from 2021-01-01\);",
        ),
    ],
)
def test_what_cannot_be_parted_is_said(data: pl.DataFrame, changes: dict[str, Any], params: Split, said: str) -> None:
    with pytest.raises(DataError, match=said):
        split(data, contract(**changes), params)


@pytest.mark.parametrize(
    ("day", "months", "result"),
    [
        (dt.date(2020, 1, 31), 1, dt.date(2020, 2, 29)),
        (dt.date(2020, 11, 30), 3, dt.date(2021, 2, 28)),
        (dt.date(2020, 1, 15), -1, dt.date(2019, 12, 15)),
        (dt.date(2020, 12, 1), 12, dt.date(2021, 12, 1)),
        (dt.date(9999, 12, 31), 0, dt.date(9999, 12, 31)),
        (dt.date(9999, 12, 31), 1, dt.date.max),
        (dt.date(2020, 1, 15), -12 * 2020, dt.date.min),
    ],
)
def test_months_are_calendar_months(day: dt.date, months: int, result: dt.date) -> None:
    assert add_months(day, months) == result
