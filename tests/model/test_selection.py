"""Which family, which capacity, how many rounds: chosen on inner folds, within the time, around what is fixed."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import polars as pl
import pytest

from creditrisk.contract import Input
from creditrisk.errors import DataError
from creditrisk.model import selection
from creditrisk.model.family import TrainingData
from creditrisk.model.race import Race
from creditrisk.model.selection import select
from creditrisk.params import BlendParams, CatboostParams, EbmParams, LightgbmParams, ModelParams, XgboostParams

QUICK_EBM = EbmParams(bags=4, rounds=500, interactions=2, tree_pairs=0, learning_rate=0.1, max_bins=32, l2=0.0)
QUICK_CATBOOST = CatboostParams(rounds=150, depth=5, learning_rate=0.2)
QUICK = ModelParams(folds=2, ebm=QUICK_EBM, catboost=QUICK_CATBOOST)


class Clock:
    """A clock that moves on by so many seconds whenever it is read."""

    def __init__(self, step: float) -> None:
        self.now, self.step = 0.0, step

    def __call__(self) -> float:
        self.now += self.step
        return self.now


def make_data(rows: int, *, interactions: bool, seed: int = 0) -> TrainingData:
    """Five numbers: additive effects of all, or a product of three signs that no sum of pairs can follow."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, 5))
    margin = 2.5 * np.sign(x[:, 0] * x[:, 1] * x[:, 2]) if interactions else x.sum(axis=1)
    y = (random.random(rows) < 1 / (1 + np.exp(-margin))).astype(np.float64)
    inputs = tuple(Input(name=f"x{i}", kind="number", title=f"X{i}") for i in range(5))
    return TrainingData(pl.DataFrame(x, schema=[item.name for item in inputs]), y, np.ones(rows), inputs)


def test_strong_interactions_take_catboost() -> None:
    found = select(make_data(3_200, interactions=True), QUICK, 0)
    assert found.family == "catboost"
    auc = {entry["family"]: entry["auc"] for entry in found.leaderboard}
    assert auc["catboost"] > auc["ebm"] + 0.1


def test_additive_effects_take_the_glass_box() -> None:
    found = select(make_data(3_200, interactions=False), QUICK, 0)
    assert found.family == "ebm"
    assert found.params.ebm == QUICK_EBM
    (chosen,) = (entry for entry in found.leaderboard if entry["chosen"])
    assert chosen["note"].startswith("catboost ")


def test_the_leaderboard_is_plain_and_complete() -> None:
    found = select(make_data(1_200, interactions=False), QUICK, 0)
    assert json.loads(json.dumps(found.leaderboard)) == found.leaderboard
    assert [entry["family"] for entry in found.leaderboard] == ["ebm", "catboost"]
    for entry in found.leaderboard:
        assert 0.5 < entry["auc"] < 1
        assert 0 < entry["auc_se"] < 0.05
        assert 0 < entry["log_loss"] < 1
        assert entry["folds"] >= 2
        assert "seconds" not in entry, "the same rows must give the same file"
        assert set(entry["setting"]) == set((QUICK_EBM if entry["family"] == "ebm" else QUICK_CATBOOST).model_dump())


def test_capacity_and_rounds_are_settled_around_what_is_fixed() -> None:
    params = ModelParams(family="catboost", folds=2, catboost=CatboostParams(depth=2, l2_leaf_reg=7.0))
    found = select(make_data(1_200, interactions=False), params, 0)
    settled = found.params.catboost
    assert (found.family, settled.depth, settled.l2_leaf_reg) == ("catboost", 2, 7.0)
    assert settled.rounds is not None
    assert settled.rounds >= selection.MIN_ROUNDS
    # Searched at a higher rate, so the final rounds are more than those seen.
    assert settled.learning_rate is not None
    assert settled.learning_rate < selection.SEARCH_RATE
    (chosen,) = (entry for entry in found.leaderboard if entry["chosen"])
    assert settled.rounds > np.mean(chosen["rounds"])


def test_the_glass_box_races_with_half_its_bags_and_is_fitted_with_all() -> None:
    data = make_data(1_200, interactions=False)
    ebm = EbmParams(bags=3, rounds=30)  # two capacities are tried: without and with pairs
    found = select(data, ModelParams(family="ebm", folds=2, ebm=ebm), 0)
    assert [entry["setting"]["bags"] for entry in found.leaderboard] == [2, 2]
    assert found.params.ebm.bags == 3
    settled = select(data, ModelParams(family="ebm", folds=2, ebm=QUICK_EBM), 0)  # nothing is left to settle
    assert (settled.leaderboard, settled.params.ebm) == ([], QUICK_EBM)


def test_fixed_rounds_are_fitted_as_they_are() -> None:
    params = ModelParams(family="lightgbm", folds=2, lightgbm=LightgbmParams(rounds=37))
    found = select(make_data(1_200, interactions=False), params, 0)
    assert found.params.lightgbm.rounds == 37
    assert all(set(entry["rounds"]) == {37} for entry in found.leaderboard)
    assert len({entry["setting"]["leaves"] for entry in found.leaderboard}) == 2


