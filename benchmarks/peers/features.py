"""Thirty raw fields as the numbers that the peers' model takes: the cheapest way there is, codes for categories."""

from typing import Any

NUMBERS = [f"n{i}" for i in range(20)]
CATEGORIES = [f"c{i}" for i in range(10)]


def vector(row: dict[str, Any]) -> list[float]:
    """One application."""
    nan = float("nan")
    numbers = [nan if (value := row.get(name)) is None else value for name in NUMBERS]
    return numbers + [nan if (value := row.get(name)) is None else float(value[1:]) for name in CATEGORIES]
