"""Calibrators: from a model's margin to calibrated log-odds of bad and a probability of default.

Each is monotone, so the order of applicants (and of reasons) never flips. One application goes through ``math``,
a table through Polars, whose exp and log1p are those of the C library as ``math``'s are: the two agree to the
last bit, which NumPy's vectorised ones do not on every processor.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from creditrisk.errors import ModelError

if TYPE_CHECKING:
    pass

Method = Literal["platt", "beta", "isotonic"]
Floats = NDArray[np.float64]
Points = TypeVar("Points", float, NDArray[np.float64])

MIN_PD, MAX_PD = 1e-6, 1 - 1e-6
MAX_LOG_ODDS = math.log(MAX_PD / MIN_PD)
MAX_KNOTS = 10_000


class Calibrator(Protocol):
    """A monotone map of margins; log-odds and PD are bounded, so a score in points is finite."""

    method: ClassVar[Method]

    def log_odds(self, margin: float) -> float:
        """Calibrated log-odds of bad of one application, within ``MAX_LOG_ODDS`` of even odds."""

    def pd(self, margin: float) -> float:
        """Probability of default of one application, from ``MIN_PD`` to ``MAX_PD``."""

    def log_odds_vector(self, margin: Floats) -> Floats:
        """``log_odds`` of many, shape (n,); the same to the last bit."""

    def pd_vector(self, margin: Floats) -> Floats:
        """``pd`` of many, shape (n,); the same to the last bit."""

    def to_json(self) -> dict[str, Any]:
        """A JSON object that ``calibrator_from_json`` reads back without loss."""


class _Bounded(ABC):
    """Log-odds kept within bounds, and PD from log-odds; what is before the bounds is the subclass's."""

    method: ClassVar[Method]

    @abstractmethod
    def _raw(self, margin: float) -> float:
        """Log-odds before the bounds."""

    @abstractmethod
    def _raw_vector(self, margin: Floats) -> Floats:
        """``_raw`` of many, shape (n,)."""

    def log_odds(self, margin: float) -> float:
        value = self._raw(margin)
        if value > MAX_LOG_ODDS:
            return MAX_LOG_ODDS
        return -MAX_LOG_ODDS if value < -MAX_LOG_ODDS else value

    def log_odds_vector(self, margin: Floats) -> Floats:
        with np.errstate(over="ignore"):  # beyond the bounds is beyond them, as in Python's own arithmetic
            raw = self._raw_vector(np.asarray(margin, dtype=np.float64))
        return np.clip(raw, -MAX_LOG_ODDS, MAX_LOG_ODDS)

    def pd(self, margin: float) -> float:
        value = 1.0 / (1.0 + math.exp(-self.log_odds(margin)))
        if value > MAX_PD:
            return MAX_PD
        return MIN_PD if value < MIN_PD else value

    def pd_vector(self, margin: Floats) -> Floats:
        return np.clip(1.0 / (1.0 + exp_vector(-self.log_odds_vector(margin))), MIN_PD, MAX_PD)

    def to_json(self) -> dict[str, Any]:
        return {"method": self.method} | asdict(self)  # type: ignore[call-overload, no-any-return]


@dataclass(frozen=True)
class Platt(_Bounded):
    """``slope * margin + intercept`` (Platt 1999). The only one under which a scorecard's points add up."""

    slope: float
    intercept: float
    method: ClassVar[Method] = "platt"

    def __post_init__(self) -> None:
        _finite(self.method, (self.slope, self.intercept))
        if self.slope <= 0:
            raise ModelError(
                f"calibration: slope {self.slope:.4g}, expected above 0: the model's margin falls where the risk rises."
            )

    def _raw(self, margin: float) -> float:
        return self.slope * margin + self.intercept

    def _raw_vector(self, margin: Floats) -> Floats:
        return self.slope * margin + self.intercept


@dataclass(frozen=True)
class Beta(_Bounded):
    """``a ln(p) - b ln(1 - p) + c`` with p the margin's own probability, a and b above 0 (Kull and others 2017).

    Monotone up to rounding: only margins within about 1e-14 of each other can tie or change places.
    """

    a: float
    b: float
    c: float
    method: ClassVar[Method] = "beta"

    def __post_init__(self) -> None:
        _finite(self.method, (self.a, self.b, self.c))
        if self.a <= 0 or self.b <= 0:
            raise ModelError(
                f"calibration: beta a={self.a:.4g}, b={self.b:.4g}, expected both above 0 so that risk never falls "
                "where the margin rises."
            )

    def _raw(self, margin: float) -> float:
        tail = math.log1p(math.exp(-abs(margin)))  # -ln of the likelier side, without overflow
        rise = margin if margin > 0.0 else 0.0
        fall = -margin if margin < 0.0 else 0.0
        return self.b * (rise + tail) - self.a * (fall + tail) + self.c

    def _raw_vector(self, margin: Floats) -> Floats:
        tail = log1p_vector(exp_vector(-np.abs(margin)))
        rise, fall = np.where(margin > 0.0, margin, 0.0), np.where(margin < 0.0, -margin, 0.0)
        return self.b * (rise + tail) - self.a * (fall + tail) + self.c


