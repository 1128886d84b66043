"""XGBoost: its own contributions, and the baseline that it is given."""

from __future__ import annotations

import numpy as np
import pytest
import xgboost
from model.leafwise import DATA, INPUTS, PARAMS, make_data

from creditrisk.model.families.xgboost import XgboostModel
from creditrisk.model.family import TrainingData, fit_family
from creditrisk.params import ModelParams, XgboostParams


def make_model() -> XgboostModel:
    model = fit_family("xgboost", DATA, PARAMS, 0).model
    assert isinstance(model, XgboostModel)
    return model


MODEL = make_model()


def test_contributions_are_xgboosts_own_added_up_by_input() -> None:
    table = make_data(300, seed=4).table
    rows = xgboost.DMatrix(MODEL.encoding.matrix(table).astype(np.float32), missing=np.nan)
    theirs = MODEL.booster.predict(rows, pred_contribs=True).astype(np.float64)
    owner = [column.input_index for column in MODEL.encoding.columns]
    wanted = np.array([[row[:-1][np.equal(owner, place)].sum() for place in range(len(INPUTS))] for row in theirs])
    np.testing.assert_allclose(MODEL.contributions(table), wanted, atol=1e-12)
    assert (theirs[:, -1] == MODEL.baseline).all()
    assert len(owner) > len(INPUTS)


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
