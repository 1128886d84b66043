"""CatBoost fitted here and served by the runtime: the library's own margins and SHAP values are the measure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import catboost
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from creditrisk.contract import Input
from creditrisk.errors import ModelError
from creditrisk.model.families import catboost as family
from creditrisk.model.family import RowFunction, TrainingData, fit_family, load_model
from creditrisk.model.oblivious.runtime import ObliviousModel
from creditrisk.params import CatboostParams, Encoding, ModelParams

ROWS = 3_000
INPUTS = (
    Input(name="amount", kind="number", title="Amount", monotone="increasing"),
    Input(name="purpose", kind="category", title="Purpose"),
    Input(name="employer", kind="category", title="Employer"),
    Input(name="income", kind="number", title="Income"),
    Input(
        name="grade", kind="category", title="Grade", values=("a", "b", "c", "d"), ordered=True, monotone="increasing"
    ),
    Input(name="constant", kind="number", title="Constant"),
)
SCHEMA = {item.name: pl.Float64 if item.kind == "number" else pl.String for item in INPUTS}


def make_params(*, monotone: bool = False, **settings: Any) -> ModelParams:
    return ModelParams(
        monotone=monotone,
        catboost=CatboostParams(**({"rounds": 60, "depth": 4, "learning_rate": 0.15} | settings)),
        encoding=Encoding(one_hot_up_to=3, min_rows=5),
    )


def make_data(rows: int = ROWS, seed: int = 0) -> TrainingData:
    """Missing values in all but one input, three purposes, hundreds of employers of which many are rare."""
    random = np.random.default_rng(seed)
    amount, income = random.normal(size=rows), random.lognormal(10, 1, size=rows)
    purpose, grade = random.integers(3, size=rows), random.integers(4, size=rows)
    employer = np.minimum(random.geometric(0.02, size=rows), 400)
    effect = np.random.default_rng(99).normal(size=401)
    margin = amount + (purpose == 1) * income / 20_000 + effect[employer] + 0.3 * grade - 2.0
    y = (random.random(rows) < 1 / (1 + np.exp(-margin))).astype(np.float64)
    columns: dict[str, list[Any]] = {
        "amount": amount.tolist(),
        "purpose": [f"p{code}" for code in purpose],
        "employer": [f"Employer {code}, Ltd" for code in employer],
        "income": income.tolist(),
        "grade": ["abcd"[code] for code in grade],
        "constant": [1.0] * rows,
    }
    for name in ("purpose", "employer", "income", "grade"):
        columns[name] = [None if random.random() < 0.1 else value for value in columns[name]]
    return TrainingData(pl.DataFrame(columns, schema=SCHEMA), y, random.uniform(0.5, 2.0, rows), INPUTS)


def odd_rows() -> pl.DataFrame:
    """Values at the edges of float32, unseen, empty and absent ones."""
    numbers = [1e300, -1e300, 3.5e38, -3.4028235e38, 1e-46, -0.0, 0.1, None, 16777217.0]
    texts = ["p1", "never seen", "", None, "P1", " p1", "0", "nan", "Employer 1, Ltd"]
    grades = ["a", "d", "e", None, "", "b", "c", "0", "A"]
    columns = {
        "amount": numbers,
        "purpose": texts,
        "employer": texts[::-1],
        "income": numbers[::-1],
        "grade": grades,
        "constant": numbers,
    }
    return pl.DataFrame(columns, schema=SCHEMA)


DATA = make_data()


class Pair:
    """A model and the library's own that it was made from."""

    def __init__(self, params: ModelParams) -> None:
        data = DATA.relative()  # as ``fit_family`` gives it to a family
        self.vocabularies = family._vocabularies(data, params)
        self.library = catboost.CatBoost(family._options(data, params, params.catboost, 0))
        self.library.fit(family._pool(data, self.vocabularies))
        fitted = fit_family("catboost", DATA, params, 0)
        assert isinstance(fitted.model, ObliviousModel)
        self.model = fitted.model

    def pool(self, table: pl.DataFrame) -> catboost.Pool:
        zeros = np.zeros(table.height)
        return family._pool(TrainingData(table, zeros, zeros + 1, INPUTS), self.vocabularies)


@pytest.fixture(scope="module", params=[False, True], ids=["free", "directions"])
def pair(request: pytest.FixtureRequest) -> Pair:
    return Pair(make_params(monotone=request.param))


def test_margins_are_catboosts_to_the_last_bit(pair: Pair) -> None:
    for table in (DATA.table, make_data(2_000, seed=5).table, odd_rows()):
        theirs = pair.library.predict(pair.pool(table), prediction_type="RawFormulaVal")
        np.testing.assert_array_equal(pair.model.margin(table), theirs)


def test_every_kind_of_split_is_served(pair: Pair) -> None:
    slots = set(pair.model.forest.slot.ravel().tolist())
    widths = {INPUTS[item.input].name: item.width for item in pair.model.categories}
    assert {0, 3} < slots
    assert set(widths) == {"purpose", "employer", "grade"}
    assert widths["employer"] > 1


