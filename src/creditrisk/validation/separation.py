"""KS, the largest lead of the share of bads over the share of goods that a cut flags, with its interval."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from creditrisk.validation.customers import Numbers, correlation, effective_rows
from creditrisk.validation.figure import Figure
from creditrisk.validation.intervals import difference_reach, effective
from creditrisk.validation.ranking import Ranking, ks_of

Floats = NDArray[np.float64]
SMOOTH = 1 / (2 ** (2 / 3) - 1)
"""Bias of KS over what a bootstrap shows of it. Near its peak the lead is a parabola under a Brownian motion (Kim and
Pollard 1990), whose highest point grows with the noise's variance to the power 2/3; resampling doubles the variance."""


def ks_figure(
    sums: tuple[Floats, Floats], rows: tuple[float, float], together: float, resampled: float, confidence: float
) -> Figure:
    """KS with the interval of the two shares that it is the difference of, less the bias of a largest difference.

    The largest of many differences is too high on average, and in a sample of the sample once more. Where the lead runs
    smoothly over its peak, that second bias is 0.59 of the first (``SMOOTH``), and where few PDs set the rows apart
    nearer to all of it: the lower end is taken from the one, the upper end from the other. In simulations, 95 %
    intervals covered KS in 91 to 96 % of samples of 300 rows, down to 15 bads among them; percentiles of the bootstrap
    less twice its bias, a tenth narrower, in 81 to 92 %.

    Args:
        sums: weight of the bads and of the goods by PD, the riskiest first.
        rows: effective number of each.
        together: how the two shares correlate.
        resampled: mean KS of bootstrap samples.
        confidence: of the interval.
    """
    bad, good = (np.cumsum(part) / part.sum() for part in sums)
    peak, value = _peak(*sums), ks_of(*sums)
    down, up = difference_reach(float(bad[peak]), float(good[peak]), rows, confidence, together)
    bias = max(resampled - value, 0.0)
    low, high = value - SMOOTH * bias - down, value - bias + up
    return Figure(value, min(max(low, 0.0), value), max(min(high, 1.0), value))


def at_peak(ranking: Ranking, weight: Floats, group: Numbers | None) -> tuple[tuple[float, float], float]:
    """Effective number of the bads and of the goods for the shares that the cut of KS flags, and how these correlate.

    They are independent but where a customer has rows of both kinds.
    """
    if group is None:
        return (effective(weight[ranking.bad]), effective(weight[~ranking.bad])), 0.0
    flagged = ranking.group <= _peak(*ranking.sums(weight))
    rows, parts = [], []
    for kind in (ranking.bad, ~ranking.bad):
        share = weight[kind] / weight[kind].sum()
        rows.append(effective_rows(flagged[kind], weight[kind], group[kind]))
        parts.append(np.bincount(group[kind], share * (flagged[kind] - share @ flagged[kind]), int(group.max()) + 1))
    return (rows[0], rows[1]), correlation(parts[0], parts[1])


def _peak(bad: Floats, good: Floats) -> int:
    """Where the share of bads leads that of goods most, in sums by PD."""
    return int(np.argmax(np.cumsum(bad) / bad.sum() - np.cumsum(good) / good.sum()))
