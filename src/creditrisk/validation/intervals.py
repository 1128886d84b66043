"""Intervals of shares, of their difference and of their ratio that hold in small samples and at shares of 0 and 1."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Ends = tuple[float, float]


def wilson(rate: float, rows: float, confidence: float = 0.95) -> Ends:
    """Wilson's score interval of a share (Wilson 1927); good also where the share is near 0."""
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    centre = rate + z * z / (2 * rows)
    reach = z * math.sqrt(rate * (1 - rate) / rows + z * z / (4 * rows * rows))
    return max((centre - reach) / (1 + z * z / rows), 0.0), min((centre + reach) / (1 + z * z / rows), 1.0)


def effective(weight: NDArray[np.float64]) -> float:
    """Rows without weights that tell as much as these with theirs, (sum w)^2 / sum w^2 (Kish 1965)."""
    return float(weight.sum() ** 2 / (weight @ weight))


def difference_reach(one: float, other: float, rows: Ends, confidence: float = 0.95, correlation: float = 0.0) -> Ends:
    """How far the interval of ``one - other``, two shares, goes down and up (Newcombe 1998, method 10).

    Args:
        one: a share.
        other: another.
        rows: how many rows each is of.
        confidence: of the interval.
        correlation: of the two shares, as samples differ; 0 where they are independent.
    """
    low, high = wilson(one, rows[0], confidence)
    other_low, other_high = wilson(other, rows[1], confidence)
    sides = (one - low, other_high - other), (high - one, other - other_low)
    down, up = (_hypot(*side, correlation) for side in sides)
    return down, up


def _hypot(one: float, other: float, correlation: float) -> float:
    """The third side of a triangle: of a right one without correlation, less where the two go together."""
    if correlation == 0.0:
        return math.hypot(one, other)
    return math.sqrt(max(one**2 + other**2 - 2 * correlation * one * other, 0.0))


def ratio_ends(one: float, other: float, rows: Ends, confidence: float = 0.95) -> Ends:
    """Interval of ``one / other``, two independent shares, the other above 0 (Donner and Zou 2012, by Wilson's ends).

    It has a width also where a share is 0 or 1, as the usual one on the log scale has not.
    """
    low, high = wilson(one, rows[0], confidence)
    other_low, other_high = wilson(other, rows[1], confidence)
    product = one * other
    down = product**2 - low * other_high * (2 * one - low) * (2 * other - other_high)
    up = product**2 - high * other_low * (2 * one - high) * (2 * other - other_low)
    return (
        max((product - math.sqrt(max(down, 0.0))) / (other_high * (2 * other - other_high)), 0.0),
        (product + math.sqrt(max(up, 0.0))) / (other_low * (2 * other - other_low)),
    )