def test_contributions_are_catboosts_shap_values() -> None:
    # With directions CatBoost weighs leaves by whatever rows it is given, so only the free model compares.
    free = Pair(make_params())
    for table in (DATA.table, odd_rows()):
        theirs = free.library.get_feature_importance(free.pool(table), type="ShapValues")
        np.testing.assert_allclose(free.model.contributions(table), theirs[:, :-1], atol=1e-12, rtol=0)
        np.testing.assert_allclose(free.model.baseline, theirs[:, -1], atol=1e-12, rtol=0)


def test_contributions_and_baseline_make_the_margin(pair: Pair) -> None:
    for table in (DATA.table, odd_rows()):
        total = pair.model.contributions(table).sum(axis=1) + pair.model.baseline
        np.testing.assert_allclose(total, pair.model.margin(table), atol=1e-9, rtol=0)


def test_one_row_and_a_table_agree_to_the_last_bit(pair: Pair) -> None:
    table = pl.concat([DATA.table.head(200), odd_rows()])
    score, margins, contributions = pair.model.row(), pair.model.margin(table), pair.model.contributions(table)
    for number, row in enumerate(table.iter_rows()):
        assert score(row) == (margins[number], contributions[number].tolist())


@pytest.fixture(scope="module")
def directed() -> RowFunction:
    return fit_family("catboost", DATA, make_params(monotone=True), 0).model.row()


@settings(max_examples=150)
@given(
    amounts=st.lists(st.floats(-1e6, 1e6) | st.none(), min_size=1, max_size=3),
    employer=st.sampled_from([f"Employer {n}, Ltd" for n in range(60)]) | st.none() | st.text(max_size=3),
    income=st.floats(0, 1e7),
)
def test_risk_goes_the_way_of_a_direction(
    directed: RowFunction, amounts: list[float | None], employer: str | None, income: float
) -> None:
    given_amounts = sorted(amount for amount in amounts if amount is not None)
    # A missing number stands below all others for CatBoost.
    rows = [[None, "p1", employer, income, "b", 1.0]] if None in amounts else []
    rows += [[amount, "p1", employer, income, "b", 1.0] for amount in given_amounts]
    margins = [directed(row)[0] for row in rows]
    assert margins == sorted(margins)
    by_grade = [directed([0.0, "p0", employer, income, grade, 1.0])[0] for grade in "abcd"]
    assert by_grade == sorted(by_grade)


def test_rare_values_are_pooled_and_not_named(tmp_path: Path) -> None:
    model = fit_family("catboost", DATA, make_params(), 0).model
    model.save(tmp_path)
    counts = DATA.table["employer"].drop_nulls().value_counts()
    rare = counts.filter(pl.col("count") < 5)["employer"].to_list()
    text = (tmp_path / "model.json").read_text(encoding="utf-8")
    assert len(rare) > 20
    assert not any(f'"{name}"' in text for name in rare)
    table = DATA.table.head(1)
    as_rare, as_unseen = (table.with_columns(pl.lit(name).alias("employer")) for name in (rare[0], "never seen"))
    assert model.margin(as_rare)[0] == model.margin(as_unseen)[0]


def test_the_same_seed_gives_the_same_files(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        fit_family("catboost", DATA, make_params(), 7).model.save(tmp_path / name)
    for name in ("model.json", "trees.npz"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["model.json", "trees.npz"]


def test_saved_and_loaded_it_answers_the_same(tmp_path: Path, pair: Pair) -> None:
    pair.model.save(tmp_path)
    loaded, table = load_model(tmp_path), odd_rows()
    assert (loaded.margin(table) == pair.model.margin(table)).all()
    assert (loaded.contributions(table) == pair.model.contributions(table)).all()
    assert loaded.baseline == pair.model.baseline


def test_rounds_are_settled_on_rows_given_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    params = make_params(rounds=600, learning_rate=0.3)
    fitted = fit_family("catboost", DATA, params, 0, valid=make_data(1_000, seed=3))
    assert fitted.rounds is not None
    assert 5 < fitted.rounds < 500
    assert fitted.details["trees"] == fitted.rounds
    assert list(tmp_path.iterdir()) == []  # CatBoost would leave a folder of its own


def test_weights_are_used() -> None:
    heavy = TrainingData(DATA.table, DATA.y, np.where(DATA.y == 1, 5.0, 1.0), INPUTS)
    free = fit_family("catboost", heavy, make_params(), 0).model
    assert free.baseline > fit_family("catboost", DATA, make_params(), 0).model.baseline + 0.5


def test_inputs_that_never_vary_are_a_clear_error() -> None:
    constant = DATA.table.select("constant")
    data = TrainingData(constant, DATA.y, DATA.weight, INPUTS[-1:])
    with pytest.raises(ModelError, match="CatBoost cannot be fitted to 3,000 rows"):
        fit_family("catboost", data, make_params(), 0)


def test_what_the_user_fixed_stays_in_all_candidates() -> None:
    given_params = ModelParams(catboost=CatboostParams(depth=6))
    for rows in (1_000, 25_000, 150_000):
        offered = family.candidates(rows, given_params)
        assert offered
        assert all(one.catboost.depth == 6 for one in offered)
        assert all(one.catboost.rounds and one.catboost.learning_rate for one in offered)
    fixed = ModelParams(catboost=CatboostParams(rounds=50, depth=3, learning_rate=0.1))
    assert family.candidates(25_000, fixed) == [fixed]
