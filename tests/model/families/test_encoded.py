"""The laws of trees over encoded inputs, for LightGBM and XGBoost alike."""

from __future__ import annotations

import importlib
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from model.leafwise import DATA, INPUTS, PARAMS, make_data

from creditrisk.errors import ModelError
from creditrisk.model.families.encoded import EncodedModel
from creditrisk.model.family import fit_family, load_model
from creditrisk.params import LightgbmParams, ModelParams, XgboostParams

FAMILIES = ("lightgbm", "xgboost")
SECTIONS: dict[str, type[LightgbmParams | XgboostParams]] = {"lightgbm": LightgbmParams, "xgboost": XgboostParams}
TOLERANCE = {"lightgbm": 1e-9, "xgboost": 1e-5}
"""XGBoost computes in float32."""

each = pytest.mark.parametrize("family", FAMILIES)


def fitted(family: str, seed: int = 0, **changes: Any) -> EncodedModel:
    model = fit_family(family, DATA, PARAMS.model_copy(update=changes), seed).model
    assert isinstance(model, EncodedModel)
    return model


@cache
def usual(family: str) -> EncodedModel:
    return fitted(family)


@each
def test_contributions_and_baseline_make_the_margin(family: str) -> None:
    model, table = usual(family), make_data(500, seed=1).table
    margin, contributions = model.explain(table)
    np.testing.assert_allclose(contributions.sum(axis=1) + model.baseline, margin, atol=TOLERANCE[family])
    assert (margin == model.margin(table)).all()
    assert (contributions == model.contributions(table)).all()


@each
def test_a_table_without_rows_has_no_answers(family: str) -> None:
    margin, contributions = usual(family).explain(DATA.table.clear())
    assert (margin.shape, contributions.shape) == ((0,), (0, len(INPUTS)))
    assert usual(family).margin(DATA.table.clear()).shape == (0,)


@each
def test_one_row_and_a_table_agree_to_the_last_bit(family: str) -> None:
    odd = pl.DataFrame({"amount": [1e300, None], "purpose": ["new", None], "city": ["", "c1"], "income": [-0.0, None]})
    table = pl.concat([make_data(30, seed=1).table, odd.cast(DATA.table.schema)])
    model = usual(family)
    margins, contributions = model.explain(table)
    score = model.row()
    for number, row in enumerate(table.iter_rows()):
        assert score(row) == (margins[number], contributions[number].tolist())


@each
@settings(max_examples=60)
@given(
    st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=4),
    st.sampled_from(["p0", "p1", None, "new"]),
    st.integers(0, 60),
    st.none() | st.floats(-5, 5),
)
def test_risk_goes_the_way_of_a_direction(
    family: str, amounts: list[float], purpose: str | None, city: int, income: float | None
) -> None:
    rows: list[list[Any]] = [[amount, purpose, f"c{city}", income] for amount in sorted(amounts)]
    margins = usual(family).margin(pl.DataFrame(rows, schema=dict(DATA.table.schema), orient="row"))
    assert (np.diff(margins) >= 0).all()


@each
def test_without_directions_none_binds(family: str) -> None:
    free = fitted(family, monotone=False)
    assert not (free.margin(DATA.table) == usual(family).margin(DATA.table)).all()


@each
def test_the_same_seed_gives_the_same_files(family: str, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        fitted(family, seed=3).save(tmp_path / name)
    names = {path.name for path in (tmp_path / "a").iterdir()}
    assert names == {"model.json", usual(family).trees_file}
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@each
def test_a_loaded_model_is_the_one_saved(family: str, tmp_path: Path) -> None:
    kept = usual(family)
    kept.save(tmp_path)
    loaded, table = load_model(tmp_path), DATA.table.head(100)
    assert type(loaded) is type(kept)
    assert loaded.inputs == INPUTS
    assert all((a == b).all() for a, b in zip(loaded.explain(table), kept.explain(table), strict=True))
    assert loaded.baseline == kept.baseline


@each
@pytest.mark.parametrize("damage", ["bit", "cut", "remove", "encoding"])
def test_changed_files_are_refused(family: str, tmp_path: Path, damage: str) -> None:
    usual(family).save(tmp_path)
    trees, described = tmp_path / usual(family).trees_file, tmp_path / "model.json"
    content = trees.read_bytes()
    if damage == "bit":
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


@each
def test_rounds_are_settled_on_rows_given_for_it(family: str) -> None:
    section = SECTIONS[family](rounds=500, leaves=31, learning_rate=0.3)
    params = ModelParams.model_validate({family: section})
    found = fit_family(family, DATA, params, 0, valid=make_data(800, seed=9))
    assert found.rounds is not None
    assert found.rounds < 400
    booster = found.model.booster  # type: ignore[attr-defined]
    trees = booster.num_trees() if family == "lightgbm" else booster.num_boosted_rounds()
    assert trees == found.rounds


@each
def test_what_the_user_fixed_stays_in_all_candidates(family: str) -> None:
    module = importlib.import_module(f"creditrisk.model.families.{family}")
    for rows in (1_000, 25_000):
        offered = module.candidates(rows, ModelParams.model_validate({family: {"leaves": 5}}))
        assert {getattr(one, family).leaves for one in offered} == {5}
    assert module.candidates(25_000, PARAMS) == [PARAMS]
