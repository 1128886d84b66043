from __future__ import annotations

from typing import Any

import lightgbm
import numpy as np
import polars as pl
import pytest
from glassbox import INPUTS, make_data

from creditrisk.model.additive.columns import terms_of_inputs
from creditrisk.model.additive.directions import check_monotone
from creditrisk.model.additive.runtime import EbmModel
from creditrisk.model.additive.terms import Floats, Terms
from creditrisk.model.encoding import Encoding, fit_encoding
from creditrisk.model.families.ebm import fit
from creditrisk.model.families.pair_trees import PairTrees, fit_pair_trees
from creditrisk.model.family import TrainingData
from creditrisk.params import ModelParams

ROWS = 4_000
PARAMS = ModelParams.model_validate(
    {"ebm": {"bags": 2, "rounds": 120, "interactions": 4, "tree_pairs": 8}, "encoding": {"one_hot_up_to": 10}}
)
DATA = make_data(ROWS, 0)
NEW = make_data(600, 1).table


def encoded(data: TrainingData, params: ModelParams = PARAMS) -> Encoding:
    return fit_encoding(data, params, 0, one_hot=False)


def terms_of(trees: PairTrees, encoding: Encoding) -> Terms:
    return terms_of_inputs(encoding, trees.cuts, trees.terms)


def margin(trees: PairTrees, encoding: Encoding, table: pl.DataFrame) -> Floats:
    return EbmModel(INPUTS, trees.intercept, terms_of(trees, encoding)).margin(table)


def at_the_cuts(trees: PairTrees) -> pl.DataFrame:
    """Ages and incomes at which bins begin, and the numbers just below."""
    incomes, ages = (np.concatenate([cuts, np.nextafter(cuts, -np.inf)]) for cuts in (trees.cuts[0], trees.cuts[1]))
    assert min(incomes.size, ages.size) >= 8
    few = min(incomes.size, ages.size)
    return NEW.head(few).with_columns(pl.Series("income", incomes[:few]), pl.Series("age", ages[:few]))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("directed", [False, True])
def test_the_tables_equal_the_librarys_own_margin(
    monkeypatch: pytest.MonkeyPatch, weighted: bool, directed: bool
) -> None:
    made: list[lightgbm.Booster] = []
    train = lightgbm.train

    def recorded(*given: Any, **more: Any) -> lightgbm.Booster:
        made.append(train(*given, **more))
        return made[-1]

    monkeypatch.setattr(lightgbm, "train", recorded)
    data = make_data(ROWS, 0, weighted)
    encoding = encoded(data, PARAMS.model_copy(update={"monotone": directed}))
    trees = fit_pair_trees(data, encoding, PARAMS.ebm, 0)
    assert len(made) == 1 + PARAMS.ebm.bags  # the first one finds the pairs
    assert trees.trees == [one.best_iteration for one in made[1:]]
    for table in (NEW, at_the_cuts(trees)):
        known = table.with_columns(pl.col("age").fill_null(40.0))
        own = np.mean(
            [one.predict(encoding.matrix(known), raw_score=True) for one in made[1:]], axis=0, dtype=np.float64
        )
        assert np.ptp(own) > 1
        np.testing.assert_allclose(margin(trees, encoding, known), own, rtol=0, atol=1e-12)


def test_inputs_with_a_direction_are_paired_and_follow_it_to_the_last_bit() -> None:
    fitted = fit(DATA, PARAMS, 0)
    model = fitted.model
    assert isinstance(model, EbmModel)
    paired = {name for pair in fitted.details["pairs_of_trees"] for name in pair.split(" & ")}
    assert {"income", "arrears"} <= paired
    assert not {"income", "arrears"} & {name for pair in fitted.details["pairs"] for name in pair.split(" & ")}
    assert check_monotone(INPUTS, model.terms) == []
    for name, sign in (("income", -1), ("arrears", 1)):
        rows = NEW.drop_nulls(name)
        for step in (1e-9, 0.01, 0.3, 5.0):
            higher = rows.with_columns(pl.col(name) + (pl.col(name).abs() + 0.5) * step)
            assert (sign * (model.margin(higher) - model.margin(rows)) >= 0).all()
    for low, high in (("none", "some"), ("some", "much")):
        worse, better = (NEW.with_columns(pl.lit(value).alias("savings")) for value in (low, high))
        assert (model.margin(better) <= model.margin(worse)).all()


