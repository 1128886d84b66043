"""A portfolio made ready to be looked at."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from support import SMALL_CONTRACT, Checkout, copy_project

from creditrisk.contract import ROW, TARGET, Contract
from creditrisk.data.cleaning.clean import clean_training
from creditrisk.errors import ContractError, DataError, SourceError
from creditrisk.exploration.workspace import SIMULATED, Workspace, default_portfolio, open_workspace


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    return copy_project(tmp_path_factory.mktemp("project"))


@pytest.fixture
def work(checkout: Checkout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setenv("CREDITRISK_ROOT", str(checkout.root))
    return open_workspace("small", tmp_path)


def test_it_leaves_the_pipelines_tables_alone(work: Workspace, checkout: Checkout, tmp_path: Path) -> None:
    assert not (checkout.root / "1.data" / "tables").exists()
    assert {path.name for path in tmp_path.iterdir()} >= {"raw.parquet", "clean.parquet", "quarantine.parquet"}


def test_its_tables_are_those_of_the_pipeline(work: Workspace) -> None:
    assert work.report.rows_kept == work.table.height == work.clean.collect().height
    assert set(work.contract.characteristics) <= set(work.table.columns)
    assert sum(part.height for part in work.parts.values()) == work.table.height
    assert work.data.y.tolist() == work.train[TARGET].to_list()
    assert work.cleaned.report().rows_kept == work.report.rows_kept


def test_outcomes_belong_to_their_raw_rows(work: Workspace) -> None:
    found = work.outcomes
    assert found[ROW].to_list() == work.table[ROW].to_list()
    assert found["loan"].to_list() == work.table["loan"].to_list()
    assert ((found["outcome"] == "default") == (found[TARGET] == 1.0)).all()


def test_a_changed_contract_gives_the_same_rows_with_one_input_more(work: Workspace) -> None:
    whole = work.contract.model_dump()
    characteristics = whole["characteristics"] | {"months_left": {"sql": "120 - months"}}
    richer = work.under(Contract.model_validate(whole | {"characteristics": characteristics}))
    assert richer.y.tolist() == work.data.y.tolist()
    assert richer.table.drop("months_left").equals(work.data.table)
    assert (richer.table["months_left"] == 120 - work.train["months"]).all()


def test_broken_lines_do_not_shift_the_rows(
    checkout: Checkout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = (checkout.root / "small.csv").read_text().splitlines()
    lines.insert(3, "a line, of, too, many, fields, for, this, table, surely")
    (checkout.root / "torn.csv").write_text("\n".join(lines) + "\n")
    torn = SMALL_CONTRACT | {"name": "torn", "source": SMALL_CONTRACT["source"] | {"url": "torn.csv"}}
    (checkout.root / "1.data" / "portfolios" / "torn.yaml").write_text(yaml.safe_dump(torn, sort_keys=False))
    monkeypatch.setenv("CREDITRISK_ROOT", str(checkout.root))
    work = open_workspace("torn", tmp_path)
    assert work.broken.height == 1
    assert work.outcomes[ROW].to_list() == work.table[ROW].to_list()
    assert work.outcomes["loan"].to_list() == work.table["loan"].to_list()
    whole = clean_training(work.raw, work.contract).report()
    assert (whole.rows_kept, work.report.rows_quarantined) == (work.report.rows_kept, 1)


def test_an_unknown_portfolio_is_said(checkout: Checkout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDITRISK_ROOT", str(checkout.root))
    with pytest.raises(ContractError, match=r"smal\.yaml: no such file"):
        open_workspace("smal", tmp_path)


def test_a_portfolio_without_days_of_application_is_refused_where_they_are_needed(
    checkout: Checkout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    undated = SMALL_CONTRACT | {"name": "undated", "time": None}
    (checkout.root / "1.data" / "portfolios" / "undated.yaml").write_text(yaml.safe_dump(undated, sort_keys=False))
    monkeypatch.setenv("CREDITRISK_ROOT", str(checkout.root))
    assert open_workspace("undated", tmp_path).contract.time is None
    with pytest.raises(DataError, match=r"undated\.yaml: time names no column.*take a portfolio that has one"):
        open_workspace("undated", tmp_path, dated=True)


def test_simulated_where_no_mirror_holds_the_real_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATA_MIRROR", raising=False)
    assert default_portfolio() == SIMULATED
    (tmp_path / "other.csv").write_text("a\n1\n")
    monkeypatch.setenv("DATA_MIRROR", str(tmp_path))
    assert default_portfolio() == SIMULATED


def test_a_mirror_that_is_not_there_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATA_MIRROR", str(tmp_path / "gone"))
    with pytest.raises(SourceError, match="no such folder"):
        default_portfolio()
