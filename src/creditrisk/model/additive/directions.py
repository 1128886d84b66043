"""Directions that a contract states, in an additive model: checked in its tables, and kept to the last bit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from creditrisk.contract import Input
from creditrisk.model.additive.terms import Bins, Floats, Indexes, Terms

GRAIN = 2.0**-40
"""What terms add is a multiple of it, so that any sum of them is exact in float64: no rounding turns a step around."""
ROUNDING = 1e-9
"""Steps against a direction up to this size come from adding floats in another order, and are levelled out."""


def check_monotone(inputs: Sequence[Input], terms: Terms, tolerance: float = 0.0) -> list[str]:
    """Look in the tables for a step against a contract's direction.

    The partners of an input in its pairs may take any value, so the least favourable partner is taken for each.

    Returns:
        One sentence for each input that breaks its direction; empty where all hold. Missing has no place in the order.
    """
    faults = []
    for index, item in enumerate(inputs):
        steps = _worst_steps(item, index, terms)
        if steps.size and steps.min() < -tolerance:
            at = int(steps.argmin())
            faults.append(
                f"{item.name}: risk must be {item.monotone}, but the log-odds go the other way by "
                f"{-steps[at]:.3g} between bins {at} and {at + 1}."
            )
    return faults


def hold_directions(inputs: Sequence[Input], terms: Terms) -> Terms:
    """Round what terms add to multiples of ``GRAIN``, and level out what rounding turned against a direction."""
    terms = Terms(
        terms.bins,
        tuple(_rounded(effect) for effect in terms.effects),
        tuple(replace(pair, table=_rounded(pair.table)) for pair in terms.pairs),
    )
    for index, item in enumerate(inputs):
        steps = _worst_steps(item, index, terms)
        lacking = np.where((steps < 0) & (steps >= -ROUNDING), -steps, 0.0)
        if lacking.any():
            # Lifting later bins of one input changes no other input's steps.
            order = _in_order(item, terms.bins[index])
            terms.effects[index][order[1:]] += _sign(item) * np.cumsum(lacking)
    return terms


def _worst_steps(item: Input, index: int, terms: Terms) -> Floats:
    """From each bin to the next, the step in the stated direction with the least favourable partners; else empty."""
    if item.monotone is None:
        return np.empty(0)
    sign = _sign(item)
    order = _in_order(item, terms.bins[index])
    steps: Floats = sign * np.diff(terms.effects[index][order])
    for pair in terms.pairs:
        if index in (pair.first, pair.second):
            own, table = (pair.first_index, pair.table) if pair.first == index else (pair.second_index, pair.table.T)
            steps = steps + (sign * np.diff(table[own[order]], axis=0)).min(axis=1)
    return steps


def _in_order(item: Input, bins: Bins) -> Indexes:
    if bins.kind == "number":
        return np.arange(bins.cuts.size + 1)
    places = {value: place for place, value in enumerate(bins.values)}
    return np.array([places[value] for value in item.values if value in places], dtype=np.int64)


def _sign(item: Input) -> float:
    return 1.0 if item.monotone == "increasing" else -1.0


def _rounded(table: Floats) -> Floats:
    return np.round(table / GRAIN) * GRAIN
