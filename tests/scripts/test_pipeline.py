"""The pipeline as a user runs it: what reruns after which change, and whether dvc.yaml tells the truth."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from support import Checkout, small_table

ALL = ("get_data", "prep_clean_data", "FE", "split_data", "train_model", "evaluate_model", "register_model")


def ran(output: str) -> list[str]:
    return re.findall(r"Running stage '(\w+)'", output)


def test_a_second_run_changes_nothing(checkout: Checkout) -> None:
    done = checkout.repro()
    assert done.returncode == 0, done.stdout + done.stderr
    assert ran(done.stdout) == []
    assert "up to date" in done.stdout


@pytest.mark.slow
def test_what_is_made_again_is_the_same_to_the_last_byte(checkout: Checkout) -> None:
    def files() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in sorted(checkout.artifacts.rglob("*")) if path.is_file()}

    checkout.params(lambda p: p["model"].update(family="auto"))
    assert checkout.repro().returncode == 0
    before, lock = files(), (checkout.pipeline / "dvc.lock").read_bytes()
    done = checkout.run(sys.executable, "-m", "dvc", "repro", "--force", folder="4.dvc_pipeline")
    assert tuple(ran(done.stdout)) == ALL, done.stdout + done.stderr
    after = files()
    assert sorted(after) == sorted(before)
    assert [path.name for path, content in after.items() if content != before[path]] == []
    assert (checkout.pipeline / "dvc.lock").read_bytes() == lock


def new_rows(checkout: Checkout) -> None:
    more = pl.concat([small_table(), small_table(300, seed=4, start=5_000)])
    more.write_csv(checkout.root / "small.csv")


def new_column(checkout: Checkout) -> None:
    table = small_table()
    table.with_columns(pl.Series("children", [row % 4 for row in range(table.height)])).write_csv(
        checkout.root / "small.csv"
    )
    checkout.contract(lambda c: c["columns"].update(children={"type": "integer", "min": 0, "max": 20}))


def characteristic(checkout: Checkout) -> None:
    checkout.contract(lambda c: c["characteristics"].update(log_amount={"sql": "LN(amount)"}))


def reason(checkout: Checkout) -> None:
    checkout.contract(lambda c: c["characteristics"]["is_travel"].update(reason="Travel was the purpose"))


def title(checkout: Checkout) -> None:
    checkout.contract(lambda c: c["columns"]["income"].update(title="What comes in each month"))


def params(section: str, **values: Any) -> Callable[[Checkout], None]:
    return lambda checkout: checkout.params(lambda p: p[section].update(values))


ROWS: dict[str, tuple[Callable[[Checkout], None], tuple[str, ...]]] = {
    "new rows": (new_rows, ALL),
    "new column": (new_column, ALL),
    "new characteristic": (characteristic, ("FE", "split_data", "train_model", "evaluate_model", "register_model")),
    "another title": (title, ("prep_clean_data", "FE", "train_model", "evaluate_model", "register_model")),
    "another reason text": (reason, ("FE", "train_model", "evaluate_model", "register_model")),
    "split": (params("split", test=0.3), ("split_data", "train_model", "evaluate_model", "register_model")),
    "model": (params("model", monotone=False), ("train_model", "evaluate_model", "register_model")),
    "calibration": (params("calibration", method="platt"), ("train_model", "evaluate_model", "register_model")),
    "policy": (params("policy", pdo=40), ("train_model", "evaluate_model", "register_model")),
    "evaluation": (params("evaluation", bootstrap=60), ("evaluate_model", "register_model")),
    "gates": (params("gates", min_auc=0.55), ()),
}


@pytest.mark.slow
@pytest.mark.parametrize("row", ROWS)
def test_a_change_reruns_what_depends_on_it_and_nothing_else(checkout: Checkout, row: str) -> None:
    change, expected = ROWS[row]
    change(checkout)
    done = checkout.repro()
    assert done.returncode == 0, done.stdout + done.stderr
    assert tuple(ran(done.stdout)) == expected


@pytest.mark.slow
def test_new_rows_move_no_old_row(checkout: Checkout) -> None:
    def sides() -> dict[str, str]:
        folder = checkout.root / "1.data" / "tables" / "small" / "split"
        return {
            key: p for p in ("train", "calibration", "test") for key in pl.read_parquet(folder / f"{p}.parquet")["_id"]
        }

    before = sides()
    new_rows(checkout)
    done = checkout.repro()
    assert done.returncode == 0, done.stdout + done.stderr
    after = sides()
    assert len(after) > len(before) + 250
    assert {key: after[key] for key in before} == before


@pytest.mark.slow
def test_dvc_commands_of_the_readme_work(checkout: Checkout) -> None:
    dvc = ("python", "-m", "dvc")
    assert "auc" in checkout.run(*dvc, "metrics", "show", folder="4.dvc_pipeline").stdout
    shown = checkout.run(*dvc, "plots", "show", "-o", "plots_page", folder="4.dvc_pipeline")
    assert shown.returncode == 0, shown.stderr
    assert (checkout.pipeline / "plots_page" / "index.html").stat().st_size > 10_000
    remote = checkout.root / "remote"
    assert checkout.run(*dvc, "remote", "add", "-d", "--local", "store", str(remote)).returncode == 0
    pushed = checkout.run(*dvc, "push", folder="4.dvc_pipeline")
    assert pushed.returncode == 0, pushed.stderr
    assert any(remote.rglob("*"))
    tried = checkout.run(*dvc, "exp", "run", "-S", "model.family=lightgbm", folder="4.dvc_pipeline")
    assert tried.returncode == 0, tried.stdout + tried.stderr
    assert '"family": "lightgbm"' in (checkout.artifacts / "training.json").read_text()
