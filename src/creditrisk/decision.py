"""The policy: from a calibrated probability to a score in points and a decision."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from creditrisk.params import BANDS, Pdo, Points, PolicyParams
from creditrisk.settings import Frozen

if TYPE_CHECKING:
    import polars as pl

Decision = Literal["approve", "refer", "decline"]
AUTO_APPROVE, AUTO_DECLINE = 1.0, 2.5
"""Where params say auto: cut-offs as multiples of the training rows' bad rate."""
MAX_CUT_OFF = 0.95
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Policy(Frozen):
    """Two PD cut-offs with a refer band between them, and the scale of the score.

    The score is linear in the calibrated log-odds: ``base_score`` at good-to-bad odds of ``base_odds``, ``pdo`` points
    more each time the odds double, rounded to whole points (Siddiqi, Intelligent Credit Scoring, 2017, ch. 6).
    """

    approve_below: float
    decline_from: float
    base_score: Points
    base_odds: Annotated[float, Field(gt=0)]
    pdo: Pdo
    bands: tuple[float, ...] = BANDS

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.approve_below > self.decline_from:
            raise ValueError(f"approve_below {self.approve_below} is above decline_from {self.decline_from}")
        return self

    @classmethod
    def make(cls, params: PolicyParams, bad_rate: float) -> Self:
        """Settle automatic cut-offs by the training rows' bad rate; a stated one bounds the other."""
        approve = params.approve_below
        decline = params.decline_from
        most = MAX_CUT_OFF if decline == "auto" else min(decline, MAX_CUT_OFF)
        low = min(AUTO_APPROVE * bad_rate, most) if approve == "auto" else approve
        high = max(min(AUTO_DECLINE * bad_rate, MAX_CUT_OFF), low) if decline == "auto" else decline
        return cls(
            approve_below=low,
            decline_from=high,
            base_score=params.base_score,
            base_odds=params.base_odds,
            pdo=params.pdo,
            bands=params.bands,
        )

    @property
    def factor(self) -> float:
        """Points for each unit of log-odds."""
        return self.pdo / math.log(2.0)

    @property
    def offset(self) -> float:
        """Points at even odds."""
        return self.base_score - self.factor * math.log(self.base_odds)

    def decide(self, pd: float) -> Decision:
        """The decision for one probability of default."""
        if pd < self.approve_below:
            return "approve"
        return "decline" if pd >= self.decline_from else "refer"

    def band(self, pd: float) -> str:
        """The risk band: A up to the first limit, B from there to the second, and so on."""
        return LETTERS[bisect_right(self.bands, pd)]

    def band_vector(self, pd: NDArray[np.float64]) -> pl.Series:
        """Risk bands for many, shape (n,), as an enum."""
        import polars as pl

        bands = pl.Series("band", list(LETTERS), dtype=pl.Enum(list(LETTERS)))
        return bands.gather(pl.Series(np.searchsorted(self.bands, pd, side="right")))

    def score(self, log_odds: float) -> int:
        """Points for calibrated log-odds of bad; more is safer."""
        return math.floor(self.offset - self.factor * log_odds + 0.5)

    def compiled(self) -> Callable[[float, float], tuple[int, Decision]]:
        """The way for many single applications: from log-odds and PD to ``score`` and ``decide``.

        The scale is worked out once, here; the policy itself keeps nothing, so a changed copy is a changed policy.
        """
        offset, factor, low, high, floor = self.offset, self.factor, self.approve_below, self.decline_from, math.floor

        def decided(log_odds: float, pd: float) -> tuple[int, Decision]:
            score = floor(offset - factor * log_odds + 0.5)
            return score, "approve" if pd < low else "decline" if pd >= high else "refer"

        return decided

    def score_vector(self, log_odds: NDArray[np.float64]) -> NDArray[np.int64]:
        """Points for many, shape (n,); the same operations as ``score``, so the same points."""
        return np.floor(self.offset - self.factor * log_odds + 0.5).astype(np.int64)

    def decide_vector(self, pd: NDArray[np.float64]) -> pl.Series:
        """Decisions for many, shape (n,), as an enum."""
        import polars as pl

        codes = (pd >= self.approve_below).astype(np.int64)
        codes += codes & (pd >= self.decline_from)
        decisions = get_args(Decision)
        return pl.Series("decision", decisions, dtype=pl.Enum(decisions)).gather(pl.Series(codes))
