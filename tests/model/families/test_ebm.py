from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from glassbox import INPUTS, as_table, make_data, odd_rows

from creditrisk.model.additive.directions import check_monotone
from creditrisk.model.additive.runtime import EbmModel
from creditrisk.model.additive.terms import Floats
from creditrisk.model.encoding import fit_encoding
from creditrisk.model.families.ebm import as_interpret, candidates, export, fit, train, with_defaults
from creditrisk.model.family import load_model
from creditrisk.params import ModelParams

PARAMS = ModelParams.model_validate(
    {"ebm": {"bags": 2, "rounds": 120, "interactions": 6}, "encoding": {"one_hot_up_to": 10}}
)
DATA = make_data(1_500, 0)
NEW = make_data(400, 1).table
FITTED = fit(DATA, PARAMS, 0)
MODEL = FITTED.model


def both(table: pl.DataFrame, params: ModelParams, weighted: bool) -> tuple[Floats, Floats]:
    """Margin by interpret itself and by the export, on rows that it did not see."""
    data = make_data(1_500, 0, weighted)
    encoding = fit_encoding(data, params, 0, one_hot=False)
    machine = train(data, encoding, with_defaults(1_500, params).ebm, 0)
    model = EbmModel.build(
        data.inputs, float(machine.intercept_[0]), export(machine, encoding), data.table, data.weight
    )
    return machine.decision_function(as_interpret(encoding.matrix(table), encoding.columns)), model.margin(table)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("monotone", [False, True])
def test_the_export_equals_interprets_own_margin(weighted: bool, monotone: bool) -> None:
    table = pl.concat([NEW, as_table(odd_rows()[:4])])
    own, exported = both(table, PARAMS.model_copy(update={"monotone": monotone}), weighted)
    assert np.ptp(own) > 1
    np.testing.assert_allclose(exported, own, rtol=0, atol=1e-12)


def test_contributions_equal_interprets_terms_summed_by_input() -> None:
    encoding = fit_encoding(DATA, PARAMS, 0, one_hot=False)
    machine = train(DATA, encoding, with_defaults(1_500, PARAMS).ebm, 0)
    model = EbmModel.build(
        DATA.inputs, float(machine.intercept_[0]), export(machine, encoding), DATA.table, DATA.weight
    )
    expected = np.zeros((NEW.height, len(INPUTS)))
    own = machine.eval_terms(as_interpret(encoding.matrix(NEW), encoding.columns))
    centre = machine.eval_terms(as_interpret(encoding.matrix(DATA.table), encoding.columns)).mean(axis=0)
    assert any(len(term) == 2 for term in machine.term_features_)
    for at, term in enumerate(machine.term_features_):
        for feature in term:
            expected[:, encoding.columns[feature].input_index] += (own[:, at] - centre[at]) / len(term)
    np.testing.assert_allclose(model.contributions(NEW), expected, rtol=0, atol=1e-12)


def test_one_row_equals_the_table_to_the_last_bit() -> None:
    rows = [list(row) for row in NEW.head(150).iter_rows()] + odd_rows()
    table, score = as_table(rows), MODEL.row()
    margin, contributions = MODEL.margin(table), MODEL.contributions(table)
    for at, row in enumerate(rows):
        one, parts = score(row)
        assert one == margin[at]
        assert list(parts) == contributions[at].tolist()
    assert np.isfinite(margin).all()


def test_directions_hold_in_the_tables_and_between_rows() -> None:
    assert isinstance(MODEL, EbmModel)
    assert check_monotone(INPUTS, MODEL.terms) == []
    for name, sign in (("income", -1), ("arrears", 1)):
        low = NEW.drop_nulls(name)
        high = low.with_columns(pl.col(name) + pl.col(name).abs() * 0.3 + 1)
        assert (sign * (MODEL.margin(high) - MODEL.margin(low)) >= 0).all()
    free = fit(DATA, PARAMS.model_copy(update={"monotone": False}), 0).model
    assert isinstance(free, EbmModel)
    assert check_monotone(INPUTS, free.terms)
    assert FITTED.details["inputs_without_pairs"] == ["arrears", "income", "savings"]
    assert not {"income", "arrears"} & set(" & ".join(FITTED.details["pairs"]).split(" & "))


def test_the_seed_alone_decides() -> None:
    again = fit(DATA, PARAMS, 0).model
    np.testing.assert_array_equal(again.margin(NEW), MODEL.margin(NEW))
    assert not np.array_equal(fit(DATA, PARAMS, 1).model.margin(NEW), MODEL.margin(NEW))


def test_a_loaded_model_answers_the_same(tmp_path: Path) -> None:
    MODEL.save(tmp_path)
    loaded = load_model(tmp_path)
    np.testing.assert_array_equal(loaded.contributions(NEW), MODEL.contributions(NEW))
    assert {path.name for path in tmp_path.iterdir()} == {"model.json", "arrays.npz"}


def test_values_too_rare_to_be_anonymous_are_not_in_the_files(tmp_path: Path) -> None:
    MODEL.save(tmp_path)
    counts = DATA.table["town"].value_counts()
    rare = counts.filter(pl.col("count") < PARAMS.encoding.min_rows)["town"].drop_nulls().to_list()
    text = (tmp_path / "model.json").read_text(encoding="utf-8")
    assert rare
    assert not [town for town in rare if f'"{town}"' in text]


def test_it_learns_more_than_half_of_what_is_there() -> None:
    held = make_data(3_000, 5)
    margin = MODEL.margin(held.table)
    above = margin[held.y == 1][:, None] > margin[held.y == 0][None, :]
    assert above.mean() > 0.70


def test_capacities_differ_and_keep_what_is_fixed() -> None:
    free = ModelParams()
    assert {p.ebm.interactions for p in candidates(800, free)} == {0, 8}
    assert len(candidates(20_000, free)) == 2
    assert [p.ebm.interactions for p in candidates(20_000, PARAMS)] == [6]
    assert all(p.ebm.rounds == 120 for p in candidates(800, PARAMS))


def test_a_penalty_keeps_effects_small() -> None:
    def spread(l2: float) -> float:
        params = ModelParams.model_validate({"ebm": {"bags": 2, "rounds": 120, "interactions": 0, "l2": l2}})
        return float(np.std(fit(DATA, params, 0).model.margin(NEW)))

    assert spread(1_000.0) < 0.9 * spread(0.0)
