from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from creditrisk.params import EvaluationParams, GatesParams
from creditrisk.tracking.gates import (
    Gate,
    Side,
    Verdict,
    accuracy_figure,
    comparison_gates,
    count_gate,
    threshold_gates,
)
from creditrisk.validation.comparison import Comparison, compare
from creditrisk.validation.metrics import Evaluation, Figure, evaluate

FEW = EvaluationParams(bootstrap=50)
LIMITS = GatesParams()
FINE = Figure(1.0, 1.0, 1.0)


@pytest.fixture(scope="module")
def rows() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    pd = 1 / (1 + np.exp(-random.normal(-1.2, 1.2, 4_000)))
    return (random.random(4_000) < pd).astype(float), pd


@pytest.fixture(scope="module")
def sound(rows: tuple[np.ndarray, np.ndarray]) -> Evaluation:
    return evaluate(*rows, params=FEW)


@pytest.fixture(scope="module")
def better(rows: tuple[np.ndarray, np.ndarray]) -> Comparison:
    y, pd = rows
    worse = np.clip(pd * np.random.default_rng(1).uniform(0.3, 2.0, len(pd)), 0, 1)
    return compare(y, pd, worse, params=FEW)


def refused(gates: tuple[Gate, ...]) -> list[str]:
    return [gate.name for gate in gates if not gate.passed]


def test_a_sound_model_passes_by_thresholds(sound: Evaluation) -> None:
    assert refused(threshold_gates(sound, FINE, LIMITS)) == []


def test_the_lower_end_of_the_interval_counts_not_the_figure(sound: Evaluation) -> None:
    limits = LIMITS.model_copy(update={"min_auc": (sound.auc.low + sound.auc.value) / 2})
    (gate,) = (gate for gate in threshold_gates(sound, FINE, limits) if not gate.passed)
    assert (gate.name, gate.bound) == ("AUC", sound.auc.low)
    assert f"[{sound.auc.low:.4f}, {sound.auc.high:.4f}]" in gate.sentence


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"ks": Figure(0.3, 0.1, 0.5)}, "KS"),
        ({"brier_ratio": Figure(0.98, 0.95, 1.01)}, "Brier ratio"),
        ({"calibration_slope": Figure(0.5, 0.4, 0.6)}, "calibration slope"),
        ({"calibration_slope": Figure(2.0, 1.5, 2.5)}, "calibration slope"),
        ({"calibration_slope": Figure(math.nan, math.nan, math.nan)}, "calibration slope"),
        ({"calibration_in_the_large": Figure(0.6, 0.4, 0.8)}, "calibration in the large"),
        ({"calibration_in_the_large": Figure(-0.6, -0.8, -0.4)}, "calibration in the large"),
    ],
)
def test_each_threshold_refuses(sound: Evaluation, change: dict[str, Figure], name: str) -> None:
    assert refused(threshold_gates(replace(sound, **change), FINE, LIMITS)) == [name]  # type: ignore[arg-type]


def test_calibration_that_the_interval_does_not_show_to_be_off_passes(sound: Evaluation) -> None:
    wide = replace(sound, calibration_slope=Figure(0.9, 0.5, 1.3))
    assert refused(threshold_gates(wide, FINE, LIMITS)) == []


def test_accuracy_is_asked_for_only_where_it_is_named(sound: Evaluation) -> None:
    low = Figure(0.7, 0.68, 0.72)
    assert refused(threshold_gates(sound, low, LIMITS)) == []
    assert refused(threshold_gates(sound, low, LIMITS.model_copy(update={"min_accuracy": 0.69}))) == ["accuracy"]


def test_accuracy_has_wilsons_interval() -> None:
    y = np.array([1.0] * 10 + [0.0] * 90)
    found = accuracy_figure(y, np.where(np.arange(100) < 5, 0.9, 0.1), 0.95)
    assert found.value == 0.95
    assert (found.low, found.high) == pytest.approx((0.8882, 0.9785), abs=1e-4)


def side(evaluation: Evaluation, psi: float = 0.02, impact: float | None = 0.9, seconds: float = 50e-6) -> Side:
    return Side(evaluation, psi, impact, seconds)