def test_without_directions_some_step_goes_the_other_way() -> None:
    encoding = encoded(DATA, PARAMS.model_copy(update={"monotone": False}))
    assert check_monotone(INPUTS, terms_of(fit_pair_trees(DATA, encoding, PARAMS.ebm, 0), encoding))


def test_pairs_hold_no_main_effects() -> None:
    encoding = encoded(DATA)
    trees = fit_pair_trees(DATA, encoding, PARAMS.ebm, 0)
    pairs = [term for term in trees.terms if len(term.columns) == 2]
    assert 1 <= len(pairs) <= PARAMS.ebm.tree_pairs  # type: ignore[operator]
    for term in pairs:
        first, second = (
            place(encoding.training_matrix[:, at]) for place, at in zip(term.places, term.columns, strict=True)
        )
        added = term.table[first, second]
        size = np.abs(added).mean()
        for places in (first, second):
            sums, counts = np.bincount(places, weights=added), np.bincount(places)
            assert np.abs(sums[counts > 0] / counts[counts > 0]).max() < 1e-3 * size


def test_what_no_training_row_had_gets_the_mean() -> None:
    """The trees send a first missing value, or an unseen code, to wherever their splits happen to lead."""
    whole = DATA.table.with_columns(pl.col("home").fill_null("rent"))
    data = TrainingData(whole, DATA.y, DATA.weight, INPUTS)
    encoding = encoded(data)
    trees = fit_pair_trees(data, encoding, PARAMS.ebm, 0)
    for name in ("age", "home"):
        assert whole[name].null_count() == 0
        one = whole.head(1)
        others = pl.concat([one.with_columns(whole[name][at : at + 1]) for at in range(ROWS)])
        missing = one.with_columns(pl.lit(None, dtype=whole.schema[name]).alias(name))
        mean = margin(trees, encoding, others).mean()
        # A pair's mean is over the rows that have the partner's level, which for one input alone is nearly this.
        assert margin(trees, encoding, missing)[0] == pytest.approx(mean, abs=0.05)
    unseen = one.with_columns(pl.lit("castle").alias("home"))
    assert margin(trees, encoding, unseen)[0] == margin(trees, encoding, missing)[0]


def test_the_machine_and_the_trees_are_averaged() -> None:
    params = PARAMS.model_copy(update={"monotone": False})
    settings = params.ebm
    alone = params.model_copy(update={"ebm": settings.model_copy(update={"tree_pairs": 0})})
    encoding = encoded(DATA, params)
    trees = margin(fit_pair_trees(DATA, encoding, settings, 0), encoding, NEW)
    machine = fit(DATA, alone, 0).model.margin(NEW)
    np.testing.assert_allclose(fit(DATA, params, 0).model.margin(NEW), (trees + machine) / 2, rtol=0, atol=1e-9)
    assert np.abs(trees - machine).max() > 0.1


def test_a_small_table_has_no_trees_by_default_and_a_large_one_has() -> None:
    free = ModelParams.model_validate({"ebm": {"bags": 1, "rounds": 30}})
    assert "trees" not in fit(make_data(1_000, 0), free, 0).details
    assert fit(DATA, free, 0).details["trees"]


def test_the_seed_alone_decides() -> None:
    encoding = encoded(DATA)
    one, again, other = (margin(fit_pair_trees(DATA, encoding, PARAMS.ebm, seed), encoding, NEW) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, other)


def test_nothing_to_learn_gives_one_rate_for_all() -> None:
    random = np.random.default_rng(0)
    y = (random.random(ROWS) < 0.2).astype(float)
    dull = DATA.table.with_columns(
        pl.lit(1.0).alias(item.name) if item.kind == "number" else pl.lit("rent").alias(item.name) for item in INPUTS
    )
    data = TrainingData(dull, y, np.ones(ROWS), INPUTS)
    encoding = encoded(data)
    found = margin(fit_pair_trees(data, encoding, PARAMS.ebm, 0), encoding, dull)
    assert np.ptp(found) == 0
    assert 1 / (1 + np.exp(-found[0])) == pytest.approx(y.mean(), abs=0.02)
