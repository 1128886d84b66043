from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from creditrisk.contract import Input
from creditrisk.errors import DataError, ModelError
from creditrisk.model.family import TrainingData, candidates, fit_family, load_model
from creditrisk.params import FAMILIES, CatboostParams, EbmParams, ModelParams

X = Input(name="x", kind="number", title="X")


def data(y: list[float], weight: list[float] | None = None) -> TrainingData:
    table = pl.DataFrame({"x": pl.Series(range(len(y)), dtype=pl.Float64)})
    return TrainingData(table, np.array(y), np.array(weight or [1.0] * len(y)), (X,))


def test_take_keeps_rows_in_the_order_asked_for() -> None:
    taken = data([1.0, 0.0, 1.0], [1.0, 2.0, 3.0]).take(np.array([2, 0]))
    assert taken.table["x"].to_list() == [2.0, 0.0]
    assert taken.weight.tolist() == [3.0, 1.0]
    assert taken.y.tolist() == [1.0, 1.0]


def test_a_table_whose_columns_are_not_the_inputs_is_refused() -> None:
    with pytest.raises(DataError, match=r"columns are \['y'\], expected the model's inputs \['x'\]"):
        TrainingData(pl.DataFrame({"y": [1.0]}), np.ones(1), np.ones(1), (X,))


def test_lengths_that_differ_are_refused() -> None:
    with pytest.raises(DataError, match="2 rows, but 1 outcomes"):
        TrainingData(pl.DataFrame({"x": [1.0, 2.0]}), np.ones(1), np.ones(2), (X,))


@pytest.mark.parametrize(
    ("y", "weight", "message"),
    [
        ([1.0, 1.0], None, "all 2 rows are bad"),
        ([0.0, 0.0], None, "all 2 rows are good"),
        ([0.0, 2.0], None, "other than 1"),
        ([0.0, 1.0], [1.0, -1.0], "negative"),
        ([0.0, 1.0], [1.0, np.nan], "missing"),
        ([0.0, 1.0], [0.0, 0.0], "all are 0"),
        ([0.0, 1.0, 1.0], [0.0, 1.0, 1.0], "all 2 rows are bad"),
    ],
)
def test_rows_that_cannot_be_learned_from_are_refused(y: list[float], weight: list[float], message: str) -> None:
    with pytest.raises(DataError, match=message):
        fit_family("scorecard", data(y, weight), ModelParams(), 0)


@pytest.mark.parametrize("family", ["scorecard", "ebm", "catboost"])
def test_rows_of_weight_zero_are_as_rows_that_are_not_there(family: str) -> None:
    rows = data([float(row % 3 == 0 or row > 300) for row in range(400)])
    weighted = TrainingData(rows.table, rows.y, np.where(np.arange(400) % 5 == 0, 0.0, 2.0), rows.inputs)
    params = ModelParams(ebm=EbmParams(rounds=40, bags=2), catboost=CatboostParams(rounds=20))
    found = fit_family(family, weighted, params, 0).model.margin(rows.table)
    there = weighted.take(np.flatnonzero(weighted.weight))
    assert (found == fit_family(family, there, params, 0).model.margin(rows.table)).all()


@pytest.mark.parametrize("family", ["scorecard", "ebm", "catboost"])
def test_numbers_beyond_single_precision_are_learned_from(family: str) -> None:
    rows = data([float(row % 3 == 0 or row > 300) for row in range(400)])
    numbers = [None if row % 7 == 0 else (row - 200) * 4e305 for row in range(400)]
    huge = TrainingData(pl.DataFrame({"x": numbers}), rows.y, rows.weight, rows.inputs)
    params = ModelParams(ebm=EbmParams(rounds=40, bags=2), catboost=CatboostParams(rounds=20))
    model = fit_family(family, huge, params, 0).model
    margin, row = model.margin(huge.table), model.row()
    assert np.unique(margin).size > 1
    assert [row([number])[0] for number in numbers] == margin.tolist()


def test_an_unknown_family_is_refused_with_the_nearest_name(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"unknown family 'ebn'\. Did you mean 'ebm'\? Known families: scorecard"):
        fit_family("ebn", data([0.0, 1.0]), ModelParams(), 0)
    (tmp_path / "model.json").write_text(json.dumps({"family": "catbost"}))
    with pytest.raises(ModelError, match=r"model\.json: unknown family 'catbost'\. Did you mean 'catboost'"):
        load_model(tmp_path)


