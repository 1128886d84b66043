"""A figure and its confidence interval: the form that every metric is given in."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from creditrisk.validation.customers import Numbers, clustered

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Figure:
    """A figure and its confidence interval; NaN where it has no finite value (null in JSON)."""

    value: float
    low: float
    high: float

    def to_json(self) -> dict[str, float | None]:
        """``{"value": ..., "low": ..., "high": ...}``."""
        return {f.name: plain(getattr(self, f.name)) for f in fields(self)}


def around(value: float, error: float, confidence: float) -> Figure:
    """A figure with a two-sided normal interval of the given standard error."""
    reach = NormalDist().inv_cdf((1 + confidence) / 2) * error
    return Figure(value, value - reach, value + reach)


def mean_figure(values: Floats, share: Floats, confidence: float, group: Numbers | None = None) -> Figure:
    """A weighted mean with its normal interval, by customers where given; ``share`` are weights that sum to 1."""
    mean = float(share @ values)
    if group is not None:
        return around(mean, math.sqrt(clustered(share * (values - mean), group)[0]), confidence)
    many = len(values)
    variance = float(share**2 @ (values - mean) ** 2) * many / max(many - 1, 1)
    return around(mean, math.sqrt(variance), confidence)


def bootstrap_figure(value: float, samples: Floats, confidence: float) -> Figure:
    """Percentiles of the samples, less twice the bias that they show, and kept from 0 to 1.

    A sample of the sample strays from it as that does from the truth, so its percentiles are off by both.
    """
    bias = samples.mean() - value
    low, high = np.quantile(samples, [(1 - confidence) / 2, (1 + confidence) / 2]) - 2 * bias
    return Figure(value, float(min(max(low, 0.0), value)), float(max(min(high, 1.0), value)))


def plain(value: Any) -> Any:
    """Figures and what holds them as plain values of JSON; null where a number is not finite."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    if hasattr(value, "__dataclass_fields__"):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value)}
    return value
