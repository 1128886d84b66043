from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from creditrisk.model.stated import FEW, stated, stated_column


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (7.0, "7"),
        (12.345678, "12.35"),
        (0.000123456, "0.0001235"),
        (0.00001, "1e-05"),
        (-0.5, "-0.5"),
        (999.96, "1000"),
        (1000.4, "1,000"),
        (-1234567.8, "-1,234,568"),
    ],
)
def test_a_number_as_people_write_it(number: float, text: str) -> None:
    assert stated(number) == text


def test_a_column_is_written_as_each_number() -> None:
    """All sizes, numbers of few decimals, and those in the middle of two texts or at a step of ten."""
    random = np.random.default_rng(0)
    sizes = [random.normal(0, 10.0**power, 2_000) for power in range(-7, 8)]
    short = [random.normal(0, 10, 2_000).round(places) for places in range(7)]
    middles = [(np.arange(-2_000, 2_000) + 0.5) * 10.0**power for power in range(-8, 1)]
    steps = [np.nextafter(10.0**power, way) for power in range(-6, 6) for way in (0, 10.0**power, 1e9)]
    rounded = [value * 10.0**power for power in range(-6, 4) for value in (9.9995, 9.99949, 9.99951, 0.99995)]
    numbers = np.concatenate([*sizes, *short, *middles, steps, rounded, [0.0, -0.0, 1e300, -1e300, 5e-324]])
    assert stated_column(numbers).to_list() == [stated(number) for number in numbers.tolist()]


@settings(max_examples=300)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False) | st.floats(-1100, 1100), max_size=5))
@example([])
def test_a_long_column_says_the_same(numbers: list[float]) -> None:
    filling = np.linspace(0.5, 2.5, FEW + 1)
    found = stated_column(np.concatenate([numbers, filling]))
    assert found.to_list()[: len(numbers)] == [stated(number) for number in numbers]
