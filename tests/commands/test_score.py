"""``main.py score`` on a table of a lender."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from support import clashing_table, small_table

from creditrisk.commands.score import score_file
from creditrisk.errors import DataError
from creditrisk.model.scorer import Scorer


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_an_id_that_has_the_name_of_an_answer_is_kept_under_another(
    clashing_bundle: Path, tmp_path: Path, kind: str
) -> None:
    table = clashing_table(30)
    table.write_csv(tmp_path / "loans.csv")
    out = tmp_path / f"out.{kind}"
    assert score_file(Scorer.load(clashing_bundle), tmp_path / "loans.csv", out) == {"scored": 30}
    found = pl.read_csv(out, infer_schema=False) if kind == "csv" else pl.read_parquet(out)
    assert found.columns[:6] == ["row", "row (id)", "verdict (id)", "decision_id", "pd", "score"]
    assert [int(row) for row in found["row"]] == list(range(1, 31))
    assert set(found["verdict"]) == {"scored"}
    assert found["row (id)"].to_list() == table["row"].to_list()
    assert found["verdict (id)"].to_list() == table["verdict"].to_list()


def test_a_column_that_is_missing_is_said_with_the_file(small_bundle: Path, tmp_path: Path) -> None:
    table, out = tmp_path / "loans.csv", tmp_path / "out.csv"
    small_table(30).drop("income").write_csv(table)
    with pytest.raises(DataError, match=r"loans\.csv: The table lacks 1 column.*'income'"):
        score_file(Scorer.load(small_bundle), table, out)
    assert not out.exists()
