"""A blend: weights of out-of-fold margins with known answers, and a sum that is its members' to the last bit."""

from __future__ import annotations

import functools
import itertools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from creditrisk.contract import Input
from creditrisk.errors import DataError, ModelError
from creditrisk.model.blended import BlendModel, families_of
from creditrisk.model.families.blend import candidates, fit_weights, out_of_fold
from creditrisk.model.family import Fitted, RowFunction, TrainingData, fit_family, load_model
from creditrisk.params import BlendParams, ModelParams

Floats = NDArray[np.float64]
INPUTS = (
    Input(name="amount", kind="number", title="Amount", monotone="increasing"),
    Input(name="income", kind="number", title="Income", monotone="decreasing"),
    Input(name="purpose", kind="category", title="Purpose"),
    Input(name="city", kind="category", title="City"),
)


def make_data(rows: int = 1_500, seed: int = 0) -> TrainingData:
    random = np.random.default_rng(seed)
    amount, income = random.normal(size=rows), random.normal(size=rows)
    purpose, city = random.integers(3, size=rows), random.integers(30, size=rows)
    margin = amount - income + (purpose == 1) * np.abs(amount) + np.sin(city) - 1
    table = pl.DataFrame(
        {
            "amount": amount,
            "income": [None if random.random() < 0.1 else float(value) for value in income],
            "purpose": [f"p{code}" for code in purpose],
            "city": [None if code == 7 else f"c{code}" for code in city],
        }
    )
    y = (random.random(rows) < 1 / (1 + np.exp(-margin))).astype(np.float64)
    return TrainingData(table, y, random.uniform(0.5, 2, rows), INPUTS)


def make_params(*members: str, **blend: Any) -> ModelParams:
    return ModelParams.model_validate(
        {
            "folds": 2,
            "ebm": {"rounds": 60, "interactions": 2, "bags": 2, "max_bins": 32},
            "catboost": {"rounds": 40, "depth": 3, "learning_rate": 0.1},
            "lightgbm": {"rounds": 20, "leaves": 6},
            "xgboost": {"rounds": 20, "leaves": 6},
            "blend": {"members": members or ("ebm", "catboost"), **blend},
        }
    )


def fit(data: TrainingData, params: ModelParams, seed: int = 0) -> BlendModel:
    model = fit_family("blend", data, params, seed).model
    assert isinstance(model, BlendModel)
    return model


DATA = make_data()
SMALL_BLEND, LARGE_BLEND = ("ebm", "catboost"), ("scorecard", "ebm", "catboost", "lightgbm", "xgboost")


@functools.cache
def fitted_two() -> Fitted:
    """Of two members whose rows are NumPy's, weights fitted."""
    return fit_family("blend", DATA, make_params(*SMALL_BLEND), 0)


@functools.cache
def blend_of(members: tuple[str, ...]) -> BlendModel:
    """The blend of two, or one of all families with given weights."""
    if members == LARGE_BLEND:
        return fit(DATA, make_params(*LARGE_BLEND, weights=[0.1, 0.3, 0.2, 0.15, 0.25]))
    model = fitted_two().model
    assert isinstance(model, BlendModel)
    return model


@functools.cache
def row_of(members: tuple[str, ...]) -> RowFunction:
    return blend_of(members).row()


both = pytest.mark.parametrize("members", [SMALL_BLEND, LARGE_BLEND], ids=["two", "all"])


def drawn(count: int, rows: int = 4_000, seed: int = 0) -> tuple[Floats, Floats, Floats]:
    """Margins of members that each know a part, outcomes that follow their sum, and weights."""
    random = np.random.default_rng(seed)
    parts = random.normal(size=(rows, count))
    y = (random.random(rows) < 1 / (1 + np.exp(1 - parts.sum(axis=1)))).astype(np.float64)
    return parts, y, random.uniform(0.5, 2.0, rows)


def test_a_member_that_knows_the_margin_gets_weight_one() -> None:
    parts, y, _ = drawn(1, rows=200_000)
    intercept, weights = fit_weights(parts - 1, y, np.ones(y.size))
    assert weights[0] == pytest.approx(1, abs=0.03)
    assert intercept == pytest.approx(0, abs=0.03)


