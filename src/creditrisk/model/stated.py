"""A number as people write it: no decimals where it is whole or large, else four significant digits.

One number at a time, or a whole column: the same texts, those of a column in a tenth of the time.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import polars as pl

FEW = 1_000
"""Numbers up to which the column's way is not worth its table."""
_LOWEST, _LARGE = -4, 3
"""Powers of ten between which four digits are written without an exponent, and no thousands come."""
_STEPS = 9_000
"""Numbers of four digits, from 1000 to 9999."""
_TOO_CLOSE = 1e-6
"""Of a digit: closer to the middle of two, a product of floats does not tell to which side to round."""


def stated(number: float) -> str:
    """Write one finite number."""
    if -1000.0 < number < 1000.0 and not number.is_integer():
        return f"{number:.4g}"
    return f"{number + 0.0:,.0f}"  # no minus before a zero


def stated_column(numbers: NDArray[np.float64]) -> pl.Series:
    """Write finite numbers, shape (n,), each as ``stated`` does."""
    if numbers.size <= FEW:
        return _each(numbers)
    size = np.abs(numbers)
    simple = (size < 10.0**_LARGE) & (size >= 10.0**_LOWEST) & (numbers != np.floor(numbers))
    size[~simple] = 1.0
    power = np.searchsorted(10.0 ** np.arange(_LOWEST + 1, _LARGE), size, side="right") + _LOWEST
    digits = size * (10.0 ** np.arange(3 - _LOWEST, -_LARGE, -1.0))[power - _LOWEST]
    simple &= np.abs(digits - np.floor(digits) - 0.5) > _TOO_CLOSE
    # Ten thousand, where 9,999.6 was rounded, is the first place of the next power.
    place = (power - _LOWEST) * _STEPS + np.rint(digits).astype(np.int64) - 1000
    texts = _four_digits()
    place += np.where(numbers < 0.0, texts.len() // 2, 0)
    found = texts.gather(place)
    rest = np.flatnonzero(~simple)
    return found.scatter(rest, _each(numbers[rest])) if rest.size else found


def _each(numbers: NDArray[np.float64]) -> pl.Series:
    """One by one; equal texts of large numbers once."""
    import polars as pl

    rounded = np.where(np.abs(numbers) >= 10.0**_LARGE, np.rint(numbers), numbers)
    different, codes = np.unique(rounded, return_inverse=True)
    return pl.Series([stated(number) for number in different.tolist()], dtype=pl.String).gather(codes)


@cache
def _four_digits() -> pl.Series:
    """Every text of four significant digits, by power of ten and digits; those with a minus after those without."""
    import polars as pl

    numbers = (f"{digits}e{power - 3}" for power in range(_LOWEST, _LARGE) for digits in range(1000, 1000 + _STEPS))
    texts = pl.Series([f"{float(number):.4g}" for number in (*numbers, f"1e{_LARGE}")], dtype=pl.String)
    return pl.concat([texts, "-" + texts])
