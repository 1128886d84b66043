"""Golden rows of any contract: drawn within what it allows."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from creditrisk.contract import Contract
from creditrisk.data.row import compile_row
from creditrisk.model.golden import draw


@pytest.mark.parametrize(
    "limits",
    [
        {},
        {"min": "2025-06-01"},
        {"max": "1999-12-31"},
        {"min": "9999-12-30"},
        {"max": "0001-01-02"},
        {"min": "1990-01-01", "max": "1990-01-01"},
    ],
)
def test_dates_lie_within_the_limits_of_the_contract(limits: dict[str, str]) -> None:
    column: dict[str, Any] = {"type": "date"} | {key: dt.date.fromisoformat(day) for key, day in limits.items()}
    contract = Contract.model_validate(
        {
            "name": "t",
            "title": "T",
            "source": {"url": "t.csv"},
            "target": {"column": "y", "bad": [1], "good": [0]},
            "columns": {"day": column},
        }
    )
    rows = draw(contract, {"inputs": {}}, rows=50)
    function = compile_row(contract)
    assert len({row["day"] for row in rows}) > 2
    assert [row["day"] for row in rows if function(row).faults] == ["odd value"]
