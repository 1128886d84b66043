"""Commands that make another portfolio the current one do so when they can do their work, and not before."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from bank import MLFLOWS_OWN
from support import ROOT, SMALL_CONTRACT, small_table

from creditrisk.cli import main
from creditrisk.contract import Contract
from creditrisk.data.characteristics import add_characteristics
from creditrisk.data.clean import clean_training
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
