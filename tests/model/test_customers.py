"""Standard errors where customers have several rows: those of new samples of customers, not of rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from returning import CUSTOMERS, DRAWS, FOLDS, Returning, returning

from creditrisk.model import race as module
from creditrisk.model.customers import covariance_of_aucs, pooled
from creditrisk.model.race import Entrant, Race, mean_and_error, repetition
from creditrisk.params import LightgbmParams, ModelParams

Floats = NDArray[np.float64]
SAMPLES = 400
ROUNDS = {"one": 10, "other": 11}


def entrant(name: str, margins: list[Floats] | None = None) -> Entrant:
    """Its rounds say which column holds its margins."""
    params = ModelParams(lightgbm=LightgbmParams(rounds=ROUNDS[name]))
    return Entrant("lightgbm", params, params, stops_early=False, margins=margins or [])


@pytest.fixture
def _margins_from_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    def fit(family: str, data: object, params: ModelParams, seed: int, valid: object) -> Any:
        def margin(table: pl.DataFrame) -> Floats:
            return table["one" if params.lightgbm.rounds == ROUNDS["one"] else "other"].to_numpy()

        return SimpleNamespace(model=SimpleNamespace(margin=margin), rounds=None)

    monkeypatch.setattr(module, "fit_family", fit)


def raced(found: Returning) -> Race:
    """Both families after all folds."""
    entrants = [entrant(name, found.margins(name)) for name in ("one", "other")]
    return Race(found.data, found.folds, entrants, 1e9, draw=FOLDS)


def gain(race: Race) -> tuple[float, float]:
    return race.auc_gain(race.entrants[0], race.entrants[1], len(race.folds))


def auc(race: Race) -> tuple[float, float]:
    return race.auc(race.entrants[0], len(race.folds))


def log_loss(race: Race) -> tuple[float, float]:
    return race.log_loss(race.entrants[0], len(race.folds))


def paired_log_loss(race: Race) -> tuple[float, float]:
    """As the race itself works it out to see who drops out."""
    (one, weight), (other, _) = (race.losses(each, len(race.folds)) for each in race.entrants)
    mean, error = mean_and_error(one - other, weight, pooled(race.customers, len(race.folds)))
    return mean, error * repetition(len(race.folds), race.draw)


@cache
def measured(figure: Callable[[Race], tuple[float, float]]) -> tuple[Floats, Floats]:
    """A figure of each of the samples, and its standard error."""
    values, errors = np.array([figure(raced(returning(seed))) for seed in range(SAMPLES)]).T
    return values, errors


@pytest.mark.parametrize("figure", [gain, auc, log_loss, paired_log_loss])
def test_the_error_is_the_spread_of_new_samples(figure: Callable[[Race], tuple[float, float]]) -> None:
    """Taken row by row it was 0.52 to 0.57 of that, by customers 0.97 to 1.05 (of 1,000 samples)."""
    values, errors = measured(figure)
    assert errors.mean() == pytest.approx(values.std(), rel=0.12)


def test_an_equal_family_seems_better_by_a_standard_error_no_more_often_than_by_chance() -> None:
    """A normal's 16 %; taken row by row it was 29 %."""
    gains, errors = measured(gain)
    assert 0.11 < (gains > errors).mean() < 0.21


@pytest.mark.usefixtures("_margins_from_the_table")
def test_an_equal_family_seldom_drops_out() -> None:
    """Behind by two standard errors after any of five folds: 12 % of 1,000 samples; taken row by row 57 %."""
    out = 0
    for seed in range(SAMPLES // 3):
        found = returning(seed)
        race = Race(found.data, found.folds, [entrant("one"), entrant("other")], 1e9, draw=FOLDS)
        race.run(0)
        out += any(one.out for one in race.entrants)
    assert out < 0.2 * (SAMPLES // 3)


def test_rows_told_again_are_no_further_evidence() -> None:
    """Each row four times over: AUCs have the error that they had once, and means but for the number of customers."""
    once = returning(0, loans=1)
    again = np.repeat(np.arange(CUSTOMERS), 4)
    folds = tuple((np.flatnonzero(np.isin(again, a)), np.flatnonzero(np.isin(again, b))) for a, b in once.folds)
    races = [raced(once), raced(Returning(once.data.take(again), folds))]
    assert gain(races[1]) == pytest.approx(gain(races[0]))
    (mean, error), told_again = log_loss(races[0]), log_loss(races[1])
    many = CUSTOMERS * DRAWS
    assert told_again == pytest.approx((mean, error * np.sqrt(many / (many - 1))))


def test_customers_of_one_row_each_change_nothing() -> None:
    found = returning(0, loans=1)
    unknown = replace(found, data=replace(found.data, group=None))
    for figure in (gain, auc, log_loss, paired_log_loss):
        assert figure(raced(found)) == figure(raced(unknown))


def test_weights_do_not_make_customers_of_rows() -> None:
    """A row of weight two is as two rows of the same customer."""
    values, customers = np.array([1.0, 3.0, 2.0, 5.0]), np.array([7, 7, 2, 9])
    told, again = np.array([1.0, 2.0, 1.0, 1.0]), np.array([0, 1, 1, 2, 3])
    weighted = mean_and_error(values, told, customers)
    assert weighted == pytest.approx(mean_and_error(values[again], np.ones(5), customers[again]))


def test_one_customer_alone_tells_nothing_of_a_spread() -> None:
    random = np.random.default_rng(0)
    bad, good = ((random.random((2, rows)), np.ones(rows)) for rows in (3, 40))
    found = covariance_of_aucs((*bad, np.zeros(3, dtype=np.int64)), (*good, np.arange(1, 41)))
    assert found == pytest.approx(np.cov(good[0]) / 40)
