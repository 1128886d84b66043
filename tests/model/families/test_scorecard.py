from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from glassbox import INPUTS, as_table, make_data, odd_rows

from creditrisk.contract import Input
from creditrisk.errors import ModelError
from creditrisk.model.additive.directions import check_monotone
from creditrisk.model.additive.points import points_table
from creditrisk.model.additive.runtime import ScorecardModel
from creditrisk.model.encoding import fit_encoding
from creditrisk.model.families.binning import bin_input
from creditrisk.model.families.scorecard import candidates, fit, regress, wald
from creditrisk.model.family import TrainingData, load_model
from creditrisk.params import ModelParams

PARAMS = ModelParams.model_validate({"encoding": {"one_hot_up_to": 10}, "scorecard": {"min_iv": 0.01}})
DATA = make_data(2_000, 0)
NEW = make_data(400, 1).table
FITTED = fit(DATA, PARAMS, 0)
MODEL = FITTED.model
BY_NAME = {entry["input"]: entry for entry in FITTED.details["inputs"]}


def numbers_only(rows: int = 2_000) -> TrainingData:
    data = make_data(rows, 0)
    inputs = tuple(
        item.model_copy(update={"monotone": None}) for item in INPUTS if item.name in ("income", "age", "arrears")
    )
    return TrainingData(data.table.select(item.name for item in inputs), data.y, data.weight, inputs)


def test_the_margin_equals_optbinning_and_scikit_learn() -> None:
    """Bins by OptBinning's own transform, evidence by the stated formula, regression by scikit-learn."""
    from optbinning import OptimalBinning
    from sklearn.linear_model import LogisticRegression

    data = numbers_only()
    share = data.y.mean()
    columns = []
    for name in data.table.columns:
        values = data.table[name].to_numpy()
        there = ~np.isnan(values)
        peer = OptimalBinning(max_n_prebins=20, max_n_bins=8, min_prebin_size=0.03, min_bin_size=0.03,
                              monotonic_trend="auto_heuristic")  # fmt: skip
        peer.fit(values[there], data.y[there].astype(int))
        places = np.where(there, peer.transform(values, metric="indices", metric_missing=99), 99)
        woe = np.zeros(places.size)
        for place in np.unique(places):
            own = places == place
            bad, good = data.y[own].sum() + 10 * share, (1 - data.y[own]).sum() + 10 * (1 - share)
            woe[own] = math.log(bad / good) - math.log(share / (1 - share))
        columns.append(woe)
    matrix = np.column_stack(columns)
    peer = LogisticRegression(C=1.0, tol=1e-10).fit(matrix, data.y)
    assert (peer.coef_ > 0).all()
    model = fit(data, ModelParams.model_validate({"scorecard": {"min_iv": 0}}), 0).model
    np.testing.assert_allclose(model.margin(data.table), peer.decision_function(matrix), rtol=0, atol=1e-4)


def test_one_row_equals_the_table_to_the_last_bit() -> None:
    rows = [list(row) for row in NEW.head(150).iter_rows()] + odd_rows()
    table, score = as_table(rows), MODEL.row()
    margin, contributions = MODEL.margin(table), MODEL.contributions(table)
    for at, row in enumerate(rows):
        one, parts = score(row)
        assert one == margin[at]
        assert list(parts) == contributions[at].tolist()
    np.testing.assert_allclose(MODEL.baseline + contributions.sum(axis=1), margin, rtol=0, atol=1e-9)


def test_directions_hold_and_signs_are_right() -> None:
    assert isinstance(MODEL, ScorecardModel)
    assert check_monotone(INPUTS, MODEL.terms) == []
    assert all(BY_NAME[name]["coefficient"] > 0 for name in FITTED.details["kept"])
    low = NEW.drop_nulls("income")
    assert (MODEL.margin(low.with_columns(pl.col("income") * 1.5)) <= MODEL.margin(low)).all()


def test_an_input_that_stands_in_for_another_is_dropped_for_its_sign() -> None:
    """X predicts through z alone, and against its own bins once z is there."""
    random = np.random.default_rng(0)
    z = random.normal(size=4_000)
    x = z + random.normal(size=4_000) * 0.5
    y = (random.random(4_000) < 1 / (1 + np.exp(-(3 * z - 1.5 * x)))).astype(float)
    inputs = tuple(Input(name=name, kind="number", title=name) for name in ("z", "x"))
    fitted = fit(TrainingData(pl.DataFrame({"z": z, "x": x}), y, np.ones(4_000), inputs), PARAMS, 0)
    assert fitted.details["kept"] == ["z"]
    assert "goes against its own bins" in fitted.details["dropped"]["x"]


