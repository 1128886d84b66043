from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from lender import Lender
from support import SMALL_CONTRACT

from creditrisk.contract import GROUP, ROW, TARGET, Contract
from creditrisk.errors import DataError
from creditrisk.model.scorer import Scorer
from creditrisk.paths import Project
from creditrisk.tracking import rows as judged
from creditrisk.tracking.rows import judged_rows, unseen


@pytest.fixture
def contract() -> Contract:
    return Contract.model_validate(SMALL_CONTRACT)


def test_the_raw_rows_are_those_of_the_test_part(bare: Project, lender: Lender, contract: Contract) -> None:
    lender.tables(bare)
    found = judged_rows(bare, "small", contract)
    test = pl.read_parquet(bare.tables("small") / "split" / "test.parquet").sort(ROW)
    raw = pl.read_parquet(bare.tables("small") / "raw" / "raw.parquet")
    assert found.raw.equals(raw[(test[ROW] - 1).to_list()])
    assert found.y.tolist() == test[TARGET].to_list() == (found.raw["outcome"] == "default").cast(pl.Float64).to_list()
    assert found.weight.tolist() == [1.0] * test.height
    assert found.attributes.columns == ["age"]


def test_broken_lines_of_the_source_move_no_row(bare: Project, lender: Lender, contract: Contract) -> None:
    lender.tables(bare)
    before = judged_rows(bare, "small", contract)
    folder = bare.tables("small")
    # the source had three more lines, which no row of the raw table stands for
    broken = pl.DataFrame({"row": [2, 900, 901], "column": "", "value": "?", "rule": "broken", "expected": "fields"})
    broken.write_parquet(folder / "raw" / "broken.parquet")
    shift = pl.col(ROW) + (pl.col(ROW) >= 2) + 2 * (pl.col(ROW) >= 899)
    test = pl.read_parquet(folder / "split" / "test.parquet").with_columns(shift.cast(pl.Int64))
    test.write_parquet(folder / "split" / "test.parquet")
    after = judged_rows(bare, "small", contract)
    assert after.raw.equals(before.raw)
    assert after.y.tolist() == before.y.tolist()


def test_without_tables_it_is_said_what_to_do(bare: Project, contract: Contract) -> None:
    with pytest.raises(DataError, match=r"test\.parquet: missing, .* Run main\.py run first"):
        judged_rows(bare, "small", contract)


def test_tables_of_two_runs_are_refused(bare: Project, lender: Lender, contract: Contract) -> None:
    lender.tables(bare)
    path = bare.tables("small") / "raw" / "raw.parquet"
    pl.read_parquet(path).head(100).write_parquet(path)
    with pytest.raises(DataError, match="the tables are not of one run"):
        judged_rows(bare, "small", contract)


def test_many_rows_are_thinned_evenly(
    bare: Project, lender: Lender, contract: Contract, monkeypatch: pytest.MonkeyPatch
) -> None:
    lender.tables(bare)
    everything = judged_rows(bare, "small", contract)
    monkeypatch.setattr(judged, "MAX_ROWS", 400)
    found = judged_rows(bare, "small", contract)
    stride = -(-len(everything.y) // 400)
    assert len(found.y) <= 400
    assert found.raw.equals(everything.raw.gather_every(stride))


def test_rows_of_a_contract_that_protects_nothing_can_be_taken(
    bare: Project, lender: Lender, contract: Contract
) -> None:
    lender.tables(bare)
    age = contract.columns["age"].model_copy(update={"role": "ignore"})
    bare_contract = contract.model_copy(update={"columns": contract.columns | {"age": age}})
    found = judged_rows(bare, "small", bare_contract)
    assert found.attributes.width == 0
    some = found.take(np.arange(len(found.y)) % 2 == 0)
    assert some.raw.height == len(some.y) == -(-len(found.y) // 2)


def everything(lender: Lender) -> judged.JudgedRows:
    raw = pl.read_parquet(lender.root / "tables" / "raw" / "raw.parquet")
    return judged.JudgedRows(raw, np.zeros(raw.height), np.ones(raw.height), pl.DataFrame())


def test_rows_that_a_model_was_made_on_are_known_from_its_bundle_alone(lender: Lender) -> None:
    found = unseen(everything(lender), Scorer.load(lender.bundle("good")))
    numbers = pl.read_parquet(lender.root / "tables" / "split" / "test.parquet")[ROW].to_list()
    assert (np.flatnonzero(found) + 1).tolist() == sorted(numbers)


def test_new_rows_and_columns_move_no_old_row(lender: Lender) -> None:
    rows = everything(lender)
    scorer = Scorer.load(lender.bundle("good"))
    before = unseen(rows, scorer)
    older = rows.raw.with_columns(pl.lit("x").alias("new_column"))
    more = pl.concat([older.with_columns(pl.concat_str(pl.lit("N"), pl.col("loan")).alias("loan")), older])
    longer = judged.JudgedRows(more, np.zeros(more.height), np.ones(more.height), pl.DataFrame())
    without = scorer.contract.model_copy(update={"duplicates": "keep"})
    scorer.contract = without
    assert unseen(longer, scorer)[older.height :].tolist() == before.tolist()


def test_a_row_that_the_contract_would_not_clean_is_left_out(lender: Lender) -> None:
    rows = everything(lender)
    scorer = Scorer.load(lender.bundle("good"))
    at = int(np.flatnonzero(unseen(rows, scorer))[0])
    months = rows.raw["months"].to_list()
    months[at] = 10_000
    broken = judged.JudgedRows(rows.raw.with_columns(pl.Series("months", months)), rows.y, rows.weight, rows.attributes)
    assert not unseen(broken, scorer)[at]


def test_the_customers_of_the_rows_come_along(bare: Project, lender: Lender, contract: Contract) -> None:
    lender.tables(bare)
    assert judged_rows(bare, "small", contract).group is None
    path = bare.tables("small") / "split" / "test.parquet"
    test = pl.read_parquet(path).sort(ROW).with_columns((pl.int_range(pl.len()) // 2).cast(pl.String).alias(GROUP))
    test.write_parquet(path)
    found = judged_rows(bare, "small", contract)
    assert found.group is not None
    assert np.unique(found.group).size == -(-test.height // 2)
    taken = found.take(np.arange(test.height) < 3)
    assert taken.group is not None
    assert np.unique(taken.group, return_counts=True)[1].tolist() == [2, 1]
