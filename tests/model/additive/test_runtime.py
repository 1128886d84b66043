from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from creditrisk.contract import Input
from creditrisk.errors import ModelError
from creditrisk.model.additive.directions import check_monotone
from creditrisk.model.additive.points import points_table
from creditrisk.model.additive.runtime import AdditiveModel, EbmModel, ScorecardModel
from creditrisk.model.additive.terms import Bins, Pair, Terms
from creditrisk.model.family import Value, load_model

INPUTS = (
    Input(name="a", kind="number", title="A", monotone="increasing"),
    Input(name="b", kind="number", title="B"),
    Input(name="c", kind="category", title="C"),
)
BINS = (
    Bins("number", np.array([-1.0, 0.0, 2.5])),
    Bins("number", np.array([10.0])),
    Bins("category", np.empty(0), ("red", "blue")),
)
EFFECTS = (np.array([-0.3, 0.1, 0.1, 0.9, 0.2]), np.array([0.5, -0.5, 0.0]), np.array([0.7, -0.2, 0.05, -0.1]))
PAIR = Pair(
    1, 2, np.array([0, 1, 2]), np.array([0, 1, 1, 2]), np.array([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6], [0.0, 0.1, -0.7]])
)
TERMS = Terms(BINS, EFFECTS, (PAIR,))
random = np.random.default_rng(0)
TABLE = pl.DataFrame(
    {
        "a": pl.Series([None, *random.normal(size=199)], dtype=pl.Float64),
        "b": random.normal(10, 5, 200),
        "c": random.choice(["red", "blue", "green"], 200),
    }
)
WEIGHT = random.uniform(0.5, 2, 200)
MODEL = EbmModel.build(INPUTS, 0.25, TERMS, TABLE, WEIGHT)

rows_of_inputs = st.lists(
    st.tuples(
        st.none() | st.floats() | st.sampled_from([-1.0, 0.0, -0.0, 2.5, 1e308, 5e-324]),
        st.none() | st.floats() | st.just(10.0),
        st.none() | st.sampled_from(["red", "blue", "green", ""]) | st.text(max_size=3),
    ),
    min_size=1,
    max_size=10,
)


def table_of(rows: list[Any]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema={"a": pl.Float64, "b": pl.Float64, "c": pl.String}, orient="row")


@settings(max_examples=150)
@given(rows_of_inputs)
def test_one_row_equals_the_table_to_the_last_bit(rows: list[Any]) -> None:
    table, score = table_of(rows), MODEL.row()
    margin, contributions = MODEL.margin(table), MODEL.contributions(table)
    for at, row in enumerate(rows):
        one, parts = score(row)
        assert one == margin[at]
        assert list(parts) == contributions[at].tolist()


@settings(max_examples=100)
@given(rows_of_inputs)
def test_contributions_and_baseline_make_the_margin(rows: list[Any]) -> None:
    table = table_of(rows)
    total = MODEL.baseline + MODEL.contributions(table).sum(axis=1)
    np.testing.assert_allclose(total, MODEL.margin(table), rtol=0, atol=1e-12)


def test_centring_and_pruning_change_no_margin() -> None:
    plain = AdditiveModel(INPUTS, 0.25, TERMS)
    assert MODEL.terms.bins[0].cuts.tolist() == [-1.0, 2.5], "two bins of a have the same effect"
    np.testing.assert_allclose(plain.margin(TABLE), MODEL.margin(TABLE), rtol=0, atol=1e-12)


def test_parts_are_centred_on_the_weighted_training_rows() -> None:
    np.testing.assert_allclose(np.average(MODEL.contributions(TABLE), axis=0, weights=WEIGHT), 0, atol=1e-12)
    assert pytest.approx(np.average(MODEL.margin(TABLE), weights=WEIGHT), abs=1e-12) == MODEL.baseline


def test_a_pair_is_shared_by_its_two_inputs() -> None:
    with_pair = MODEL.row()([0.0, 3.0, "red"])[1]
    without = EbmModel(INPUTS, MODEL.baseline, Terms(MODEL.terms.bins, MODEL.terms.effects)).row()([0.0, 3.0, "red"])[1]
    half = MODEL.terms.pairs[0].table[0, 0] / 2
    assert [a - b for a, b in zip(with_pair, without, strict=True)] == pytest.approx([0.0, half, half])


def test_an_empty_table_gives_empty_answers() -> None:
    margin, contributions = MODEL.explain(TABLE.clear())
    assert margin.shape == (0,)
    assert contributions.shape == (0, 3)


