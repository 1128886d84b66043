"""What a report tells beside the metrics: what the policy would do, and which characteristics matter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from creditrisk.contract import Input

Floats = NDArray[np.float64]
DECISIONS = ("approve", "refer", "decline")


@dataclass(frozen=True)
class Band:
    """The applications that the policy treats alike."""

    decision: str
    rows: int
    share: float
    """Of all applications; weighted, as are the rates."""
    bad_rate: float | None
    """None where the band is empty."""
    mean_pd: float | None
    share_of_bads: float

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


@dataclass(frozen=True)
class Influence:
    """How much a model input moves the log-odds."""

    name: str
    title: str
    mean_absolute: float
    """Mean absolute contribution to the margin, in log-odds."""
    share: float
    """Of the sum over all inputs."""
    monotone: str | None

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def policy_bands(y: Floats, pd: Floats, decisions: pl.Series, weight: Floats | None = None) -> tuple[Band, ...]:
    """Shares and bad rates of what would be approved, referred and declined; arrays of shape (n,)."""
    weight = np.ones(len(y)) if weight is None else weight
    found = []
    for decision in DECISIONS:
        of = (decisions == decision).fill_null(value=False).to_numpy()
        total, bads = float(weight[of].sum()), float(weight[of] @ y[of])
        found.append(
            Band(
                decision=decision,
                rows=int(of.sum()),
                share=total / float(weight.sum()),
                bad_rate=bads / total if total else None,
                mean_pd=float(weight[of] @ pd[of]) / total if total else None,
                share_of_bads=bads / max(float(weight @ y), 1e-300),
            )
        )
    return tuple(found)


def influences(
    inputs: Sequence[Input], contributions: Floats, weight: Floats | None = None, limit: int | None = 20
) -> tuple[Influence, ...]:
    """Inputs by mean absolute contribution, the largest first.

    Args:
        inputs: the model's inputs.
        contributions: to the margin, shape (n, len(inputs)).
        weight: shape (n,); ones where absent.
        limit: how many to return; all where None.
    """
    mean = np.average(np.abs(contributions), axis=0, weights=weight)
    total = max(float(mean.sum()), 1e-300)
    order = np.argsort(-mean, kind="stable")[:limit]
    return tuple(
        Influence(inputs[i].name, inputs[i].title, float(mean[i]), float(mean[i]) / total, inputs[i].monotone)
        for i in order
    )
