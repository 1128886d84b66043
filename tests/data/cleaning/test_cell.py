"""One value's text is the text that a column of such values has."""

import polars as pl
from hypothesis import example, given
from hypothesis import strategies as st

from creditrisk.data.cleaning.cell import text_of
from creditrisk.data.cleaning.column import text_form


@given(st.floats(allow_nan=False) | st.floats(-1e-3, 1e-3) | st.floats(1e14, 1e18))
@example(1e-5)
@example(-1.5e-5)
@example(5e-324)
@example(1e16)
@example(float("inf"))
def test_a_number_is_written_as_the_table_engine_writes_it(value: float) -> None:
    column = pl.DataFrame({"a": [value]}, schema={"a": pl.Float64})
    assert text_of(value) == column.select(text_form(pl.col("a"), pl.Float64(), "a")).item()