@pytest.mark.parametrize(("content", "message"), [(None, "no such file"), ("{", "as JSON"), ("[1]", "a JSON object")])
def test_a_folder_without_a_model_is_refused(tmp_path: Path, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / "model.json").write_text(content)
    with pytest.raises(ModelError, match=message):
        load_model(tmp_path)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("rows", [800, 20_000])
def test_candidates_leave_what_the_user_fixed(family: str, rows: int) -> None:
    fixed = ModelParams.model_validate(
        {
            "ebm": {"interactions": 3},
            "catboost": {"depth": 3, "rounds": 77},
            "lightgbm": {"leaves": 9},
            "xgboost": {"rounds": 88},
        }
    )
    offered = candidates(family, rows, fixed)
    assert 1 <= len(offered) <= 3
    for params in offered:
        assert params.ebm.interactions == 3
        assert (params.catboost.depth, params.catboost.rounds) == (3, 77)
        assert params.lightgbm.leaves == 9
        assert params.xgboost.rounds == 88


@pytest.mark.parametrize("family", ["ebm", "catboost", "lightgbm", "xgboost"])
def test_a_familys_own_one_hot_limit_stands_in_place_of_the_encodings(
    family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    fitted = importlib.import_module(f"creditrisk.model.families.{family}")
    monkeypatch.setattr(fitted, "fit", lambda data, params, *_: seen.append(params.encoding.one_hot_up_to))
    given = {"encoding": {"one_hot_up_to": 30}, family: {"one_hot_up_to": 7}}
    for params in (ModelParams.model_validate(given), ModelParams()):
        fit_family(family, data([0.0, 1.0]), params, 0)
    assert seen == [7, 40]


def test_a_limit_of_one_family_leaves_another_alone() -> None:
    params = ModelParams.model_validate({"ebm": {"one_hot_up_to": 7}, "catboost": {"one_hot_up_to": 9}})
    limits = {family: params.for_family(family).encoding.one_hot_up_to for family in FAMILIES}
    assert limits == {"scorecard": 40, "ebm": 7, "catboost": 9, "lightgbm": 40, "xgboost": 40, "blend": 40}
    assert params.for_family("ebm").for_family("catboost") == params.for_family("catboost")


@pytest.mark.parametrize(("family", "extra"), [("lightgbm", "LightGBM"), ("xgboost", "XGBoost")])
def test_a_library_that_is_not_there_is_named_with_the_extra_that_adds_it(
    family: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, family, None)
    with pytest.raises(ModelError, match=f"{extra} is not installed .* Run: uv sync --extra {family}"):
        fit_family(family, data([0.0, 1.0]), ModelParams(), 0)


@pytest.mark.parametrize("unit", [1e-3, 1e4])
@pytest.mark.parametrize("family", ["scorecard", "ebm", "catboost", "lightgbm", "xgboost"])
def test_the_unit_of_the_weights_changes_nothing(family: str, unit: float) -> None:
    """In thousandths, penalties and least rows of a leaf outweighed every row; in thousands, they bound nothing."""
    random = np.random.default_rng(0)
    rows, town = 800, random.integers(0, 60, 800)
    x = random.normal(size=rows)
    y = (random.random(rows) < 1 / (1 + np.exp(1 - x - np.sin(town)))).astype(float)
    table = pl.DataFrame({"x": x, "town": [f"t{number}" for number in town]})
    quick = {
        "ebm": {"rounds": 50, "bags": 1, "interactions": 0, "tree_pairs": 0},
        "catboost": {"rounds": 30, "depth": 3, "learning_rate": 0.1},
        "lightgbm": {"rounds": 30, "leaves": 6},
        "xgboost": {"rounds": 30, "leaves": 6},
    }
    params, weight = ModelParams.model_validate(quick), random.uniform(0.5, 1.5, rows)
    inputs = (X, Input(name="town", kind="category", title="Town"))
    plain, scaled = (
        fit_family(family, TrainingData(table, y, weight * by, inputs), params, 0).model.margin(table)
        for by in (1.0, unit)
    )
    np.testing.assert_allclose(scaled, plain, atol=1e-6)
