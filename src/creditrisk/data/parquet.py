"""Write one Parquet file, at once or piece by piece."""

from __future__ import annotations

import errno
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import polars as pl


def sink_table(table: pl.LazyFrame, path: Path) -> None:
    """Write a table between two stages: the next one reads all of it, so speed counts and statistics do not.

    Raises:
        OSError: the file cannot be written.
    """
    try:
        table.sink_parquet(path, compression="snappy", statistics=False)
    except pl.exceptions.ComputeError as error:
        if unwritable(error):
            raise OSError(errno.EIO, str(error).partition("\n")[0], str(path)) from None
        raise


def unwritable(error: BaseException) -> bool:
    """Whether it says that the disk took no more; a page's header that does not fit any more is a fault of thrift."""
    return any(fault in str(error) for fault in ("os error", "thrift: transport error"))


class ParquetDraft:
    """A file that grows by one row group a piece; the caller moves it to its name when all is well.

    Used on the training side alone: needs pyarrow.
    """

    def __init__(self, path: Path, schema: pl.Schema) -> None:
        self._path, self._schema = path, schema
        self._writer: Any = None

    def __enter__(self) -> Self:
        import pyarrow.parquet as pq

        empty = pl.DataFrame(schema=self._schema).to_arrow()
        self._writer = pq.ParquetWriter(self._path, empty.schema, compression="zstd", write_statistics=True)
        return self

    def write(self, table: pl.DataFrame) -> None:
        """Add rows."""
        if table.height:
            self._writer.write_table(table.to_arrow())

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()
