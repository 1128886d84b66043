"""Numbers and settings as the report words them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from creditrisk.validation.figure import Figure
from creditrisk.validation.html import Html, join, tag

EMPTY = Html("")


def listed(sentences: Any) -> Html:
    """Sentences as a list; empty where there is none."""
    return tag("ul", join(tag("li", sentence) for sentence in sentences)) if sentences else EMPTY


def flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested settings as ``outer.inner`` and text."""
    found: dict[str, str] = {}
    for key, value in settings.items():
        name = f"{prefix}{key}"
        found |= flat(value, f"{name}.") if isinstance(value, Mapping) else {name: _value(value)}
    return found


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {v}" for k, v in flat(value).items())
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_value, value)) or "none"
    return "–" if value is None else str(value)


def number(value: float, digits: int = 3) -> str:
    """A number with so many digits, or a dash where it is not finite."""
    return plain(f"{value:.{digits}f}") if math.isfinite(value) else "–"


def plain(number: str) -> str:
    """Without the sign of a zero."""
    return number.lstrip("+-") if float(number) == 0 else number


def percent(value: float | None, digits: int = 1) -> str:
    """A share as a percentage, or a dash where there is none."""
    if value is None or not math.isfinite(value):
        return "–"
    return f"{100 * value:.{digits}f} %"


def interval(figure: Figure, digits: int = 3) -> str:
    """A figure's interval."""
    return f"{number(figure.low, digits)} to {number(figure.high, digits)}"


def signed(figure: Figure) -> str:
    """A figure with its sign and interval."""
    return f"{figure.value:+.4f} ({figure.low:+.4f} to {figure.high:+.4f})"


def p_value(value: float) -> str:
    """A p value; the small ones are all alike."""
    return "below 0.001" if value < 0.001 else f"{value:.3f}"


def alarm(on: bool) -> dict[str, str]:
    """How an element is marked that wants attention."""
    return {"class_": "alarm"} if on else {}
