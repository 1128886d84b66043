"""The race: paired figures with their errors, who drops out, and what the time leaves out."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from creditrisk.contract import Input
from creditrisk.model import race as module
from creditrisk.model.family import TrainingData
from creditrisk.model.race import (
    Entrant,
    Race,
    mean_and_error,
    mean_auc,
    mean_auc_gain,
    placements,
    stratified_folds,
    stratified_sample,
)
from creditrisk.params import LightgbmParams, ModelParams

Floats = NDArray[np.float64]
ROWS = 900
RANDOM = np.random.default_rng(0)
TRUE_MARGIN = RANDOM.normal(size=ROWS) * 1.5
Y = (RANDOM.random(ROWS) < 1 / (1 + np.exp(-TRUE_MARGIN))).astype(np.float64)
DATA = TrainingData(
    pl.DataFrame({"margin": TRUE_MARGIN}), Y, np.ones(ROWS), (Input(name="margin", kind="number", title="Margin"),)
)


def entrant(noise: int) -> Entrant:
    """Its rounds say how much noise, in tenths, lies on the true margin."""
    params = ModelParams(lightgbm=LightgbmParams(rounds=10 + noise))
    return Entrant("lightgbm", params, params, stops_early=False)


@pytest.fixture(autouse=True)
def _fits_without_a_library(monkeypatch: pytest.MonkeyPatch) -> None:
    def fit(family: str, data: TrainingData, params: ModelParams, seed: int, valid: object) -> Any:
        noise = ((params.lightgbm.rounds or 0) - 10) / 10

        def margin(table: pl.DataFrame) -> Floats:
            added = np.random.default_rng(int(noise * 10)).normal(size=table.height)
            return table["margin"].to_numpy() + noise * added

        return SimpleNamespace(model=SimpleNamespace(margin=margin), rounds=params.lightgbm.rounds)

    monkeypatch.setattr(module, "fit_family", fit)


def make_race(entrants: list[Entrant], budget: float = 1e9, step: float = 1.0) -> Race:
    ticks = iter(np.arange(10_000) * step)
    return Race(DATA, stratified_folds(Y, 3, 1, 0), entrants, budget, lambda: float(next(ticks)))


def test_auc_is_the_share_of_pairs_in_order_and_ties_count_half() -> None:
    margin = np.round(RANDOM.normal(size=60), 1)
    y = (RANDOM.random(60) < 0.4).astype(np.float64)
    bad, good = margin[y == 1], margin[y == 0]
    pairs = (bad[:, None] > good).mean() + (bad[:, None] == good).mean() / 2
    of_bad, of_good = placements(margin, y, np.ones(60))
    assert of_bad.mean() == pytest.approx(pairs)
    assert of_good.mean() == pytest.approx(pairs)


def test_the_error_of_a_gain_is_that_of_new_samples() -> None:
    gains = []
    for seed in range(300):
        random = np.random.default_rng(seed)
        true = random.normal(size=300)
        y = (random.random(300) < 1 / (1 + np.exp(-true))).astype(np.float64)
        ours, theirs = true + random.normal(size=300) * 0.5, true + random.normal(size=300)
        gains.append(mean_auc_gain([ours], [theirs], [(y, np.ones(300))])[0])
    race = make_race([entrant(5), entrant(10)])
    race.run(0)
    _, error = race.auc_gain(race.entrants[0], race.entrants[1], 3)
    # Three folds of 300 rows each: the mean of three such samples.
    assert error == pytest.approx(np.std(gains) / np.sqrt(3), rel=0.25)


def test_weights_count_in_the_auc_that_families_are_compared_by() -> None:
    """One is right where the weight is, the other on more rows."""
    random = np.random.default_rng(1)
    true = random.normal(size=2_000)
    y = (random.random(2_000) < 1 / (1 + np.exp(-true))).astype(np.float64)
    heavy = random.random(2_000) < 0.3
    weight = np.where(heavy, 10.0, 0.5)
    ours, theirs = (np.where(mask, true, random.normal(size=2_000)) for mask in (heavy, ~heavy))
    aucs = [roc_auc_score(y, margin, sample_weight=weight) for margin in (ours, theirs)]
    gain, error = mean_auc_gain([ours], [theirs], [(y, weight)])
    assert gain == pytest.approx(aucs[0] - aucs[1])
    assert gain > 5 * error > 0
    assert mean_auc([ours], [(y, weight)])[0] == pytest.approx(aucs[0])
    # A weight that all rows share changes nothing.
    even = [mean_auc_gain([ours], [theirs], [(y, np.full(2_000, one))]) for one in (1.0, 3.0)]
    assert even[0] == pytest.approx(even[1])
    assert even[0][0] < 0


def test_one_against_itself_gains_nothing_without_error() -> None:
    race = make_race([entrant(5), entrant(5)])
    race.run(0)
    assert race.auc_gain(race.entrants[0], race.entrants[1], 3) == (0.0, 0.0)


def test_who_is_clearly_behind_drops_out_and_the_last_one_ends_the_race() -> None:
    race = make_race([entrant(40), entrant(0)])
    race.run(0)
    assert [one.folds for one in race.entrants] == [1, 2]
    assert race.entrants[0].out == "clearly behind in log loss after 1 of 3 folds"


def test_who_is_close_stays() -> None:
    race = make_race([entrant(0), entrant(1)])
    race.run(0)
    assert [(one.folds, one.out) for one in race.entrants] == [(3, ""), (3, "")]


def test_the_budget_ends_the_race_but_not_before_the_first_fit() -> None:
    race = make_race([entrant(0), entrant(1)], budget=0.5)
    race.run(0)
    assert [one.folds for one in race.entrants] == [1, 0]
    assert race.entrants[1].out == "left out for time after 0 of 3 folds"


def test_weighted_mean_and_its_error() -> None:
    values = RANDOM.normal(size=5_000)
    mean, error = mean_and_error(values, np.ones(5_000))
    assert mean == pytest.approx(values.mean())
    assert error == pytest.approx(values.std() / np.sqrt(5_000))


def test_folds_part_the_rows_with_the_same_share_of_bad_ones() -> None:
    folds = stratified_folds(Y, 4, 2, 0)
    assert len(folds) == 8
    for draw in (folds[:4], folds[4:]):
        assert sorted(np.concatenate([judge for _, judge in draw])) == list(range(ROWS))
    for fit, judge in folds:
        assert not set(fit) & set(judge)
        assert len(fit) + len(judge) == ROWS
        assert Y[judge].mean() == pytest.approx(Y.mean(), abs=1 / len(judge))
    assert set(folds[0][1]) != set(folds[4][1])


def test_a_sample_keeps_the_share_of_bad_rows() -> None:
    rows = stratified_sample(Y, 300, 0)
    assert rows.size == pytest.approx(300, abs=1)
    assert (np.diff(rows) > 0).all()
    assert Y[rows].mean() == pytest.approx(Y.mean(), abs=0.005)
    assert stratified_sample(Y, ROWS, 0).tolist() == list(range(ROWS))