def test_a_better_and_not_inferior_challenger_passes(sound: Evaluation, better: Comparison) -> None:
    assert refused(comparison_gates(better, side(sound), side(sound), LIMITS)) == []


def test_an_equal_challenger_is_refused(rows: tuple[np.ndarray, np.ndarray], sound: Evaluation) -> None:
    y, pd = rows
    gates = comparison_gates(compare(y, pd, pd, params=FEW), side(sound), side(sound), LIMITS)
    assert refused(gates) == ["AUC difference (DeLong)", "AUC difference (bootstrap)"]


@pytest.mark.parametrize(
    ("new", "name"),
    [
        ({"psi": 0.13}, "PSI"),
        ({"impact": 0.84}, "adverse impact ratio"),
        ({"seconds": 1e-3}, "latency"),
    ],
)
def test_each_margin_refuses(sound: Evaluation, better: Comparison, new: dict[str, float], name: str) -> None:
    assert refused(comparison_gates(better, side(sound, **new), side(sound), LIMITS)) == [name]


def test_worse_calibration_refuses(sound: Evaluation, better: Comparison) -> None:
    off = replace(sound, calibration_slope=Figure(1.3, 1.2, 1.4), calibration_in_the_large=Figure(0.3, 0.2, 0.4))
    gates = comparison_gates(better, side(off), side(sound), LIMITS)
    assert refused(gates) == ["calibration slope", "calibration in the large"]
    assert refused(comparison_gates(better, side(off), side(off), LIMITS)) == []
    unsure = replace(sound, calibration_in_the_large=Figure(0.3, 0.05, 0.55))
    assert refused(comparison_gates(better, side(unsure), side(sound), LIMITS)) == []


def test_calibration_that_cannot_be_fitted_refuses(sound: Evaluation, better: Comparison) -> None:
    lost = replace(sound, calibration_slope=Figure(math.nan, math.nan, math.nan))
    gates = comparison_gates(better, side(lost), side(sound), LIMITS)
    assert refused(gates) == ["calibration slope"]


def test_a_worse_brier_score_refuses(sound: Evaluation, better: Comparison) -> None:
    worse = replace(better, brier_difference=Figure(0.001, -0.001, 0.003))
    assert refused(comparison_gates(worse, side(sound), side(sound), LIMITS)) == ["Brier difference"]


def test_a_fast_challenger_is_fast_enough_for_any_champion(sound: Evaluation, better: Comparison) -> None:
    gates = comparison_gates(better, side(sound, seconds=90e-6), side(sound, seconds=5e-6), LIMITS)
    assert refused(gates) == []


def test_nobody_to_judge_adverse_impact_on_is_no_fault(sound: Evaluation, better: Comparison) -> None:
    assert refused(comparison_gates(better, side(sound, impact=None), side(sound, impact=None), LIMITS)) == []


def test_a_challenger_that_approves_nobody_is_refused(sound: Evaluation, better: Comparison) -> None:
    gates = comparison_gates(better, side(sound, impact=None), side(sound), LIMITS)
    assert refused(gates) == ["adverse impact ratio"]
    said = next(gate.sentence for gate in gates if not gate.passed)
    assert said == "adverse impact ratio has no value, as nobody would be approved; the champion's is 0.900"
    back = comparison_gates(better, side(sound), side(sound, impact=None), LIMITS)
    assert refused(back) == []
    assert "adverse impact ratio is 0.900; the champion would approve nobody" in [gate.sentence for gate in back]


def test_a_verdict_says_why_and_becomes_plain_values() -> None:
    few = count_gate(100, 4, 10)
    nan = Gate("PSI", math.nan, math.nan, (0.0, 1.0), passed=True, sentence="fine")
    verdict = Verdict("A", "3", None, 100, 4, (few, nan))
    assert not verdict.passed
    assert verdict.reason == "96 good and 4 bad rows that no model was made on; at least 10 of each are needed"
    plain = verdict.to_json()
    assert plain["passed"] is False
    assert plain["gates"][1]["value"] is None
    assert plain["gates"][1]["threshold"] == [0.0, 1.0]
    assert Verdict("A", "3", None, 100, 50, (nan,)).reason == "all 1 gates passed"
