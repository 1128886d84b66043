"""Quotation marks in a block of delimited text, by NumPy: what they enclose, and whether they stand well."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

NEWLINE, RETURN, QUOTE = 10, 13, 34
Positions = NDArray[np.int64]


def outside(places: Positions, quotes: Positions) -> Positions:
    """Those places that have an even number of quotation marks before them; both rise."""
    limits = np.searchsorted(places, quotes)
    opens, closes = limits[0::2], limits[1::2]
    if opens.size > closes.size:
        closes = np.append(closes, places.size)
    full = opens < closes  # quoted fields that hold any of the places
    step = np.zeros(places.size + 1, dtype=np.int8)
    step[opens[full]] += 1
    step[closes[full]] -= 1
    kept: Positions = places[np.cumsum(step[:-1], dtype=np.int8) == 0]
    return kept


def well_quoted(text: NDArray[np.uint8], quotes: Positions, mark: int) -> bool:
    """Whether every quoted field begins after a separator or line end and ends before one."""
    if quotes.size % 2:
        return False
    before = text[quotes[0::2] - 1]
    before[quotes[0::2] == 0] = NEWLINE
    after = text[quotes[1::2] + 1]
    returns = after == RETURN
    if returns.any() and (text[quotes[1::2][returns] + 2] != NEWLINE).any():
        return False
    begins = (before == mark) | (before == NEWLINE) | (before == QUOTE)
    ends = (after == mark) | (after == NEWLINE) | (after == QUOTE) | returns
    return bool(begins.all() and ends.all())