def test_a_useless_member_gets_nothing() -> None:
    parts, y, weight = drawn(2)
    wrong = np.random.default_rng(1).normal(size=y.size) - y  # left free, its weight would be negative
    opposite = np.column_stack([parts.sum(axis=1) - 1, wrong])
    _, weights = fit_weights(opposite, y, weight)
    assert weights[1] == 0
    alone = fit_weights(opposite[:, :1], y, weight)
    assert (fit_weights(opposite, y, weight)[0], weights[0]) == pytest.approx((alone[0], alone[1][0]), abs=1e-5)


def test_a_member_scaled_by_two_gets_half_the_weight() -> None:
    parts, y, weight = drawn(2)
    intercept, weights = fit_weights(parts, y, weight)
    scaled_intercept, scaled = fit_weights(parts * np.array([2.0, 1.0]), y, weight)
    assert scaled == pytest.approx(weights * np.array([0.5, 1.0]), rel=1e-5)
    assert scaled_intercept == pytest.approx(intercept, abs=1e-5)


def test_a_shift_of_a_member_goes_into_the_intercept() -> None:
    parts, y, weight = drawn(2)
    intercept, weights = fit_weights(parts, y, weight)
    shifted_intercept, shifted = fit_weights(parts + np.array([3.0, 0.0]), y, weight)
    assert shifted == pytest.approx(weights, rel=1e-5)
    assert shifted_intercept == pytest.approx(intercept - 3 * weights[0], abs=1e-4)


def test_weights_stand_for_rows() -> None:
    parts, y, _ = drawn(2)
    times = np.random.default_rng(1).integers(0, 4, y.size)
    intercept, weights = fit_weights(parts, y, times.astype(np.float64))
    rows = np.repeat(np.arange(y.size), times)
    again = fit_weights(parts[rows], y[rows], np.ones(rows.size))
    assert weights == pytest.approx(again[1], rel=1e-5)
    assert intercept == pytest.approx(again[0], abs=1e-5)


def test_members_that_part_all_rows_get_finite_weights() -> None:
    y = np.repeat([0.0, 1.0], 50)
    intercept, weights = fit_weights(np.column_stack([y * 2 - 1, np.zeros(100)]), y, np.ones(100))
    assert np.isfinite(weights).all()
    assert np.isfinite(intercept)
    assert weights[0] > 1


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.integers(1, 4))
def test_no_weights_nearby_are_better(seed: int, count: int) -> None:
    parts, y, weight = drawn(count, rows=400, seed=seed)
    parts[:, 0] *= -0.2  # so that the bound binds
    intercept, weights = fit_weights(parts, y, weight)

    def loss(at: Floats) -> float:
        margin = at[0] + parts @ at[1:]
        return float(np.average(np.logaddexp(0, margin) - y * margin, weights=weight))

    best = np.concatenate([[intercept], weights])
    assert (weights >= 0).all()
    for step in np.vstack([np.eye(count + 1), -np.eye(count + 1)]) * 0.01:
        moved = np.concatenate([best[:1] + step[:1], np.maximum(best[1:] + step[1:], 0)])
        assert loss(moved) >= loss(best) - 1e-9


def test_each_row_is_judged_by_models_that_did_not_see_it() -> None:
    """A row whose outcome is turned over gets another out-of-fold margin only where it was learned from."""
    params = make_params("scorecard", "lightgbm")
    margins, sample = out_of_fold(DATA, params, 0)
    assert margins.shape == (DATA.y.size, 2)
    assert (sample.y == DATA.y).all()
    seen = np.column_stack([fit_family(m, DATA, params, 0).model.margin(DATA.table) for m in ("scorecard", "lightgbm")])
    for place in range(2):
        assert loss_of(margins[:, place], DATA) > loss_of(seen[:, place], DATA)


def loss_of(margin: Floats, data: TrainingData) -> float:
    return float(np.average(np.logaddexp(0, margin) - data.y * margin, weights=data.weight))


def test_only_a_subsample_is_used_for_weights() -> None:
    params = make_params("scorecard", "lightgbm").model_copy(update={"subsample": 600})
    assert out_of_fold(DATA, params, 0)[1].y.size == 600


def test_details_say_weights_intercept_and_what_is_known_of_members() -> None:
    details, model = json.loads(json.dumps(fitted_two().details)), blend_of(SMALL_BLEND)
    assert details["weights"] == {"ebm": model.weights[0], "catboost": model.weights[1]}
    assert details["intercept"] == model.intercept
    assert details["members"]["catboost"]["trees"] == 40
    assert fitted_two().rounds is None
    assert 0.8 < sum(model.weights) < 2  # few rounds: the members are too timid


