from __future__ import annotations

import math
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from creditrisk.model.packing import compile_packing


@pytest.mark.parametrize("missing", [math.inf, -1.0])
@given(numbers=st.lists(st.none() | st.floats(), min_size=1, max_size=20))
def test_numbers_keep_their_bits_and_none_becomes_what_stands_for_missing(
    missing: float, numbers: list[float | None]
) -> None:
    read = np.frombuffer(compile_packing(len(numbers), missing)(numbers))
    for found, number in zip(read.tolist(), numbers, strict=True):
        assert struct.pack("d", found) == struct.pack("d", missing if number is None else number)


def test_what_is_no_number_is_refused() -> None:
    with pytest.raises(struct.error):
        compile_packing(2, math.nan)([1.0, "two"])  # type: ignore[list-item]
    with pytest.raises(struct.error):
        compile_packing(2, math.nan)([1.0])
