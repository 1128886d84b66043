"""``main.py score`` on a table of a lender."""

from __future__ import annotations

import datetime as dt
import json
from argparse import Namespace
from pathlib import Path

import polars as pl
import pytest
from support import SMALL_CONTRACT, clashing_table, dated_table, make_bundle, small_table

from creditrisk.commands.context import Context
from creditrisk.commands.score import check_out, command_score, score_file
from creditrisk.errors import DataError
from creditrisk.model.scorer import Scorer
from creditrisk.paths import Project


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_an_id_that_has_the_name_of_an_answer_is_kept_under_another(
    clashing_bundle: Path, tmp_path: Path, kind: str
) -> None:
    table = clashing_table(30)
    table.write_csv(tmp_path / "loans.csv")
    out = tmp_path / f"out.{kind}"
    assert score_file(Scorer.load(clashing_bundle), tmp_path / "loans.csv", out).verdicts == {"scored": 30}
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


def spaced_bundle(folder: Path, **layout: str) -> Path:
    """A scorecard whose own table is parted by spaces, or as is said."""
    source = SMALL_CONTRACT["source"] | {"format": {"kind": "csv", "separator": " "} | layout}
    return make_bundle(folder / "bundle", "scorecard", contract=SMALL_CONTRACT | {"source": source})


def test_a_table_parted_in_another_way_than_the_contracts_own_is_scored(tmp_path: Path) -> None:
    scorer, out = Scorer.load(spaced_bundle(tmp_path)), tmp_path / "out.csv"
    wanted = scorer.score_frame(small_table(30))["pd"].to_list()
    for mark in " ,;\t|":
        table = tmp_path / "loans.csv"
        small_table(30).write_csv(table, separator=mark, include_bom=mark == ";")
        found = score_file(scorer, table, out)
        assert (found.layout.separator, found.verdicts) == (mark, {"scored": 30})
        assert pl.read_csv(out)["pd"].to_list() == wanted


def test_what_fits_in_no_way_is_told_what_to_do_with_the_table(small_bundle: Path, tmp_path: Path) -> None:
    table = tmp_path / "loans.csv"
    table.write_text("a;b\n1;2\n")
    with pytest.raises(DataError, match=r"The table has: a, b\. Give the table a header row with these names"):
        score_file(Scorer.load(small_bundle), table, tmp_path / "out.csv")


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "marked"])
def test_a_table_in_utf8_is_scored_where_the_contracts_own_is_not(tmp_path: Path, mark: bytes) -> None:
    scorer, table, out = (
        Scorer.load(spaced_bundle(tmp_path, encoding="cp1252")),
        tmp_path / "loans.csv",
        tmp_path / "o.csv",
    )
    text = small_table(3).with_columns(loan=pl.Series(["Größe", "b", "c"])).write_csv(separator=" ")
    table.write_bytes(mark + text.encode())
    assert score_file(scorer, table, out).layout.encoding == "utf-8"
    assert pl.read_csv(out)["loan"][0] == "Größe"
    table.write_bytes(text.encode("cp1252"))
    assert score_file(scorer, table, out).layout == scorer.contract.source.format.model_copy(update={"kind": "auto"})
    assert pl.read_csv(out)["loan"][0] == "Größe"


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_table_without_rows_leaves_the_former_answers(small_bundle: Path, tmp_path: Path, kind: str) -> None:
    table, out = tmp_path / "loans.csv", tmp_path / f"keep.{kind}"
    small_table(30).head(0).write_csv(table)
    out.write_bytes(b"former answers")
    with pytest.raises(DataError, match=r"loans\.csv: no rows to score; nothing was written"):
        score_file(Scorer.load(small_bundle), table, out)
    assert out.read_bytes() == b"former answers"
    assert sorted(path.name for path in tmp_path.iterdir()) == [out.name, table.name]


def test_answers_never_take_the_place_of_the_table(tmp_path: Path) -> None:
    table = tmp_path / "loans.csv"
    small_table(3).write_csv(table)
    (tmp_path / "soft.csv").symlink_to(table)
    (tmp_path / "hard.csv").hardlink_to(table)
    (tmp_path / "folder").mkdir()
    for out in (table, tmp_path / "folder" / ".." / "loans.csv", tmp_path / "soft.csv", tmp_path / "hard.csv"):
        with pytest.raises(DataError, match=r"it is the table to score.*name another file"):
            check_out(table, out)
    check_out(table, tmp_path / "new.csv")


def test_a_place_that_cannot_be_written_to_is_said_before_anything_is_scored(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no folder .*absent"):
        check_out(tmp_path / "loans.csv", tmp_path / "absent" / "out.csv")
    (tmp_path / "out.csv").mkdir()
    with pytest.raises(DataError, match=r"out\.csv: it is a folder"):
        check_out(tmp_path / "loans.csv", tmp_path / "out.csv")


def test_rows_without_a_day_count_from_today_and_are_counted(dated_bundle: Path, tmp_path: Path) -> None:
    scorer, table, out = Scorer.load(dated_bundle), tmp_path / "loans.csv", tmp_path / "out.csv"
    raw = dated_table(30)
    for given, undated in (
        (raw, 0),
        (raw.drop("applied"), 30),
        (raw.with_columns(pl.lit("").alias("applied")), 30),
        (raw.with_columns(pl.when(pl.int_range(30) > 3).then("applied")), 4),
    ):
        given.write_csv(table)
        found = score_file(scorer, table, out)
        assert (found.undated, found.verdicts) == (undated, {"scored": 30})
    raw.drop("applied").write_csv(table)
    score_file(scorer, table, out)
    assert pl.read_csv(out)["pd"].to_list() == scorer.score_frame(raw.drop("applied"), found.today)["pd"].to_list()


def test_the_screen_says_what_was_taken_for_granted(
    dated_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "loans.csv"
    dated_table(30).drop("applied").write_csv(table, separator=";")
    asked = Namespace(table=str(table), out=str(tmp_path / "out.csv"), bundle=str(dated_bundle), portfolio=None)
    command_score(Context(Project(tmp_path), as_json=False), asked)
    shown = capsys.readouterr().out
    assert "utf-8, parted by ';'" in shown
    assert "(today) in 30 rows without a day of application" in shown
    command_score(Context(Project(tmp_path), as_json=True), asked)
    told = json.loads(capsys.readouterr().out)
    assert (told["rows_without_date"], told["read_as"]) == (30, "utf-8, parted by ';'")
    assert dt.date.fromisoformat(told["counted_from"]) <= dt.date.today()
