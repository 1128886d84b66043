"""Commands that make another portfolio the current one do so when they can do their work, and not before."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from bank import MLFLOWS_OWN
from support import ROOT, SMALL_CONTRACT, small_table

from creditrisk.cli import main
from creditrisk.contract import Contract
from creditrisk.data.characteristics import add_characteristics
from creditrisk.data.cleaning.clean import clean_training
from creditrisk.data.split import split
from creditrisk.params import Split
from creditrisk.paths import Project

pytestmark = [pytest.mark.filterwarnings(each) for each in MLFLOWS_OWN]
NOBODY = "http://127.0.0.1:9"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """A checkout whose current portfolio is the simulated one, with the small lender beside it."""
    monkeypatch.setenv("CREDITRISK_ROOT", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    project = Project(tmp_path)
    for folder in (project.portfolios, project.pipeline, project.experiments):
        folder.mkdir(parents=True)
    for path in (project.params, project.contract("simulated"), project.experiments / "search.yaml"):
        shutil.copy(ROOT / path.relative_to(tmp_path), path)
    project.contract("small").write_text(yaml.safe_dump(SMALL_CONTRACT, sort_keys=False))
    small_table(60).write_csv(tmp_path / "small.csv")
    before = project.params.read_bytes()
    assert b"portfolio: simulated" in before
    yield project
    assert project.params.read_bytes() == before


@pytest.mark.parametrize("command", [["run"], ["experiment"], ["store-best"]])
def test_a_contract_that_cannot_be_read_switches_nothing(
    project: Project, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    project.contract("small").write_text("name: [small\n")
    assert main([*command, "--portfolio", "small"]) == 1
    assert "small.yaml" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["run", "experiment"])
def test_a_tracking_server_that_does_not_answer_switches_nothing(
    project: Project, command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", NOBODY)
    assert main([command, "--portfolio", "small"]) == 1
    assert f"tracking store {NOBODY}: no answer" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["run", "experiment"])
def test_a_table_that_is_absent_switches_nothing(
    project: Project, migrated: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(migrated, project.experiments / "mlflow.db")
    (project.root / "small.csv").unlink()
    assert main([command, "--portfolio", "small"]) == 1
    assert f"{project.root / 'small.csv'}: no such file" in capsys.readouterr().err


def test_a_study_storage_that_is_none_switches_nothing(
    project: Project, migrated: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(migrated, project.experiments / "mlflow.db")
    assert main(["experiment", "--portfolio", "small", "--study-storage", "sqlite:////absent/studies.db"]) == 1
    assert "study storage /absent/studies.db: its folder does not exist" in capsys.readouterr().err


def test_no_rows_to_have_searched_on_switch_nothing(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["store-best", "--portfolio", "small"]) == 1
    assert "has not split this portfolio yet" in capsys.readouterr().err


def test_no_study_switches_nothing(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    contract = Contract.load(project.contract("small"))
    clean = add_characteristics(clean_training(small_table(600).lazy(), contract).table, contract).collect()
    folder = project.tables("small") / "split"
    folder.mkdir(parents=True)
    split(clean, contract, Split())[0]["train"].write_parquet(folder / "train.parquet")
    assert main(["store-best", "--portfolio", "small"]) == 1
    assert "study" in capsys.readouterr().err


def rename(contract: dict[str, Any]) -> None:
    contract["name"] = "large"


def send_elsewhere(contract: dict[str, Any]) -> None:
    contract["source"]["url"] = "htps://host/small.csv"


def unpack_elsewhere(contract: dict[str, Any]) -> None:
    contract["source"]["url"] = "zip://small.csv::htp://host/small.zip"


def misname_target(contract: dict[str, Any]) -> None:
    contract["target"]["column"] = "outcom"


def misname_column(contract: dict[str, Any]) -> None:
    contract["columns"]["incom"] = contract["columns"].pop("income") | {"rename": "income"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (rename, "small.yaml: its name is 'large'; make it 'small'"),
        (send_elsewhere, "the protocol 'htps' is not known. Did you mean 'https'?"),
        (unpack_elsewhere, "the protocol 'htp' is not known. Did you mean 'http'?"),
        (misname_target, "small.csv: The table lacks 1 column(s) that the contract 'small' names: 'outcom'."),
        (misname_column, "small.csv: The table lacks 1 column(s) that the contract 'small' names: 'incom'."),
    ],
)
def test_what_a_run_would_stop_at_is_found_by_a_check(
    project: Project, change: Callable[[dict[str, Any]], None], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    contract = copy.deepcopy(SMALL_CONTRACT)
    change(contract)
    project.contract("small").write_text(yaml.safe_dump(contract, sort_keys=False))
    assert main(["contract", "check", "--portfolio", "small"]) == 1
    assert said in capsys.readouterr().err


def test_a_check_says_whether_it_looked_at_the_table(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["contract", "check", "--portfolio", "small"]) == 0
    assert "small.csv: its columns are those of the contract" in capsys.readouterr().out
    (project.root / "small.csv").unlink()
    assert main(["contract", "check", "--portfolio", "small"]) == 0
    assert "not compared with the contract: small.csv is not there" in capsys.readouterr().out
    assert main(["contract", "check"]) == 0
    assert "the simulation: its columns are those of the contract" in capsys.readouterr().out
    distant = SMALL_CONTRACT | {"source": {"url": "https://host/small.csv"}}
    project.contract("small").write_text(yaml.safe_dump(distant, sort_keys=False))
    assert main(["contract", "check", "--portfolio", "small"]) == 0
    assert "https://host/small.csv is fetched by main.py run" in capsys.readouterr().out