@dataclass(frozen=True)
class Isotonic(_Bounded):
    """Straight pieces through strictly increasing knots, going on with slope ``tail`` beyond the outer ones.

    Isotonic regression with its steps replaced by slopes, so that applicants of different margins keep different PDs.
    """

    margins: tuple[float, ...]
    values: tuple[float, ...]
    tail: float
    method: ClassVar[Method] = "isotonic"
    _starts: tuple[float, ...] = field(init=False, repr=False, compare=False)
    _bases: tuple[float, ...] = field(init=False, repr=False, compare=False)
    _slopes: tuple[float, ...] = field(init=False, repr=False, compare=False)
    _tops: tuple[float, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _finite(self.method, (*self.margins, *self.values, self.tail))
        if not 1 <= len(self.margins) == len(self.values) <= MAX_KNOTS:
            raise ModelError(
                f"calibration: isotonic with {len(self.margins)} margins and {len(self.values)} values, expected the "
                f"same number, from 1 to {MAX_KNOTS:,}."
            )
        if self.tail <= 0 or not (_increasing(self.margins) and _increasing(self.values)):
            raise ModelError("calibration: isotonic knots and the slope beyond them must strictly increase.")
        inner = [
            (v1 - v0) / (m1 - m0)
            for m0, m1, v0, v1 in zip(self.margins, self.margins[1:], self.values, self.values[1:], strict=False)
        ]
        _finite("isotonic, between knots that lie too close,", inner)
        # Piece 0 ends at the first knot and is measured from it, too; piece i starts at knot i - 1.
        pieces = {
            "_starts": (self.margins[0], *self.margins),
            "_bases": (self.values[0], *self.values),
            "_slopes": (self.tail, *inner, self.tail),
            "_tops": (*self.values, math.inf),
        }
        for name, value in pieces.items():
            object.__setattr__(self, name, value)

    def to_json(self) -> dict[str, Any]:
        return {"method": self.method, "margins": [*self.margins], "values": [*self.values], "tail": self.tail}

    def _raw(self, margin: float) -> float:
        i = bisect_right(self.margins, margin)
        value = self._bases[i] + self._slopes[i] * (margin - self._starts[i])
        top = self._tops[i]  # rounding must not lift the end of a piece above the start of the next
        return top if value > top else value

    def _raw_vector(self, margin: Floats) -> Floats:
        i = np.searchsorted(np.array(self.margins), margin, side="right")
        starts, bases = np.array(self._starts)[i], np.array(self._bases)[i]
        value: Floats = np.minimum(bases + np.array(self._slopes)[i] * (margin - starts), np.array(self._tops)[i])
        return value


def fit_calibrator(
    method: Literal["auto", "platt", "beta", "isotonic"],
    margin: Floats,
    y: Floats,
    weight: Floats | None = None,
    seed: int = 0,
) -> Calibrator:
    """Fit a calibrator on rows that the model never saw.

    Args:
        method: ``auto`` takes Platt's unless there are 100 rows of each outcome and another is better in out-of-fold
            log loss by over one standard error.
        margin: the model's log-odds of bad, shape (n,).
        y: 1.0 bad, 0.0 good, shape (n,).
        weight: shape (n,); ones where absent.
        seed: parts the folds of ``auto``.

    Raises:
        DataError: one class only, or lengths that differ; ModelError: the margin does not rise with the risk.
    """
    from creditrisk.model.calibration_fit import fit  # training's part, kept off the scoring path

    return fit(method, margin, y, weight, seed)


def calibrator_from_json(value: Mapping[str, Any]) -> Calibrator:
    """Read what ``to_json`` wrote.

    Raises:
        ModelError: a key is missing, or a value is not what it must be.
    """
    try:
        match value["method"]:
            case "platt":
                return Platt(_number(value["slope"]), _number(value["intercept"]))
            case "beta":
                return Beta(_number(value["a"]), _number(value["b"]), _number(value["c"]))
            case "isotonic":
                return Isotonic(_numbers(value["margins"]), _numbers(value["values"]), _number(value["tail"]))
            case other:
                raise ModelError(f"calibration: unknown method {other!r}, expected platt, beta or isotonic.")
    except KeyError as error:
        raise ModelError(f"calibration: the key {error} is missing; the calibration file is incomplete.") from None


def points(log_odds: Points, base_score: float, base_odds: float, pdo: float) -> Points:
    """Score for log-odds of bad: ``base_score`` at good-to-bad odds of ``base_odds``, ``pdo`` more as odds double."""
    factor = pdo / math.log(2.0)
    return base_score + factor * (-log_odds - math.log(base_odds))


def exp_vector(values: Floats) -> Floats:
    """Exp of each, to the last bit ``math.exp``; too large gives infinity."""
    import polars as pl

    return pl.Series(values, dtype=pl.Float64).exp().to_numpy()


def log1p_vector(values: Floats) -> Floats:
    """ln(1 + x) of each, to the last bit ``math.log1p``."""
    import polars as pl

    return pl.Series(values, dtype=pl.Float64).log1p().to_numpy()


def _increasing(values: Sequence[float]) -> bool:
    return all(low < high for low, high in pairwise(values))


def _finite(method: str, values: Sequence[float]) -> None:
    for value in values:
        if not math.isfinite(value):
            raise ModelError(f"calibration: {method} holds {value}, expected finite numbers.")


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ModelError(f"calibration: expected a number, found {value!r}.")
    try:
        return float(value)
    except OverflowError:
        raise ModelError("calibration: expected a number, found one of hundreds of digits.") from None


def _numbers(values: Any) -> tuple[float, ...]:
    if not isinstance(values, list) or len(values) > MAX_KNOTS:
        raise ModelError(f"calibration: expected a list of at most {MAX_KNOTS:,} numbers.")
    return tuple(_number(value) for value in values)
