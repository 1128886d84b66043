"""The real path of wrong input: main.py and DVC, after which everything is as it was before."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from support import ROOT, Checkout, small_table

from creditrisk.commands.fallback import alone
from creditrisk.paths import Project

FAULTS: dict[str, tuple[Callable[[Checkout], object], str]] = {
    "empty table": (lambda checkout: (checkout.root / "small.csv").write_text(""), "empty"),
    "renamed column, found by the second stage": (
        lambda checkout: small_table().rename({"income": "incom"}).write_csv(checkout.root / "small.csv"),
        "'income'",
    ),
    "too few rows, found by the fourth": (
        lambda checkout: small_table(30).write_csv(checkout.root / "small.csv"),
        "part has",
    ),
}


def files(checkout: Checkout) -> dict[str, bytes]:
    folders = (checkout.root / "1.data" / "tables", checkout.artifacts)
    found = {str(path): path.read_bytes() for folder in folders for path in folder.rglob("*") if path.is_file()}
    return found | {"dvc.lock": (checkout.pipeline / "dvc.lock").read_bytes()}


def answers(checkout: Checkout) -> dict[str, Any]:
    """What status, the readiness tests and scoring say, without what a clock says."""
    told: dict[str, Any] = {}
    for command in (("status",), ("test-model",), ("score", "loans.csv", "--out", "out.csv")):
        done = checkout.main("--json", *command)
        assert done.returncode == 0, done.stdout + done.stderr
        told[command[0]] = json.loads(done.stdout)
    del told["test-model"]["loading"]["seconds"], told["status"]["stale"]
    told["test-model"]["performance"].pop("gates", None)
    told["score"].pop("seconds", None)
    return told | {"answers": (checkout.root / "out.csv").read_text()}


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_a_run_that_is_refused_leaves_everything_as_it_was(checkout: Checkout, fault: str) -> None:
    small_table(50, seed=8).write_csv(checkout.root / "loans.csv")
    good = (checkout.root / "small.csv").read_bytes()
    before, told = files(checkout), answers(checkout)
    change, said = FAULTS[fault]
    change(checkout)
    done = checkout.main("run")
    assert done.returncode == 1
    assert said in done.stderr
    assert files(checkout) == before
    assert answers(checkout) == told
    (checkout.root / "small.csv").write_bytes(good)
    again = checkout.repro()
    assert "up to date" in again.stdout, again.stdout + again.stderr


@pytest.mark.slow
def test_a_run_that_is_stopped_leaves_everything_as_it_was_and_nothing_at_work(checkout: Checkout) -> None:
    before = files(checkout)
    checkout.params(lambda params: params["model"].update(family="ebm"))
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    run = subprocess.Popen(
        [sys.executable, "main.py", "run"], cwd=checkout.root, env=environment, stdout=subprocess.PIPE, text=True
    )
    with run:
        assert run.stdout is not None
        while "split_data" not in run.stdout.readline():  # the training is next, and takes seconds
            assert run.poll() is None
        run.send_signal(signal.SIGTERM)
        run.stdout.read()
    assert run.returncode == 130
    assert files(checkout) == before
    again = checkout.main("run")
    assert again.returncode == 0, again.stdout + again.stderr


@pytest.mark.slow
@pytest.mark.parametrize("left", ["", '{"write": {"a'])
def test_what_an_interruption_left_of_dvcs_own_notes_stops_no_run(checkout: Checkout, left: str) -> None:
    (checkout.root / ".dvc" / "tmp" / "rwlock").write_text(left)
    checkout.params(lambda params: params["evaluation"].update(bootstrap=200))
    done = checkout.main("run")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_while_a_run_is_at_work_nobody_changes_what_its_later_stages_read(checkout: Checkout) -> None:
    params = (checkout.pipeline / "params.yaml").read_bytes()
    (checkout.root / "1.data" / "portfolios" / "other.yaml").write_text(
        checkout.contract_path.read_text().replace("name: small", "name: other")
    )
    with alone(Project(checkout.root)):
        for words in (["use", "other"], ["run", "--portfolio", "other"], ["experiment", "--portfolio", "other"]):
            done = checkout.main(*words)
            assert done.returncode == 1
            assert "another main.py is running the pipeline here" in done.stderr, words
            assert (checkout.pipeline / "params.yaml").read_bytes() == params
        assert "not looked at: another main.py is running" in checkout.main("status").stdout
    assert checkout.main("use", "other").returncode == 0


@pytest.mark.slow
def test_what_a_bare_dvc_repro_loses_dvc_checkout_brings_back(checkout: Checkout) -> None:
    """The readme says so: DVC removes a stage's files before it runs it, and main.py is not there to put them back.

    Without the name of a file, DVC would take away all that it made for other portfolios.
    """
    (checkout.root / "1.data" / "portfolios" / "other.yaml").write_text(
        checkout.contract_path.read_text().replace("name: small", "name: other")
    )
    for portfolio in ("other", "small"):
        assert checkout.main("run", "--portfolio", portfolio).returncode == 0
    before = files(checkout)
    assert any("/tables/other/" in name for name in before)
    checkout.contract(lambda contract: contract["columns"]["income"].update(max=1, out_of_range="quarantine"))
    assert checkout.repro().returncode != 0
    assert not (checkout.artifacts / "cleaning.json").exists()  # where DVC leaves it one day, the readme can be shorter
    command = ["dvc", "checkout", "--force", "dvc.yaml"]
    assert f"`uv run {' '.join(command)}`" in (ROOT / "readme.md").read_text(encoding="utf-8")
    done = checkout.run(sys.executable, "-m", *command, folder="4.dvc_pipeline")
    assert done.returncode == 0, done.stdout + done.stderr
    assert {name for name, content in files(checkout).items() if before.get(name) != content} <= {"dvc.lock"}
    assert files(checkout).keys() == before.keys()