def test_inputs_that_tell_nothing_are_dropped_with_the_reason() -> None:
    assert FITTED.details["dropped"]["constant"].startswith("information value 0.000 is below")
    assert "empty" in FITTED.details["dropped"]
    at = [item.name for item in INPUTS].index("constant")
    assert not MODEL.contributions(NEW)[:, at].any()


def test_nothing_to_learn_is_an_error() -> None:
    inputs = tuple(item for item in INPUTS if item.name in ("constant", "empty"))
    data = TrainingData(DATA.table.select("constant", "empty"), DATA.y, DATA.weight, inputs)
    with pytest.raises(ModelError, match="no input tells good from bad"):
        fit(data, PARAMS, 0)


def test_missing_has_a_bin_of_its_own_and_bins_cover_all_rows() -> None:
    bins = BY_NAME["income"]["bins"]
    assert bins[-1]["bin"] == "missing"
    assert bins[-1]["rows"] == DATA.table["income"].null_count()
    for entry in FITTED.details["inputs"]:
        assert sum(line["rows"] for line in entry["bins"]) == DATA.table.height
    rates = [line["bad_rate"] for line in bins[:-1]]
    assert len(rates) >= 3
    assert rates == sorted(rates, reverse=True)


def test_weights_count_as_repeated_rows() -> None:
    data = numbers_only(1_000)
    weight = np.random.default_rng(0).integers(1, 3, 1_000)
    repeated = data.take(np.repeat(np.arange(1_000), weight))
    weighted = TrainingData(data.table, data.y, weight.astype(float), data.inputs)
    binned = bin_input(weighted, 0, PARAMS, 0)
    matrix = np.column_stack([binned.training])
    one = regress(matrix, weighted, 1.0)
    two = regress(matrix[np.repeat(np.arange(1_000), weight)], repeated, 1.0)
    np.testing.assert_allclose(one[0], two[0], atol=1e-8)
    assert one[1] == pytest.approx(two[1], abs=1e-8)
    model = fit(weighted, PARAMS, 0).model
    assert pytest.approx(np.average(model.margin(data.table), weights=weight), abs=1e-9) == model.baseline


def test_walds_test_knows_noise_from_signal() -> None:
    random = np.random.default_rng(0)
    matrix = random.normal(size=(3_000, 2))
    y = (random.random(3_000) < 1 / (1 + np.exp(-matrix[:, 0]))).astype(float)
    inputs = (Input(name="x", kind="number", title="X"),)
    data = TrainingData(pl.DataFrame({"x": matrix[:, 0]}), y, np.ones(3_000), inputs)
    coefficients, intercept = regress(matrix, data, 1e6)
    signal, noise = wald(matrix, data, coefficients, intercept, 1e6)
    assert signal["p_value"] < 1e-10
    assert noise["p_value"] > 0.01
    assert signal["z"] == pytest.approx(signal["coefficient"] / signal["std_error"])
    assert signal["std_error"] == pytest.approx(1 / math.sqrt(3_000 * 0.2), rel=0.15)


def test_towns_of_like_risk_share_bins_placed_out_of_fold() -> None:
    at = [item.name for item in INPUTS].index("town")
    binned = bin_input(DATA, at, PARAMS, 0)
    assert len(binned.bins.values) > 10
    assert len(np.unique(binned.woe)) <= PARAMS.scorecard.max_bins
    one = TrainingData(DATA.table.select("town"), DATA.y, DATA.weight, (INPUTS[at],))
    assert np.corrcoef(binned.training, fit_encoding(one, PARAMS, 0).training_matrix[:, 0])[0, 1] > 0.8


def test_a_loaded_scorecard_answers_the_same(tmp_path: Path) -> None:
    MODEL.save(tmp_path)
    loaded = load_model(tmp_path)
    assert isinstance(loaded, ScorecardModel)
    np.testing.assert_array_equal(loaded.contributions(NEW), MODEL.contributions(NEW))


def test_points_fall_as_risk_rises_and_name_every_kept_input() -> None:
    assert isinstance(MODEL, ScorecardModel)
    points = points_table(MODEL, 600, 50, 20)
    assert points["input"].unique(maintain_order=True).to_list() == FITTED.details["kept"]
    order = (
        points.sort("log_odds").group_by("input", maintain_order=True).agg(pl.col("points").diff().drop_nulls().max())
    )
    assert (order["points"] <= 0).all()


def test_a_scorecard_has_one_capacity() -> None:
    assert candidates(1_000, PARAMS) == [PARAMS]