def test_a_saved_model_is_the_same_and_its_bytes_repeat(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        MODEL.save(tmp_path / name)
    for file in ("model.json", "arrays.npz"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    loaded = load_model(tmp_path / "one")
    assert isinstance(loaded, EbmModel)
    assert loaded.inputs == INPUTS
    assert loaded.baseline == MODEL.baseline
    np.testing.assert_array_equal(loaded.contributions(TABLE), MODEL.contributions(TABLE))
    np.testing.assert_array_equal(loaded.margin(TABLE), MODEL.margin(TABLE))


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"baseline": None},
        {"baseline": "0.5"},
        {"inputs": []},
        {"bins": 7},
        {"bins": [{"kind": "number", "cuts": 2}, {"kind": "number", "cuts": 1}, {"kind": "number", "cuts": 2}]},
        {
            "bins": [
                {"kind": "number", "cuts": 9},
                {"kind": "number", "cuts": 1},
                {"kind": "category", "values": ["r", "b"]},
            ]
        },
        {
            "bins": [
                {"kind": "number", "cuts": 2},
                {"kind": "number", "cuts": 1},
                {"kind": "category", "values": ["r", "r"]},
            ]
        },
        {
            "bins": [
                {"kind": "number", "cuts": -2},
                {"kind": "number", "cuts": 1},
                {"kind": "category", "values": ["r", "b"]},
            ]
        },
        {"pairs": [{"first": 1, "second": 7, "shape": [3, 3]}]},
        {"pairs": [{"first": 1, "second": 2, "shape": [2, 2]}]},
        {"pairs": []},
        {"pairs": [{"first": 1}]},
    ],
)
def test_files_that_do_not_fit_are_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    MODEL.save(tmp_path)
    content = json.loads((tmp_path / "model.json").read_text())
    (tmp_path / "model.json").write_text(json.dumps(content | change))
    with pytest.raises(ModelError, match=r"Train again|train again"):
        load_model(tmp_path)


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 4] ^= 0xFF
    path.write_bytes(bytes(content))


def _pickle(path: Path) -> None:
    np.savez(path, cuts=np.array([{}], dtype=object), effects=1, indexes=1, tables=1, allow_pickle=True)


def _infinite(path: Path) -> None:
    arrays = dict(np.load(path))
    arrays["effects"][0] = np.inf
    np.savez(path, **arrays)


def _unsorted(path: Path) -> None:
    arrays = dict(np.load(path))
    arrays["cuts"] = arrays["cuts"][::-1].copy()
    np.savez(path, **arrays)


@pytest.mark.parametrize("damage", [Path.unlink, _truncate, _flip, _pickle, _infinite, _unsorted])
def test_damaged_arrays_are_refused(tmp_path: Path, damage: Any) -> None:
    MODEL.save(tmp_path)
    damage(tmp_path / "arrays.npz")
    with pytest.raises(ModelError, match=r"[Tt]rain again"):
        load_model(tmp_path)


def test_a_model_of_another_family_is_refused(tmp_path: Path) -> None:
    MODEL.save(tmp_path)
    with pytest.raises(ModelError, match="family 'ebm' in format 1, expected 'scorecard'"):
        ScorecardModel.load(tmp_path)


def test_a_step_against_the_direction_is_found_also_in_a_pair() -> None:
    assert check_monotone(INPUTS, MODEL.terms) == []
    down = Terms(BINS, (EFFECTS[0][::-1].copy(), *EFFECTS[1:]), ())
    assert check_monotone(INPUTS, down)[0].startswith("a: risk must be increasing")
    steep = Pair(0, 1, np.array([0, 1, 1, 1, 0]), np.array([0, 1, 0]), np.array([[0.0, 0.5], [0.0, 0.0]]))
    assert len(check_monotone(INPUTS, Terms(BINS, EFFECTS, (steep,)))) == 1
    gentle = Pair(0, 1, np.array([0, 1, 1, 1, 0]), np.array([0, 1, 0]), np.array([[0.0, 0.3], [0.0, 0.0]]))
    assert check_monotone(INPUTS, Terms(BINS, EFFECTS, (gentle,))) == []


def test_the_direction_of_an_ordered_category_goes_by_the_contracts_list() -> None:
    item = Input(
        name="s", kind="category", title="S", values=("low", "mid", "high"), ordered=True, monotone="decreasing"
    )
    bins = (Bins("category", np.empty(0), ("high", "low", "mid")),)
    assert check_monotone((item,), Terms(bins, (np.array([-1.0, 1.0, 0.0, 5.0, 5.0]),))) == []
    assert check_monotone((item,), Terms(bins, (np.array([1.0, -1.0, 0.0, 5.0, 5.0]),)))


def test_points_of_a_row_add_up_to_its_score() -> None:
    model = ScorecardModel.build(INPUTS, 0.25, Terms(BINS, EFFECTS), TABLE, WEIGHT)
    slope, intercept = 0.8, -0.3
    row: list[Value] = [3.0, 20.0, "blue"]
    points = points_table(model, 600, 50, 20, slope, intercept)
    chosen = points.filter(
        pl.struct("input", "bin").is_in(
            [{"input": i, "bin": b} for i, b in (("a", "2.5 or more"), ("b", "10 or more"), ("c", "blue"))]
        )
    )
    assert chosen.height == 3
    log_odds_good = -(slope * model.row()(row)[0] + intercept)
    assert chosen["points"].sum() == pytest.approx(600 + 20 / np.log(2) * (log_odds_good - np.log(50)))
    assert points.filter(pl.col("input") == "a")["bin"].to_list() == [
        "under -1",
        "-1 to under 2.5",
        "2.5 or more",
        "missing",
    ]
    with pytest.raises(ModelError, match="1"):
        points_table(MODEL, 600, 50, 20)
