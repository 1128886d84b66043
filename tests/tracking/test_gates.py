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
from creditrisk.validation.figure import Figure
from creditrisk.validation.impact_change import ImpactChange, Shift
from creditrisk.validation.intervals import wilson
from creditrisk.validation.metrics import Evaluation, evaluate

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
    pd = np.where(np.arange(100) < 5, 0.9, 0.1)
    found = accuracy_figure(y, pd, np.ones(100), 0.95)
    assert found.value == 0.95
    assert (found.low, found.high) == pytest.approx((0.8882, 0.9785), abs=1e-4)


def test_accuracy_counts_rows_by_their_weight() -> None:
    y, pd = np.array([1.0, 1.0, 0.0, 0.0]), np.array([0.9, 0.1, 0.1, 0.1])
    assert accuracy_figure(y, pd, np.array([1.0, 3.0, 1.0, 1.0]), 0.95).value == pytest.approx(0.5)


def test_accuracy_counts_customers() -> None:
    """Ten customers of ten rows each, one of whom is judged wrongly in all of them."""
    y, pd, group = np.repeat([1.0, 0.0], [10, 90]), np.full(100, 0.1), np.arange(100) // 10
    found = accuracy_figure(y, pd, np.ones(100), 0.95, group)
    assert found.value == 0.9
    assert (found.low, found.high) == pytest.approx(wilson(0.9, 9), abs=1e-12)
    alone = accuracy_figure(y, pd, np.ones(100), 0.95)
    assert accuracy_figure(y, pd, np.ones(100), 0.95, np.arange(100)) == alone
    assert found.low < alone.low < alone.high < found.high


def side(evaluation: Evaluation, psi: float = 0.02, seconds: float = 50e-6) -> Side:
    return Side(evaluation, psi, seconds)


def change(*shifts: tuple[str, float, float, float]) -> ImpactChange:
    """Groups of the attribute sex: name, challenger's ratio, champion's, and half the width of the interval."""
    return ImpactChange(
        tuple(
            Shift("sex", name, 200, new, old, "men", Figure(new - old, new - old - half, new - old + half))
            for name, new, old, half in shifts
        )
    )


FAIR = change(("men", 1.0, 1.0, 0.0), ("women", 0.9, 0.9, 0.02))


def test_a_better_and_not_inferior_challenger_passes(sound: Evaluation, better: Comparison) -> None:
    assert refused(comparison_gates(better, side(sound), side(sound), FAIR, LIMITS)) == []


def test_an_equal_challenger_is_refused(rows: tuple[np.ndarray, np.ndarray], sound: Evaluation) -> None:
    y, pd = rows
    gates = comparison_gates(compare(y, pd, pd, params=FEW), side(sound), side(sound), FAIR, LIMITS)
    assert refused(gates) == ["AUC difference (DeLong)", "AUC difference (bootstrap)"]


@pytest.mark.parametrize(
    ("new", "name"),
    [
        ({"psi": 0.13}, "PSI"),
        ({"seconds": 1e-3}, "latency"),
    ],
)
def test_each_margin_refuses(sound: Evaluation, better: Comparison, new: dict[str, float], name: str) -> None:
    assert refused(comparison_gates(better, side(sound, **new), side(sound), FAIR, LIMITS)) == [name]


def test_worse_calibration_refuses(sound: Evaluation, better: Comparison) -> None:
    off = replace(sound, calibration_slope=Figure(1.3, 1.2, 1.4), calibration_in_the_large=Figure(0.3, 0.2, 0.4))
    gates = comparison_gates(better, side(off), side(sound), FAIR, LIMITS)
    assert refused(gates) == ["calibration slope", "calibration in the large"]
    assert refused(comparison_gates(better, side(off), side(off), FAIR, LIMITS)) == []
    unsure = replace(sound, calibration_in_the_large=Figure(0.3, 0.05, 0.55))
    assert refused(comparison_gates(better, side(unsure), side(sound), FAIR, LIMITS)) == []


def test_calibration_that_cannot_be_fitted_refuses(sound: Evaluation, better: Comparison) -> None:
    lost = replace(sound, calibration_slope=Figure(math.nan, math.nan, math.nan))
    gates = comparison_gates(better, side(lost), side(sound), FAIR, LIMITS)
    assert refused(gates) == ["calibration slope"]


def test_a_worse_brier_score_refuses(sound: Evaluation, better: Comparison) -> None:
    worse = replace(better, brier_difference=Figure(0.001, -0.001, 0.003))
    assert refused(comparison_gates(worse, side(sound), side(sound), FAIR, LIMITS)) == ["Brier difference"]


def test_a_fast_challenger_is_fast_enough_for_any_champion(sound: Evaluation, better: Comparison) -> None:
    gates = comparison_gates(better, side(sound, seconds=90e-6), side(sound, seconds=5e-6), FAIR, LIMITS)
    assert refused(gates) == []


def impact_gate(sound: Evaluation, better: Comparison, found: ImpactChange) -> Gate:
    gates = comparison_gates(better, side(sound), side(sound), found, LIMITS)
    return next(gate for gate in gates if gate.name == "adverse impact ratio")


def test_nobody_to_judge_adverse_impact_on_is_no_fault(sound: Evaluation, better: Comparison) -> None:
    gate = impact_gate(sound, better, ImpactChange(not_judged=("isle (region)",)))
    assert gate.passed
    assert gate.sentence.endswith("(too few rows to judge: isle (region))")


def test_a_challenger_that_approves_nobody_is_refused(sound: Evaluation, better: Comparison) -> None:
    gate = impact_gate(sound, better, ImpactChange(nobody=("sex",)))
    assert not gate.passed
    assert "by sex has no value, as nobody would be approved" in gate.sentence


@pytest.mark.parametrize(
    ("new", "half", "passed"),
    [
        (0.80, 0.03, False),  # a loss of .10, beyond margin and chance
        (0.80, 0.12, True),  # chance may have made it
        (0.86, 0.01, True),  # within the margin
        (0.95, 0.01, True),
    ],
)
def test_a_loss_beyond_margin_and_chance_refuses(
    sound: Evaluation, better: Comparison, new: float, half: float, passed: bool
) -> None:
    gate = impact_gate(sound, better, change(("men", 1.0, 1.0, 0.0), ("women", new, 0.9, half)))
    assert gate.passed == passed


def test_the_group_that_refuses_is_the_one_named(sound: Evaluation, better: Comparison) -> None:
    """The uncertain loss of a small group, though larger, hides nobody's certain one."""
    gate = impact_gate(sound, better, change(("few", 0.6, 0.8, 0.3), ("women", 0.8, 0.9, 0.02), ("men", 1.0, 1.0, 0.0)))
    assert not gate.passed
    assert gate.sentence == (
        "adverse impact ratio of women (sex) is 0.800, the champion's 0.900; next to men it changes by -0.100 [-0.120, "
        "-0.080], of 3 groups the largest loss beyond chance: a loss beyond chance may be at most 0.05"
    )


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
