"""Wrong input gets a sentence that names file, row, column and value, and leaves everything as it was."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from support import SMALL_CONTRACT, little_space, small_table

from creditrisk.commands.run import rows_line, rows_of
from creditrisk.errors import CreditRiskError
from creditrisk.params import Params, Split
from creditrisk.paths import Project
from creditrisk.pipeline.fe import fe
from creditrisk.pipeline.get_data import get_data
from creditrisk.pipeline.prep_clean_data import prep_clean_data
from creditrisk.pipeline.split_data import split_data
from creditrisk.pipeline.stage import Stage, read_json

Contract = dict[str, Any]


class Small:
    """The small lender's table and contract in an empty project, and the stages up to the split."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.contract: Contract = copy.deepcopy(SMALL_CONTRACT)
        self.text = small_table(600).write_csv()
        for folder in ("1.data/portfolios", "4.dvc_pipeline"):
            (root / folder).mkdir(parents=True)

    def run(self) -> Stage:
        (self.root / "1.data" / "portfolios" / "small.yaml").write_text(yaml.safe_dump(self.contract, sort_keys=False))
        (self.root / "small.csv").write_text(self.text)
        url = self.contract["source"]["url"]
        stage = Stage(Project(self.root), Params(portfolio="small", table=f"../{url}"))
        for work in (get_data, prep_clean_data, fe, split_data):
            work(stage)
        return stage

    def files(self) -> dict[str, bytes]:
        made = (*self.root.glob("1.data/tables/small/*/*"), *self.root.glob("1.data/tables/small/*.*"))
        return {str(path): path.read_bytes() for path in made if path.is_file()}


@pytest.fixture
def small(tmp_path: Path) -> Small:
    return Small(tmp_path)


def lines(change: Callable[[list[str]], list[str]]) -> Callable[[Small], None]:
    def work(small: Small) -> None:
        small.text = "\n".join(change(small.text.splitlines())) + "\n"

    return work


def contract(change: Callable[[Contract], object]) -> Callable[[Small], None]:
    def work(small: Small) -> None:
        change(small.contract)

    return work


def table(change: Callable[[pl.DataFrame], pl.DataFrame]) -> Callable[[Small], None]:
    def work(small: Small) -> None:
        small.text = change(small_table(600)).write_csv()

    return work


def deep(depth: int) -> str:
    return "(" * depth + "income" + ")" * depth