def test_given_weights_are_taken_as_they_are() -> None:
    model = fit(DATA, make_params("ebm", "scorecard", weights=[2.0, 0.0], intercept=0.5))
    assert (model.weights, model.intercept) == ((2.0, 0.0), 0.5)
    ebm = fit_family("ebm", DATA, make_params(), 0).model
    assert (model.margin(DATA.table) == ebm.margin(DATA.table) * 2.0 + 0.5).all()
    assert blend_of(LARGE_BLEND).intercept == 0


def test_members_that_know_nothing_share_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("creditrisk.model.families.blend.fit_weights", lambda *_: (0.3, np.zeros(2)))
    fitted = fit_family("blend", DATA, make_params("scorecard", "lightgbm"), 0)
    assert list(fitted.details["weights"].values()) == [0.5, 0.5]
    assert "same weight" in fitted.details["note"]


@both
def test_it_is_the_weighted_sum_of_its_members(members: tuple[str, ...]) -> None:
    model = blend_of(members)
    table = make_data(400, seed=3).table
    margin, contributions = model.explain(table)
    wanted = sum(w * m.margin(table) for w, m in zip(model.weights, model.members, strict=True)) + model.intercept
    np.testing.assert_allclose(margin, wanted, rtol=1e-12)
    assert (margin == model.margin(table)).all()
    assert (contributions == model.contributions(table)).all()
    rounding = 1e-9 if members == SMALL_BLEND else 1e-5  # XGBoost's are float32
    np.testing.assert_allclose(contributions.sum(axis=1) + model.baseline, margin, atol=rounding)


def test_baseline_is_near_the_mean_margin_of_the_training_rows() -> None:
    model = blend_of(SMALL_BLEND)
    assert model.baseline == pytest.approx(np.average(model.margin(DATA.table), weights=DATA.weight), abs=0.1)


CELLS = st.tuples(
    st.none() | st.floats(-4, 4) | st.sampled_from([1e300, -1e300, -0.0]),
    st.none() | st.floats(-4, 4),
    st.sampled_from(["p0", "p1", "p2", "", None, "never seen"]),
    st.none() | st.integers(0, 40).map("c{}".format),
)


@settings(max_examples=60)
@given(st.lists(CELLS, min_size=1, max_size=8))
def test_one_row_and_a_table_agree_to_the_last_bit(rows: list[Any]) -> None:
    table = pl.DataFrame(rows, schema=dict(DATA.table.schema), orient="row")
    for members in (SMALL_BLEND, LARGE_BLEND):
        score, (margins, contributions) = row_of(members), blend_of(members).explain(table)
        for number, row in enumerate(table.iter_rows()):
            assert score(row) == (margins[number], contributions[number].tolist())


@settings(max_examples=60)
@given(CELLS, st.sampled_from([0, 1]), st.lists(st.floats(-6, 6), min_size=2, max_size=5))
def test_risk_goes_the_way_that_all_members_follow(row: Any, place: int, values: list[float]) -> None:
    rows = [[*row[:place], value, *row[place + 1 :]] for value in sorted(values)]
    table = pl.DataFrame(rows, schema=dict(DATA.table.schema), orient="row")
    for members in (SMALL_BLEND, LARGE_BLEND):
        steps = np.diff(blend_of(members).margin(table))
        assert (steps >= 0).all() if place == 0 else (steps <= 0).all()


@both
def test_a_loaded_model_is_the_one_saved(tmp_path: Path, members: tuple[str, ...]) -> None:
    model = blend_of(members)
    model.save(tmp_path)
    loaded, table = load_model(tmp_path), DATA.table.head(100)
    assert isinstance(loaded, BlendModel)
    assert families_of(loaded) == families_of(model)
    assert (loaded.weights, loaded.intercept, loaded.inputs) == (model.weights, model.intercept, INPUTS)
    assert (loaded.margin(table) == model.margin(table)).all()
    assert (loaded.contributions(table) == model.contributions(table)).all()
    assert loaded.baseline == model.baseline


