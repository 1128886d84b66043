"""Two portfolios in one checkout: neither costs the other its tables for good, or a second training."""

from __future__ import annotations

import copy
import re
from pathlib import Path

import pytest
import yaml
from support import SMALL_CONTRACT, Checkout, copy_project, small_table

pytestmark = pytest.mark.slow


def test_what_an_experiment_takes_out_of_the_workspace_comes_back_without_training(tmp_path: Path) -> None:
    checkout = copy_project(tmp_path)
    lab = copy.deepcopy(SMALL_CONTRACT) | {"name": "lab"}
    lab["source"]["url"] = "lab.csv"
    (checkout.contract_path.with_name("lab.yaml")).write_text(yaml.safe_dump(lab, sort_keys=False))
    small_table(1_600, seed=9).write_csv(checkout.root / "lab.csv")
    run(checkout, "small")
    commit(checkout)
    before = files(checkout)
    run(checkout, "lab")
    tried = checkout.run("python", "-m", "dvc", "exp", "run", "-S", "evaluation.bootstrap=60", folder="4.dvc_pipeline")
    assert tried.returncode == 0, tried.stdout + tried.stderr
    assert files(checkout) == {}  # if DVC one day leaves them, the readme need not speak of it any more
    checkout.params(lambda p: p["evaluation"].update(bootstrap=50))
    said = run(checkout, "small")
    assert re.findall(r"^\d/7 (\w+) +from the run cache$", said, re.MULTILINE)[4:5] == ["train_model"], said
    assert files(checkout) == before


def run(checkout: Checkout, portfolio: str) -> str:
    done = checkout.main("run", "--portfolio", portfolio)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def commit(checkout: Checkout) -> None:
    who = ("-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false")
    for command in (("add", "-A"), ("commit", "-qm", "ran")):
        assert checkout.run("git", *who, *command).returncode == 0


def files(checkout: Checkout) -> dict[str, bytes]:
    folders = (checkout.root / "1.data" / "tables" / "small", checkout.artifacts)
    return {str(path): path.read_bytes() for folder in folders for path in folder.rglob("*") if path.is_file()}
