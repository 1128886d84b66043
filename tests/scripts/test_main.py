"""The lifecycle as a user goes through it, on the small lender's project."""

from __future__ import annotations

import gzip
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from support import SMALL_CONTRACT, Checkout, copy_project, small_table


def result(checkout: Checkout, *arguments: str, **environment: str) -> dict[str, Any]:
    done = checkout.main("--json", *arguments, **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def refused(checkout: Checkout, *arguments: str, **environment: str) -> str:
    done = checkout.main(*arguments, **environment)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("error: ")
    return done.stderr


def verified(rows: int) -> dict[str, Any]:
    return {"rows": rows, "models": {"CreditRiskModel-small": rows}, "whole": True}


def test_a_run_ends_with_a_champion_and_its_figures(finished: Checkout) -> None:
    status = result(finished, "status")
    assert status["registry"]["champion"]["version"] == "1"
    assert status["registry"]["divergence"] is None
    assert status["stale"] == []
    assert status["data"]["rows_read"] == 1_500
    ledger = result(finished, "history")["rows"]
    assert [(row["action"], row["version"]) for row in ledger] == [("promote", "1")]
    metrics = json.loads((finished.artifacts / "metrics.json").read_text())
    for name in ("auc", "ks", "gini", "brier"):
        assert metrics[name]["low"] <= metrics[name]["value"] <= metrics[name]["high"]
    report = (finished.artifacts / "report.html").read_text()
    assert "A small lender" in report
    assert "http://" not in report.replace("http://www.w3.org", "")


def test_a_second_run_keeps_the_champion(checkout: Checkout) -> None:
    again = result(checkout, "run")
    assert again["promotion"]["champion"] == "1"
    assert "already" in again["promotion"]["summary"]
    assert result(checkout, "history")["rows"][1:] == []


def test_scoring_tables_of_every_kind(checkout: Checkout) -> None:
    table = small_table(300, seed=8)
    unlabelled = table.drop("outcome").with_columns(
        pl.when(pl.col("loan") == "L000007").then(-1).otherwise("amount").alias("amount")
    )
    paths = {name: checkout.root / name for name in ("a.csv", "b.parquet", "c.csv.gz")}
    table.write_csv(paths["a.csv"])
    unlabelled.write_parquet(paths["b.parquet"])
    paths["c.csv.gz"].write_bytes(gzip.compress(unlabelled.write_csv().encode()))
    told = {name: result(checkout, "score", name, "--out", f"{name}.out.parquet") for name in paths}
    answers = {name: pl.read_parquet(checkout.root / f"{name}.out.parquet") for name in paths}
    assert told["a.csv"]["scored"] == 300
    assert told["b.parquet"]["scored"] == told["c.csv.gz"]["scored"] == 299
    assert answers["b.parquet"].drop("verdict").equals(answers["c.csv.gz"].drop("verdict"))  # -1.0 and -1
    assert answers["a.csv"]["pd"].is_between(0, 1).all()
    odd = answers["b.parquet"].filter(pl.col("loan") == "L000007").to_dicts()[0]
    assert odd["pd"] is None
    assert odd["row"] == 8
    assert "amount" in odd["verdict"]
    assert "-1" in odd["verdict"]
    same = answers["a.csv"].join(answers["b.parquet"], on="loan").filter(pl.col("loan") != "L000007")
    assert same["pd"].equals(same["pd_right"])
    assert set(answers["a.csv"]["decision"]) == {"approve", "refer", "decline"}
    assert answers["a.csv"]["reason_1"].drop_nulls().len() > 200


def test_scoring_to_csv_writes_one_header(checkout: Checkout) -> None:
    small_table(50).write_csv(checkout.root / "a.csv")
    result(checkout, "score", "a.csv", "--out", "out.csv")
    assert pl.read_csv(checkout.root / "out.csv").height == 50


WRONG_WORDS = {
    ("score", "absent.csv", "--out", "x.csv"): "absent.csv",
    ("score", "small.csv", "--out", "x.txt"): "must end in .csv or .parquet",
    ("score", "short.csv", "--out", "x.csv"): "income",
    ("score", "small.csv", "--out", "x.csv", "--portfolio", "smal"): "Did you mean 'small'",
    ("promote", "--version", "77"): "77",
    ("rollback",): "no former champion",
}


def test_wrong_words_change_nothing(checkout: Checkout) -> None:
    small_table(5).drop("income").write_csv(checkout.root / "short.csv")
    for arguments, said in WRONG_WORDS.items():
        assert said in refused(checkout, *arguments), arguments
        assert not (checkout.root / "x.csv").exists(), arguments
    assert result(checkout, "status")["registry"]["champion"]["version"] == "1"


def test_a_failing_stage_says_why_and_the_champion_stays(checkout: Checkout) -> None:
    small_table().rename({"income": "incom"}).write_csv(checkout.root / "small.csv")
    said = refused(checkout, "run")
    assert "'income'" in said
    assert "incom" in said
    assert result(checkout, "status")["registry"]["champion"]["version"] == "1"


def test_an_unreachable_tracking_server_is_noticed_before_the_first_stage(checkout: Checkout) -> None:
    small_table(1_600).write_csv(checkout.root / "small.csv")
    said = refused(checkout, "run", MLFLOW_TRACKING_URI="http://127.0.0.1:9")
    assert "127.0.0.1:9" in said
    assert "get_data" in result(checkout, "status")["stale"]


@pytest.mark.slow
def test_a_better_model_displaces_and_a_rollback_brings_the_former_back(tmp_path: Path) -> None:
    checkout = copy_project(tmp_path)
    small_table(3_000).write_csv(checkout.root / "small.csv")
    checkout.contract(lambda c: c["columns"]["amount"].update(input=False))
    checkout.contract(lambda c: c["columns"]["months"].update(input=False))
    checkout.contract(lambda c: c["characteristics"].pop("instalment_burden"))
    assert result(checkout, "run")["promotion"]["champion"] == "1"

    checkout.contract_path.write_text(yaml.safe_dump(SMALL_CONTRACT, sort_keys=False))
    better = result(checkout, "run")["promotion"]
    assert (better["promoted"], better["champion"], better["former"]) == (True, "2", "1")
    assert result(checkout, "history", "--verify") == verified(2)

    checkout.contract(lambda c: c["characteristics"].clear())
    worse = result(checkout, "run")["promotion"]
    assert not worse["promoted"]
    assert worse["champion"] == "2"
    assert "rollback" not in json.dumps(result(checkout, "history"))
    tested = result(checkout, "test-model")
    assert tested["loading"]["passed"]
    assert not tested["performance"]["passed"]

    assert result(checkout, "rollback")["champion"] == "1"
    assert result(checkout, "status")["registry"]["champion"]["version"] == "1"
    ledger = result(checkout, "history")["rows"]
    assert [(row["action"], row["version"]) for row in ledger] == [
        ("promote", "1"),
        ("promote", "2"),
        ("rollback", "1"),
    ]
    checkout.contract_path.write_text(yaml.safe_dump(SMALL_CONTRACT, sort_keys=False))
    again = result(checkout, "run")["promotion"]  # what was rolled back from is not promoted by itself
    assert (again["promoted"], again["version"], again["champion"]) == (False, "2", "1")
    assert "uv run main.py promote --version 2 --portfolio small" in again["summary"]
    assert result(checkout, "history", "--verify") == verified(3)
    assert result(checkout, "history", "--verify", "--portfolio", "small") == verified(3)


@pytest.mark.slow
def test_a_ledger_that_was_tampered_with_does_not_verify(checkout: Checkout) -> None:
    assert result(checkout, "history", "--verify") == verified(1)
    with closing(sqlite3.connect(checkout.root / "3.experiments" / "ledger.db")) as ledger, ledger:
        ledger.execute("DROP TRIGGER ledger_no_update")
        ledger.execute("UPDATE ledger SET who = 'somebody else'")
    assert "ledger" in refused(checkout, "history", "--verify")


@pytest.mark.slow
def test_where_the_registry_was_deleted_the_ledger_is_not_said_to_be_empty(checkout: Checkout) -> None:
    (checkout.root / "3.experiments" / "mlflow.db").unlink()
    for command in (["history"], ["history", "--verify"], ["status"]):
        done = checkout.main(*command)
        assert "1 promotion of this model in another registry" in done.stdout, command
        assert "nothing was promoted" not in done.stdout
    assert result(checkout, "run")["promotion"]["champion"] == "1"
    assert result(checkout, "history")["elsewhere"] == 1


@pytest.mark.slow
def test_the_champion_predicts_a_raw_table_through_mlflow_alone(checkout: Checkout) -> None:
    small_table(40).write_csv(checkout.root / "3.experiments" / "loans.csv")
    code = (
        "import mlflow, pandas as pd;"
        "print(mlflow.pyfunc.load_model('models:/CreditRiskModel-small@champion').predict(pd.read_csv('loans.csv')).pd.sum())"
    )
    done = checkout.run("python", "-c", code, folder="3.experiments")
    assert done.returncode == 0, done.stderr
    result(checkout, "score", "3.experiments/loans.csv", "--out", "own.parquet")
    own = pl.read_parquet(checkout.root / "own.parquet")["pd"].sum()
    assert float(done.stdout.split()[-1]) == pytest.approx(own, rel=1e-12)
