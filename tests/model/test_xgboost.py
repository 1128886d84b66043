"""XGBoost: its own margins and contributions, added up by input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import xgboost
from hypothesis import given, settings
from hypothesis import strategies as st

from creditrisk.contract import Input
from creditrisk.errors import ModelError
from creditrisk.model import xgboost as family
from creditrisk.model.family import TrainingData, fit_family, load_model
from creditrisk.model.xgboost import XgboostModel
from creditrisk.params import ModelParams, XgboostParams

INPUTS = (
    Input(name="amount", kind="number", title="Amount", monotone="increasing"),
    Input(name="purpose", kind="category", title="Purpose"),
    Input(name="city", kind="category", title="City"),
    Input(name="income", kind="number", title="Income"),
)


def make_data(rows: int = 2_000, seed: int = 0) -> TrainingData:
    random = np.random.default_rng(seed)
    amount, income = random.normal(size=rows), random.normal(size=rows)
    purpose, city = random.integers(3, size=rows), random.integers(60, size=rows)
    margin = amount + (purpose == 1) * income + np.sin(city) - 1
    table = pl.DataFrame(
        {
            "amount": amount,
            "purpose": [f"p{code}" for code in purpose],
            "city": [None if code == 7 else f"c{code}" for code in city],
            "income": [None if random.random() < 0.1 else float(value) for value in income],
        }
    )
    y = (random.random(rows) < 1 / (1 + np.exp(-margin))).astype(np.float64)
    return TrainingData(table, y, random.uniform(0.5, 2, rows), INPUTS)


def make_model(data: TrainingData, seed: int = 0) -> XgboostModel:
    model = fit_family("xgboost", data, PARAMS, seed).model
    assert isinstance(model, XgboostModel)
    return model


PARAMS = ModelParams(xgboost=XgboostParams(rounds=40, leaves=8, min_child_weight=1.0))
DATA = make_data()
MODEL = make_model(DATA)
ROW = MODEL.row()


def test_contributions_are_xgboosts_own_added_up_by_input() -> None:
    table = make_data(300, seed=4).table
    rows = xgboost.DMatrix(MODEL.encoding.matrix(table).astype(np.float32), missing=np.nan)
    theirs = MODEL.booster.predict(rows, pred_contribs=True).astype(np.float64)
    owner = [column.input_index for column in MODEL.encoding.columns]
    wanted = np.array([[row[:-1][np.equal(owner, place)].sum() for place in range(len(INPUTS))] for row in theirs])
    np.testing.assert_allclose(MODEL.contributions(table), wanted, atol=1e-12)
    assert (theirs[:, -1] == MODEL.baseline).all()
    assert len(owner) > len(INPUTS)


def test_contributions_and_baseline_make_the_margin_as_far_as_float32_goes() -> None:
    table = make_data(500, seed=2).table
    margin, contributions = MODEL.explain(table)
    np.testing.assert_allclose(contributions.sum(axis=1) + MODEL.baseline, margin, atol=1e-5)
    assert (margin == MODEL.margin(table)).all()
    assert (contributions == MODEL.contributions(table)).all()


def test_baseline_is_the_mean_margin_of_the_training_rows() -> None:
    """The library's own would be the mean by hessian, which leans towards risky rows."""
    params = ModelParams(xgboost=XgboostParams(rounds=40, leaves=8, one_hot_up_to=200))  # nothing is out-of-fold
    model = fit_family("xgboost", DATA, params, 0).model
    assert len(model.encoding.columns) > 60  # type: ignore[attr-defined]
    margin, contributions = model.explain(DATA.table)
    assert model.baseline == pytest.approx(np.average(margin, weights=DATA.weight), abs=1e-5)
    assert np.average(contributions.sum(axis=1), weights=DATA.weight) == pytest.approx(0, abs=1e-5)


def test_rows_of_no_weight_do_no_harm() -> None:
    weight = DATA.weight.copy()
    weight[::2] = 0.0
    params = ModelParams(xgboost=XgboostParams(rounds=40, leaves=31, min_child_weight=0.0))
    model = fit_family("xgboost", TrainingData(DATA.table, DATA.y, weight, INPUTS), params, 0).model
    margin, contributions = model.explain(DATA.table)
    np.testing.assert_allclose(contributions.sum(axis=1) + model.baseline, margin, atol=1e-4)


