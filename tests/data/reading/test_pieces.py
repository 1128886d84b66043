"""A table in pieces."""

from __future__ import annotations

import gzip
from pathlib import Path

import polars as pl
import pytest

from creditrisk.contract import Format
from creditrisk.data.reading import delimited
from creditrisk.data.reading.pieces import pieces
from creditrisk.data.reading.source import scan
from creditrisk.errors import SourceError


@pytest.mark.parametrize("kind", ["csv", "parquet", "csv.gz"])
@pytest.mark.parametrize("block", [60, 3_000, 1 << 20])
@pytest.mark.parametrize("skip", [0, 1, 333, 1_000, 1_001])
def test_pieces_are_the_table_in_order_and_of_even_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, block: int, skip: int
) -> None:
    monkeypatch.setattr(delimited, "BLOCK", block)
    table, path = pl.DataFrame({"a": [str(n) for n in range(1_000)], "b": ["x"] * 1_000}), tmp_path / f"loans.{kind}"
    if kind == "parquet":
        table.write_parquet(path, row_group_size=170)
    else:
        content = table.write_csv().replace("\n500,x", "\n500").encode()  # a broken line keeps its place
        path.write_bytes(gzip.compress(content) if kind == "csv.gz" else content)
    found = list(pieces(path, 80, Format(), skip))
    sizes = [piece.height for piece in found]
    assert all(38 <= size <= 80 for size in sizes[:-1])
    assert all(0 < size <= 80 for size in sizes)
    assert sum(sizes) == max(0, 1_000 - skip)
    if found:
        assert pl.concat(found).equals(scan(path, broken="mark").slice(skip).collect())


def test_no_more_is_read_than_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "BLOCK", 1_000)
    path = tmp_path / "loans.csv"
    path.write_bytes(b"a,b\n" + b"1,2\n" * 5_000 + b"\xff,2\n" * 5_000)
    coming = pieces(path, 100, Format())
    assert all(45 <= next(coming).height <= 100 for _ in range(10)), "the fault lies far behind them"
    with pytest.raises(SourceError, match="not UTF-8"):
        list(coming)


def test_a_parquet_table_that_is_damaged_behind_its_beginning_says_where(tmp_path: Path) -> None:
    path = tmp_path / "loans.parquet"
    pl.DataFrame({"a": [str(n * 7919 % 10_007) for n in range(10_000)]}).write_parquet(path, row_group_size=1_000)
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 2_000] = b"A" * 2_000
    path.write_bytes(content)
    coming = pieces(path, 500, Format())
    assert next(coming).height == 500
    with pytest.raises(SourceError, match=r"loans\.parquet, after row [24],000: cannot be read: .*"):
        list(coming)
