from __future__ import annotations

import datetime as dt
import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from lender import Lender
from support import dated_table, small_table

from creditrisk.errors import BundleError, DataError
from creditrisk.model.scorer import Scorer
from creditrisk.paths import Project
from creditrisk.tracking.flavour import ScoringModel, _load_pyfunc, to_polars
from creditrisk.tracking.register import signature
from creditrisk.tracking.store import pyfunc, tracking_uri


@pytest.fixture
def model(lender: Lender) -> ScoringModel:
    return _load_pyfunc(str(lender.bundle("good")), {"bundle_digest": lender.manifest("good").digest})


def expected(lender: Lender, raw: pl.DataFrame, name: str = "good") -> list[float]:
    return Scorer.load(lender.bundle(name)).score_frame(raw)["pd"].to_list()


def test_numbers_texts_and_gaps_of_any_pandas_type_become_nulls_and_values() -> None:
    table = pd.DataFrame(
        {
            "whole": np.array([1, 2, 3], dtype=np.int64),
            "small": np.array([1, 2, 3], dtype=np.uint8),
            "gap": [1.5, np.nan, 3.0],
            "flag": [True, False, True],
            "flag_gap": np.array([True, None, False], dtype=object),
            "text": ["a", None, "c"],
            "mixed": np.array([1, "b", 2.0], dtype=object),
            "numbers": np.array([1, None, 2.5], dtype=object),
            "nullable": pd.array([1, None, 3], dtype="Int64"),
            "category": pd.Categorical(["x", None, "y"]),
            "day": pd.to_datetime(["2024-01-31", "NaT", "2024-03-01"]),
            "moment": pd.to_datetime(["2024-01-31 12:30", "NaT", "2024-03-01 00:00"]),
            "date": [dt.date(2024, 1, 31), None, dt.date(2024, 3, 1)],
            "empty": np.array([None, None, None], dtype=object),
        },
        index=[7, 8, 9],
    )
    found = to_polars(table)
    assert found.to_dict(as_series=False) == {
        "whole": [1, 2, 3],
        "small": [1, 2, 3],
        "gap": [1.5, None, 3.0],
        "flag": [True, False, True],
        "flag_gap": [True, None, False],
        "text": ["a", None, "c"],
        "mixed": ["1", "b", "2"],
        "numbers": [1.0, None, 2.5],
        "nullable": [1.0, None, 3.0],
        "category": ["x", None, "y"],
        "day": [dt.date(2024, 1, 31), None, dt.date(2024, 3, 1)],
        "moment": ["2024-01-31T12:30:00", None, "2024-03-01"],
        "date": [dt.date(2024, 1, 31), None, dt.date(2024, 3, 1)],
        "empty": [None, None, None],
    }


def test_a_column_that_stands_twice_is_said_so() -> None:
    with pytest.raises(DataError, match="column 'a' stands twice"):
        to_polars(pd.DataFrame([[1, 2]], columns=["a", "a"]))


def test_what_read_csv_gives_scores_as_the_scorer_does(model: ScoringModel, lender: Lender) -> None:
    raw = small_table(40, seed=5)
    table = pd.read_csv(io.StringIO(raw.write_csv()))
    table.index = pd.RangeIndex(100, 140)
    answers = model.predict(table)
    assert answers.index.equals(table.index)
    assert answers["pd"].tolist() == expected(lender, raw)
    assert set(answers["decision"]) <= {"approve", "refer", "decline"}
    assert (answers["verdict"] == "scored").all()
    assert answers["reason_1"].notna().any()


@pytest.mark.parametrize("kind", ["int", "float", "object", "text", "nullable"])
def test_the_type_of_a_column_changes_no_answer(model: ScoringModel, kind: str) -> None:
    table = pd.read_csv(io.StringIO(small_table(30, seed=6).write_csv()))
    before = model.predict(table)["pd"].tolist()
    types: dict[str, Any] = {"int": "int64", "float": "float64", "object": object, "text": str, "nullable": "Int64"}
    table["months"] = table["months"].astype(types[kind])
    assert model.predict(table)["pd"].tolist() == before


