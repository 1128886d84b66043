"""What training sees of a table: inputs, outcome, weights, and whose rows belong together."""

from __future__ import annotations

import polars as pl
import pytest
from support import SMALL_CONTRACT

from creditrisk.contract import GROUP, TARGET, Contract
from creditrisk.pipeline.train_model import training_data


@pytest.mark.parametrize("customers", [["b", "a", "b", "c"], None])
def test_customers_go_with_their_rows_where_the_contract_has_them(customers: list[str] | None) -> None:
    contract = Contract.model_validate(SMALL_CONTRACT)
    values = {item.name: [1.0] * 4 if item.kind == "number" else ["car"] * 4 for item in contract.inputs}
    table = pl.DataFrame(values | {TARGET: [1.0, 0.0, 0.0, 1.0]} | ({GROUP: customers} if customers else {}))
    found = training_data(table, contract)
    assert (None if found.group is None else found.group.tolist()) == ([2, 1, 2, 3] if customers else None)