def test_xgboosts_rounds_are_settled_by_early_stopping() -> None:
    params = ModelParams(family="xgboost", folds=2, xgboost=XgboostParams(leaves=4, learning_rate=0.3))
    found = select(make_data(1_200, interactions=False), params, 0)
    assert found.params.xgboost.rounds is not None
    assert found.params.xgboost.rounds < 150
    assert found.params.xgboost.leaves == 4


def test_a_blends_members_are_settled_as_if_alone() -> None:
    data, catboost = make_data(1_200, interactions=False), CatboostParams(depth=2, learning_rate=0.3)
    params = ModelParams(family="blend", folds=2, ebm=QUICK_EBM, catboost=catboost, budget_seconds=1e6)
    found = select(data, params, 0)
    alone = select(data, params.model_copy(update={"family": "catboost"}), 0)
    assert found.family == "blend"
    assert found.params.catboost == alone.params.catboost
    assert found.params.ebm == QUICK_EBM
    assert found.params.blend == params.blend
    assert (found.params.family, found.params.budget_seconds) == ("blend", 1e6)
    assert {entry["family"] for entry in found.leaderboard} == {"catboost"}  # the other's setting was given


def test_a_blends_members_share_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[float] = []

    def spy(data: TrainingData, folds: Any, entrants: Any, budget: float, clock: Any, draw: int) -> Race:
        seen.append(budget)
        return Race(data, folds, entrants, budget, clock, draw)

    monkeypatch.setattr(selection, "Race", spy)
    blend = BlendParams(members=("lightgbm", "xgboost", "catboost"))
    params = ModelParams(family="blend", folds=2, blend=blend, budget_seconds=300.0)
    params = ModelParams.model_validate(
        params.model_dump() | {"lightgbm": {"rounds": 10}, "xgboost": {"rounds": 10}, "catboost": {"rounds": 10}}
    )
    found = select(make_data(1_000, interactions=False), params, 0, Clock(10.0))
    assert seen[0] == pytest.approx(100, abs=10)
    assert len(seen) == 3
    assert sum(seen) < 300
    assert {entry["family"] for entry in found.leaderboard} == set(blend.members)


def test_what_is_wholly_fixed_is_not_searched() -> None:
    params = ModelParams(family="catboost", catboost=QUICK_CATBOOST)
    found = select(make_data(60, interactions=False), params, 0, Clock(1e9))
    assert (found.family, found.params, found.leaderboard) == ("catboost", params, [])


def test_the_same_seed_settles_the_same() -> None:
    params = ModelParams(family="catboost", folds=2, catboost=CatboostParams(depth=3, learning_rate=0.3))
    data = make_data(1_000, interactions=True)
    first, second = (select(data, params, 5) for _ in range(2))
    assert first.params == second.params
    assert [entry["rounds"] for entry in first.leaderboard] == [entry["rounds"] for entry in second.leaderboard]


def test_what_the_time_does_not_hold_is_said() -> None:
    params = QUICK.model_copy(update={"budget_seconds": 25.0, "catboost": CatboostParams(rounds=20)})
    found = select(make_data(1_200, interactions=True), params, 0, Clock(10.0))
    assert found.family in ("ebm", "catboost")
    assert [entry["folds"] for entry in found.leaderboard] == [1, 0, 0, 0]
    assert all("left out for time after 0" in entry["note"] for entry in found.leaderboard if entry["folds"] == 0)
    assert found.params.ebm.rounds == QUICK_EBM.rounds


def test_only_a_subsample_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def spy(data: TrainingData, *rest: Any) -> Race:
        seen.append(data.table.height)
        return Race(data, *rest)

    monkeypatch.setattr(selection, "Race", spy)
    params = ModelParams(family="lightgbm", folds=2, subsample=600, lightgbm=LightgbmParams(rounds=20))
    select(make_data(2_000, interactions=False), params, 0)
    assert seen == [600]


def test_too_few_bad_rows_for_folds_is_a_clear_error() -> None:
    data = make_data(500, interactions=False)
    y = np.zeros(500)
    y[:3] = 1.0
    few = TrainingData(data.table, y, data.weight, data.inputs)
    with pytest.raises(DataError, match="only 3 rows of one outcome; 3 inner folds need at least 6"):
        select(few, ModelParams(), 0)


def test_rows_without_weight_are_no_outcomes() -> None:
    """All but four bad rows count for nothing, so that there are four and not a hundred and more."""
    data = make_data(400, interactions=False)
    weight = np.where((data.y == 1) & (np.cumsum(data.y) > 4), 0.0, 1.0)
    with pytest.raises(DataError, match="only 4 rows of one outcome"):
        select(TrainingData(data.table, data.y, weight, data.inputs), ModelParams(), 0)