def test_the_same_seed_gives_the_same_files(tmp_path: Path) -> None:
    files: list[dict[str, bytes]] = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        fit(DATA, make_params("lightgbm", "xgboost", "catboost"), seed=3).save(tmp_path / name)
        files.append({p.name + p.parent.name: p.read_bytes() for p in (tmp_path / name).rglob("*.*") if p.is_file()})
    assert list(files[0].values()) == list(files[1].values())
    assert len(files[0]) == 7


CHANGES: list[tuple[dict[str, Any], str]] = [
    ({"format": 2}, "in format 1"),
    ({"members": ["ebm"]}, "two families or more"),
    ({"members": "ebm"}, "two families or more"),
    ({"members": ["ebm", "blend"]}, "'blend' cannot be in a blend"),
    ({"members": ["ebm", "../ebm"]}, "cannot be in a blend"),
    ({"members": ["ebm", ["ebm"]]}, "cannot be in a blend"),
    ({"members": ["ebm", "ebm"]}, "twice"),
    ({"members": ["ebm", "scorecard"]}, "no such file"),
    ({"weights": [1.0]}, "expected 2 numbers"),
    ({"weights": [1.0, -0.1]}, "none negative"),
    ({"weights": [0.0, 0]}, "not all 0"),
    ({"weights": [1.0, "1"]}, "expected 2 numbers"),
    ({"weights": [1.0, True]}, "expected 2 numbers"),
    ({"weights": [1.0, float("nan")]}, "expected 2 numbers"),
    ({"intercept": None}, "expected a finite number"),
    ({"intercept": float("inf")}, "expected a finite number"),
]


@pytest.mark.parametrize(("change", "said"), CHANGES)
def test_what_is_no_blend_is_refused(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    blend_of(SMALL_BLEND).save(tmp_path)
    content = json.loads((tmp_path / "model.json").read_text())
    (tmp_path / "model.json").write_text(json.dumps(content | change))
    with pytest.raises(ModelError, match=said):
        load_model(tmp_path)


def test_a_member_of_another_family_than_its_folder_says_is_refused(tmp_path: Path) -> None:
    blend_of(SMALL_BLEND).save(tmp_path)
    (tmp_path / "ebm" / "model.json").write_text((tmp_path / "model.json").read_text())
    with pytest.raises(ModelError, match="family 'blend', expected 'ebm'"):
        load_model(tmp_path)


def test_members_of_different_inputs_are_refused(tmp_path: Path) -> None:
    blend_of(SMALL_BLEND).save(tmp_path)
    path = tmp_path / "ebm" / "model.json"
    content = json.loads(path.read_text())
    content["inputs"][0]["title"] = "Something else"
    path.write_text(json.dumps(content))
    with pytest.raises(ModelError, match="ebm and catboost have different inputs"):
        load_model(tmp_path)


def test_too_few_rows_of_one_outcome_are_said() -> None:
    y = np.zeros(DATA.y.size)
    y[:5] = 1.0
    few = TrainingData(DATA.table, y, DATA.weight, INPUTS)
    with pytest.raises(DataError, match=r"only 5 rows of one outcome; .* on 3 inner folds needs at least 6"):
        out_of_fold(few, ModelParams(), 0)


def test_candidates_are_those_of_the_members_together() -> None:
    found = candidates(20_000, ModelParams(blend=BlendParams(members=("ebm", "catboost", "lightgbm"))))
    assert len(found) == 2
    assert [one.ebm.interactions for one in found] == [15, 45]
    assert [one.lightgbm.leaves for one in found] == [12, 31]
    assert all(one.xgboost == ModelParams().xgboost for one in found)


def test_a_blend_of_ebm_and_catboost_needs_no_training_library(tmp_path: Path) -> None:
    blend_of(SMALL_BLEND).save(tmp_path)
    script = (
        "import sys; from pathlib import Path; from creditrisk.model.family import load_model\n"
        f"load_model(Path({str(tmp_path)!r})).row()([1.0, None, 'p1', None])\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    heavy = {"sklearn", "scipy", "catboost", "lightgbm", "xgboost", "interpret", "optbinning", "pandas"}
    assert heavy & set(done.stdout.split()) == set()


def test_weights_of_every_order_of_members_agree() -> None:
    parts, y, weight = drawn(3)
    _, wanted = fit_weights(parts, y, weight)
    for order in itertools.permutations(range(3)):
        _, found = fit_weights(parts[:, order], y, weight)
        assert found == pytest.approx(wanted[list(order)], rel=1e-4)
