"""What search.yaml may say, and what it is told where it says something else."""

from __future__ import annotations

from typing import Any

import optuna
import pytest
from support import ROOT

from creditrisk.errors import ContractError
from creditrisk.params import ModelParams
from creditrisk.search.defaults import first_settings
from creditrisk.search.space import SEARCHED, Search, suggest, with_setting


def text(space: str) -> str:
    return f"rows: 1000\nspace:\n{space}"


@pytest.mark.parametrize(
    ("space", "says"),
    [
        ("  ebmm: {rounds: [10]}", "unknown family. Did you mean 'ebm'?"),
        ("  blend: {weights: [1]}", "unknown family"),
        ("  ebm: {round: [10]}", "unknown parameter. Did you mean 'rounds'?"),
        ("  ebm: {}", "space.ebm is empty"),
        ("  ebm: {rounds: []}", "space.ebm.rounds is an empty list"),
        ("  ebm: {rounds: 100}", "found 100, expected a list of values"),
        ("  ebm: {rounds: {low: 100}}", "expected a list of values, or {low: ..., high: ...}"),
        ("  ebm: {rounds: {low: 200, high: 100}}", "low 200 is not below high 100: the range is empty"),
        ("  ebm: {interactions: {low: 0, high: 9, log: true}}", "low 0 has no logarithm"),
        ("  ebm: {rounds: {low: 1, high: 100}}", "space.ebm.rounds: 1: Input should be greater than or equal to 10"),
        ("  ebm: {rounds: [50.5]}", "space.ebm.rounds: found 50.5, expected a whole number"),
        ("  catboost: {depth: {low: 3.0, high: 8.0}}", "space.catboost.depth: found 3.0, expected a whole number"),
        ("  catboost: {depth: [true, 4]}", "space.catboost.depth: found True, expected a whole number"),
        ("  catboost: {depth: [three]}", "space.catboost.depth: found 'three', expected a whole number"),
        ("  catboost: {l2_leaf_reg: [much]}", "space.catboost.l2_leaf_reg: found 'much', expected a number"),
        ("  ebm: {rounds: {low: 20, high: 100, step: 5}}", "unknown key 'step'"),
        ("  {}", "space is empty"),
    ],
)
def test_a_wrong_space_is_named(space: str, says: str) -> None:
    with pytest.raises(ContractError) as caught:
        Search.from_text(text(space), "search.yaml")
    assert says in str(caught.value)
    assert str(caught.value).startswith("search.yaml: ")


def test_an_unknown_key_is_named() -> None:
    with pytest.raises(ContractError, match=r"unknown key 'row'\. Did you mean 'rows'"):
        Search.from_text("row: 1000\nspace:\n  ebm: {rounds: [20]}", "search.yaml")


def committed() -> Search:
    return Search.from_yaml(ROOT / "3.experiments" / "search.yaml")


def test_the_committed_space_covers_the_capacities_that_decide() -> None:
    search = committed()
    assert set(search.space) == set(SEARCHED)
    for family in ("lightgbm", "xgboost"):
        leaves, rounds = search.space[family]["leaves"], search.space[family]["rounds"]
        assert (leaves.low, leaves.high) == (6, 63)  # type: ignore[union-attr]
        assert (rounds.low, rounds.high) == (150, 2_000)  # type: ignore[union-attr]
    for family in SEARCHED[1:]:
        assert "one_hot_up_to" in search.space[family]
    assert {"bags", "rounds", "interactions"} <= set(search.space["ebm"])


@pytest.mark.parametrize("rows", [500, 20_000, 500_000])
def test_first_settings_are_settings_of_the_space(rows: int) -> None:
    search = committed()
    found = first_settings(search, SEARCHED, rows)
    assert [family for family, _ in found[: len(SEARCHED)]] == list(SEARCHED)
    for family, setting in found:
        assert set(setting) == set(search.space[family])
        with_setting(ModelParams(), family, setting)
        distributions = _distributions(search, family)
        for name, value in setting.items():
            assert distributions[f"{family}.{name}"]._contains(
                distributions[f"{family}.{name}"].to_internal_repr(value)
            )


def test_first_settings_keep_to_a_narrower_space() -> None:
    search = Search.from_text(text("  catboost: {depth: {low: 2, high: 3}, rounds: [10, 50]}"), "search.yaml")
    found = first_settings(search, ("catboost",), 10_000)
    assert found == [("catboost", {"rounds": 50, "depth": 3})]  # all of them become this one


def test_a_suggested_setting_becomes_params() -> None:
    search = committed()
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    for family in SEARCHED:
        setting = suggest(study.ask(), family, search.space[family])
        params = with_setting(ModelParams(), family, setting)
        section: dict[str, Any] = getattr(params, family).model_dump()
        assert {name: section[name] for name in setting} == setting
        type(getattr(params, family)).model_validate(section)


def _distributions(search: Search, family: str) -> dict[str, Any]:
    trial = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0)).ask()
    suggest(trial, family, search.space[family])
    return trial.distributions


def test_whole_ends_of_a_number_that_need_not_be_whole_draw_any_number() -> None:
    search = Search.from_text(text("  catboost: {l2_leaf_reg: {low: 1, high: 30, log: true}}"), "search.yaml")
    trial = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0)).ask()
    assert suggest(trial, "catboost", search.space["catboost"])["l2_leaf_reg"] % 1 != 0
