"""What rows tell where customers have several, which are alike: errors are worked out from customers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from creditrisk.model.customers import variance_of_sum
from creditrisk.validation.intervals import effective

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]


def numbered(group: Numbers | None, weight: Floats) -> Numbers | None:
    """Customers of the rows of weight above 0, numbered from 0; None where each has one row."""
    if group is None:
        return None
    kept = np.asarray(group)[weight > 0]
    different, number = np.unique(kept, return_inverse=True)
    return number if different.size < kept.size else None


def clustered(parts: Floats, group: Numbers) -> tuple[float, int]:
    """Variance of a sum of centred parts of customers' rows (Liang and Zeger 1986), and how many customers have any.

    Rows of one customer may go together in any way; only customers are taken to be independent.
    """
    return variance_of_sum(parts, group), np.unique(group).size


def effective_rows(hit: NDArray[np.bool_] | Floats, weight: Floats, group: Numbers | None) -> float:
    """Independent rows without weights that tell as much of the share of rows that ``hit``, shape (n,) each.

    The rows over their design effect (Kish 1965; Korn and Graubard 1998), never more than rows of their weights would
    be. At a share of 0 or 1 nothing shows how customers' rows go together, and they count as if all alike.
    """
    plain = effective(weight)
    if group is None:
        return plain
    hit = np.asarray(hit, dtype=np.float64)
    if hit.min() == hit.max():
        return effective(np.asarray(np.bincount(group, weight), dtype=np.float64))
    share = weight / weight.sum()
    rate = float(share @ hit)
    variance, _ = clustered(share * (hit - rate), group)
    return min(rate * (1 - rate) / variance, plain) if variance > 0 else plain


def design_effect(residual: Floats, group: Numbers | None) -> float:
    """How many times as large the variance of a sum of residuals is as of as many independent rows; at least 1.

    Residuals have mean 0 under the hypothesis that is tested, so they are not centred; shape (n,).
    """
    squares = float(residual @ residual)
    if group is None or squares == 0.0:
        return 1.0
    sums = np.bincount(group, residual)
    return max(float(sums @ sums) / squares, 1.0)


def correlation(one: NDArray[Any], other: NDArray[Any]) -> float:
    """Of two sums of centred parts, from each customer's share of either, shape (customers,)."""
    spread = math.sqrt(float(one @ one) * float(other @ other))
    return float(one @ other) / spread if spread > 0 else 0.0
