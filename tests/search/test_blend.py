"""A blend of out-of-fold margins, judged with weights from the other folds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from search.lab import knowing, noise, plan

from creditrisk.search.blend import blend
from creditrisk.search.outcome import Outcome, fold_figures


def outcome(margins: list[np.ndarray[tuple[int], np.dtype[np.float64]]], size: int = 10) -> Outcome:
    figures = [fold_figures(m, y, w, 2.0, 0.5) for m, (y, w) in zip(margins, plan().truths, strict=True)]
    return Outcome(tuple(figures), tuple(margins), size)


def test_two_views_together_beat_each() -> None:
    members = [outcome(knowing(0.5, seed=1)), outcome(knowing(0.5, seed=2))]
    found = blend(plan(), members)
    best = max(member.summary()["auc"] for member in members)
    assert found.outcome.summary()["auc"] > best + 0.01
    assert min(found.weights) > 0.2
    assert found.outcome.model_bytes == 20
    assert found.outcome.folds[0].fit_seconds == 4.0


def test_a_member_that_knows_nothing_gets_next_to_nothing() -> None:
    found = blend(plan(), [outcome(knowing(0.8)), outcome(noise(9))])
    assert found.weights[1] < 0.15 * found.weights[0]


def test_no_fold_decides_its_own_weights() -> None:
    members = [outcome(knowing(0.8)), outcome(noise(9))]
    y = plan().data.y.copy()
    judged = plan().folds[0][1]
    y[judged] = 1 - y[judged]
    other = replace(plan(), data=replace(plan().data, y=y))
    found, turned = blend(plan(), members), blend(other, members)
    assert np.array_equal(found.outcome.margins[0], turned.outcome.margins[0])
    assert not np.array_equal(found.outcome.margins[1], turned.outcome.margins[1])


def test_where_nobody_knows_anything_all_weigh_the_same() -> None:
    against = [-margin for margin in knowing(1.0)]
    found = blend(plan(), [outcome(against), outcome([-m for m in knowing(1.0, seed=2)])])
    assert found.weights == (0.5, 0.5)