FAULTS: dict[str, tuple[Callable[[Small], None], tuple[str, ...]]] = {
    "missing column": (table(lambda t: t.rename({"income": "incom"})), ("small.csv: ", "income", "incom")),
    "new column": (
        table(lambda t: t.with_columns(pl.lit(1).alias("children"))),
        ("small.csv: ", "children", "role: ignore"),
    ),
    "wrong type": (
        table(lambda t: t.with_columns(pl.col("income").cast(pl.String).replace_strict({}, default="much"))),
        ("small.csv: ", "income", "'much'", "row 1", "number"),
    ),
    "unknown category": (
        lambda small: (
            small.contract["columns"]["purpose"].update(unknown="reject"),
            table(lambda t: t.with_columns(pl.lit("yacht").alias("purpose")))(small),
        )[1],
        ("small.csv: ", "purpose", "'yacht'", "car"),
    ),
    "all-missing column": (
        table(lambda t: t.with_columns(pl.lit(None, dtype=pl.Float64).alias("income"))),
        ("small.csv: ", "'income'", "no usable value"),
    ),
    "one-class target": (
        table(lambda t: t.with_columns(pl.lit("paid").alias("outcome"))),
        ("small.csv: ", "good", "bad"),
    ),
    "empty file": (lambda small: setattr(small, "text", ""), ("small.csv", "empty")),
    "header alone": (lines(lambda rows: rows[:1]), ("small.csv", "no row")),
    "many broken rows": (
        lines(lambda rows: rows[:1] + [row + ",extra" if n % 5 == 0 else row for n, row in enumerate(rows[1:])]),
        ("small.csv: ", "broken", "max_share"),
    ),
    "wrong checksum": (
        contract(lambda c: c["source"].update(sha256="0" * 64)),
        ("0" * 64, "small.csv"),
    ),
    "unreadable source": (contract(lambda c: c["source"].update(url="absent.csv")), ("absent.csv",)),
    "unknown name in an expression": (
        contract(lambda c: c["characteristics"]["is_travel"].update(sql="incme > 1")),
        ("characteristics.is_travel", "incme", "Did you mean 'income'"),
    ),
    "unknown function": (
        contract(lambda c: c["characteristics"]["is_travel"].update(sql="SYSTEM(income)")),
        ("characteristics.is_travel", "SYSTEM"),
    ),
    "expression far too deep": (
        contract(lambda c: c["characteristics"]["is_travel"].update(sql=deep(1_500))),
        ("characteristics.is_travel",),
    ),
    "unknown key in the contract": (
        contract(lambda c: c["columns"]["income"].update(mni=0)),
        ("columns.income", "'mni'", "Did you mean 'min'"),
    ),
    "too few rows": (lines(lambda rows: rows[:30]), ("part has",)),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_said_and_changes_nothing(small: Small, fault: str) -> None:
    small.run()
    before = small.files()
    change, said = FAULTS[fault]
    change(small)
    with pytest.raises(CreditRiskError) as caught:
        small.run()
    message = str(caught.value)
    for part in said:
        assert part in message
    assert "Traceback" not in message
    after = small.files()
    gone = {name for name in before if name not in after}
    drafts = {name for name in after if Path(name).name.startswith(".") or "draft" in name}
    assert not gone
    assert not drafts


def test_single_bad_rows_are_quarantined_counted_and_shown(small: Small) -> None:
    rows = small.text.splitlines()
    fields = rows[11].split(",")
    rows[11] = ",".join([fields[0], "-5", *fields[2:]])
    rows[21] += ",one field too many"
    small.text = "\n".join(rows) + "\n"
    stage = small.run()
    quarantine = pl.read_parquet(stage.tables / "clean" / "quarantine.parquet")
    shown = {(line["column"], line["value"]) for line in quarantine.iter_rows(named=True)}
    assert ("income", "-5") in shown
    assert quarantine["row"].to_list().count(11) == 1
    assert any("one field too many" in (value or "") for _, value in shown)


def test_every_row_that_was_read_is_accounted_for(small: Small) -> None:
    rows = small.text.splitlines()
    rows[21] += ",one field too many"
    rows[31] = rows[31].replace(rows[31].split(",")[1], "-5", 1)
    for number in range(41, 61):
        rows[number] = rows[number].rpartition(",")[0] + ","
    rows[71] = rows[71].rpartition(",")[0] + ",current"
    rows.append(rows[81])
    small.text = "\n".join(rows) + "\n"
    stage = small.run()
    found = rows_of(read_json(stage.artifacts / "cleaning.json"), read_json(stage.artifacts / "split.json"))
    parts = {name: found.pop(name) for name in ("train", "calibration", "test")}
    assert found == {
        "read": 601,
        "quarantined": 2,
        "duplicates": 1,
        "outside_population": 0,
        "without_outcome": 20,
        "other_outcome": 1,
        "immature": 0,
        "embargo": 0,
        "known": 0,
    }
    assert sum(parts.values()) == 601 - 2 - 1 - 20 - 1
    said = rows_line(found | parts)
    assert said.startswith("601 read, 2 quarantined, 1 duplicates, 20 without an outcome, 1 with another outcome, ")
    assert "mature" not in said


def test_a_full_disk_leaves_the_former_table(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = small.run()
    before = small.files()

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pl.LazyFrame, "sink_parquet", full)
    with pytest.raises((CreditRiskError, OSError), match="No space left"):
        fe(stage)
    assert small.files() == before


def test_a_disk_that_fills_while_the_parts_are_written_leaves_the_former_ones(small: Small) -> None:
    stage = small.run()
    report = stage.artifacts / "split.json"
    before, reported = small.files(), report.read_bytes()
    again = Stage(stage.project, stage.params.model_copy(update={"split": Split(test=0.1)}))
    size = len(before[str(stage.tables / "split" / "train.parquet")])
    for space in range(100, size, size // 40):
        with little_space(space), pytest.raises(OSError, match=r"train\.parquet"):
            split_data(again)
    assert small.files() == before
    assert report.read_bytes() == reported


def test_rows_under_another_rows_id_are_said(small: Small) -> None:
    stage = small.run()
    assert "ids" not in prep_clean_data(stage)
    table(lambda raw: raw.with_columns(loan=pl.when(pl.int_range(pl.len()) < 5).then(pl.lit("L9")).otherwise("loan")))(
        small
    )
    stage = small.run()
    assert prep_clean_data(stage).endswith("; ids that several rows have: 1 (is id the right column?)")