def test_one_row_and_a_table_agree_to_the_last_bit() -> None:
    odd = pl.DataFrame({"amount": [1e300, None], "purpose": ["new", None], "city": ["", "c1"], "income": [-0.0, None]})
    table = pl.concat([make_data(30, seed=1).table, odd.cast(DATA.table.schema)])
    margins, contributions = MODEL.margin(table), MODEL.contributions(table)
    for number, row in enumerate(table.iter_rows()):
        assert ROW(row) == (margins[number], contributions[number].tolist())


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=4),
    st.sampled_from(["p0", "p1", None, "new"]),
    st.integers(0, 60),
    st.none() | st.floats(-5, 5),
)
def test_risk_goes_the_way_of_a_direction(
    amounts: list[float], purpose: str | None, city: int, income: float | None
) -> None:
    rows: list[list[Any]] = [[amount, purpose, f"c{city}", income] for amount in sorted(amounts)]
    margins = MODEL.margin(pl.DataFrame(rows, schema=dict(DATA.table.schema), orient="row"))
    assert (np.diff(margins) >= 0).all()


def test_the_same_seed_gives_the_same_files_and_answers(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        make_model(DATA, seed=3).save(tmp_path / name)
    for name in ("model.json", "model.ubj"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    loaded, kept = load_model(tmp_path / "a"), load_model(tmp_path / "b")
    assert isinstance(loaded, XgboostModel)
    assert loaded.inputs == INPUTS
    assert (loaded.margin(DATA.table) == kept.margin(DATA.table)).all()


def test_a_loaded_model_is_the_one_saved(tmp_path: Path) -> None:
    MODEL.save(tmp_path)
    loaded, table = load_model(tmp_path), DATA.table.head(100)
    assert (loaded.margin(table) == MODEL.margin(table)).all()
    assert (loaded.contributions(table) == MODEL.contributions(table)).all()
    assert loaded.baseline == MODEL.baseline


@pytest.mark.parametrize("damage", ["digit", "cut", "remove", "encoding"])
def test_changed_files_are_refused(tmp_path: Path, damage: str) -> None:
    MODEL.save(tmp_path)
    trees, described = tmp_path / "model.ubj", tmp_path / "model.json"
    content = trees.read_bytes()
    if damage == "digit":
        trees.write_bytes(content[:-100] + bytes([content[-100] ^ 1]) + content[-99:])
    elif damage == "cut":
        trees.write_bytes(content[: len(content) // 2])
    elif damage == "remove":
        trees.unlink()
    else:
        text = json.loads(described.read_text(encoding="utf-8"))
        del text["encoding"]["columns"]
        described.write_text(json.dumps(text), encoding="utf-8")
    with pytest.raises(ModelError, match="again"):
        load_model(tmp_path)


def test_rounds_are_settled_on_rows_given_for_it() -> None:
    params = ModelParams(xgboost=XgboostParams(rounds=500, leaves=31, learning_rate=0.3))
    fitted = fit_family("xgboost", DATA, params, 0, valid=make_data(800, seed=9))
    assert fitted.rounds is not None
    assert fitted.rounds < 400
    assert isinstance(fitted.model, XgboostModel)
    assert fitted.model.booster.num_boosted_rounds() == fitted.rounds


def test_without_directions_none_binds() -> None:
    free = fit_family("xgboost", DATA, PARAMS.model_copy(update={"monotone": False}), 0).model
    assert not (free.margin(DATA.table) == MODEL.margin(DATA.table)).all()


def test_what_the_user_fixed_stays_in_all_candidates() -> None:
    for rows in (1_000, 25_000):
        offered = family.candidates(rows, ModelParams(xgboost=XgboostParams(leaves=5)))
        assert {one.xgboost.leaves for one in offered} == {5}
    assert family.candidates(25_000, PARAMS) == [PARAMS]
