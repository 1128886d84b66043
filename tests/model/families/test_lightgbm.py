"""LightGBM: its own contributions, and its baseline."""

from __future__ import annotations

import numpy as np
import pytest
from model.leafwise import DATA, INPUTS, PARAMS, make_data

from creditrisk.model.families.lightgbm import LightgbmModel
from creditrisk.model.family import fit_family


def make_model() -> LightgbmModel:
    model = fit_family("lightgbm", DATA, PARAMS, 0).model
    assert isinstance(model, LightgbmModel)
    return model


MODEL = make_model()


def test_contributions_are_lightgbms_own_added_up_by_input() -> None:
    table = make_data(300, seed=4).table
    theirs = np.asarray(MODEL.booster.predict(MODEL.encoding.matrix(table), pred_contrib=True))
    owner = [column.input_index for column in MODEL.encoding.columns]
    wanted = np.array([[row[:-1][np.equal(owner, place)].sum() for place in range(len(INPUTS))] for row in theirs])
    np.testing.assert_allclose(MODEL.contributions(table), wanted, atol=1e-12)
    assert (theirs[:, -1] == MODEL.baseline).all()
    assert len(owner) > len(INPUTS)


def test_baseline_is_near_the_mean_margin_of_the_training_rows() -> None:
    assert MODEL.baseline == pytest.approx(MODEL.margin(DATA.table).mean(), abs=0.1)