def test_columns_that_no_rule_reads_never_matter(model: ScoringModel, lender: Lender) -> None:
    raw = small_table(4, seed=5)
    table = pd.read_csv(io.StringIO(raw.write_csv()))
    table["age"] = pd.Series([[1, 2], [], None, [3]])
    table["tags"] = pd.Series([np.array([1, 2]), np.array([]), np.array([3]), np.array([4, 5])])
    table = pd.concat([table, table[["tags"]]], axis=1)
    assert model.predict(table)["pd"].tolist() == expected(lender, raw)


@pytest.mark.parametrize("value", [[1, 2], np.array([1, 2]), {"a": 1}])
def test_a_column_of_lists_is_refused_by_name(model: ScoringModel, value: Any) -> None:
    table = pd.read_csv(io.StringIO(small_table(3, seed=5).write_csv()))
    table["months"] = [value] * 3
    with pytest.raises(DataError, match=r"column 'months' holds (list|ndarray|dict) values; expected numbers"):
        model.predict(table)


def test_without_days_both_ways_count_from_today(dated_bundle: Path) -> None:
    from mlflow.models.utils import _enforce_schema

    scorer = Scorer.load(dated_bundle)
    schema = signature(scorer.contract).inputs
    raw = dated_table(20)
    today = scorer.score_frame(raw.drop("applied"), dt.date.today())["pd"].to_list()
    for given in (raw.drop("applied"), raw.with_columns(pl.lit(None).alias("applied"))):
        table = _enforce_schema(pd.read_csv(io.StringIO(given.write_csv())), schema)
        assert ScoringModel(scorer).predict(table)["pd"].tolist() == today
    assert [item.name for item in schema.inputs if item.required] == [
        *("income", "amount", "months", "purpose", "since"),
    ]


def test_a_row_that_cannot_be_scored_gets_a_verdict_and_no_number(model: ScoringModel) -> None:
    table = pd.read_csv(io.StringIO(small_table(3, seed=6).write_csv())).astype({"months": object})
    table.loc[1, "months"] = "a lot"
    answers = model.predict(table)
    assert answers["pd"].isna().tolist() == [False, True, False]
    assert "months" in answers["verdict"].tolist()[1]
    assert answers["decision"].isna().tolist() == [False, True, False]


def test_another_bundle_than_the_registered_one_is_refused(lender: Lender) -> None:
    with pytest.raises(BundleError, match="changed since it was registered"):
        _load_pyfunc(str(lender.bundle("good")), {"bundle_digest": lender.manifest("fair").digest})


def test_anybody_with_mlflow_can_predict_with_the_champion(
    bank: Project, lender: Lender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_uri(bank))
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    raw = small_table(40, seed=5)
    loaded = pyfunc().load_model("models:/CreditRiskModel-small@champion")
    answers = loaded.predict(pd.read_csv(io.StringIO(raw.write_csv())))
    assert answers["pd"].tolist() == expected(lender, raw, "fair")
    listed = pd.read_csv(io.StringIO(raw.write_csv()))
    listed["age"] = pd.Series([[1, 2]] * 40)
    assert loaded.predict(listed)["pd"].tolist() == expected(lender, raw, "fair")
    without = pd.read_csv(io.StringIO(raw.drop("outcome", "age", "loan").write_csv()))
    assert loaded.predict(without)["pd"].tolist() == expected(lender, raw, "fair")


def test_a_missing_column_is_named(bank: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow.exceptions import MlflowException

    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_uri(bank))
    loaded = pyfunc().load_model("models:/CreditRiskModel-small@champion")
    table = pd.read_csv(io.StringIO(small_table(4).drop("income").write_csv()))
    with pytest.raises(MlflowException, match=r"missing inputs \['income'\]"):
        loaded.predict(table)


@pytest.mark.slow
def test_mlflow_models_predict_reads_a_csv_file(bank: Project, lender: Lender, tmp_path: Path) -> None:
    raw = small_table(10, seed=5)
    raw.write_csv(tmp_path / "in.csv")
    command = [sys.executable, "-m", "mlflow", "models", "predict", "-m", "models:/CreditRiskModel-small@champion"]
    done = subprocess.run(
        [*command, "-i", "in.csv", "-o", "out.json", "-t", "csv", "--env-manager", "local"],
        cwd=tmp_path,
        env=os.environ | {"MLFLOW_TRACKING_URI": tracking_uri(bank)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found = pd.read_json(tmp_path / "out.json", orient="index", typ="series")["predictions"]
    assert [row["pd"] for row in found] == pytest.approx(expected(lender, raw, "fair"))
