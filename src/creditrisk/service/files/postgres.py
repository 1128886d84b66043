"""Scored files' records in PostgreSQL, where ``AUDIT=postgres`` says not to rely on this machine's disk.

A chunk is the Parquet file that would lie on the disk, as one row, committed before its answers leave.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import polars as pl

from creditrisk.errors import ServiceError
from creditrisk.service.files.chunks import APPLICANT, DECISION, BeingScoredError, by_file, encode, rows_of
from creditrisk.service.postgres.asked import WRITING, Asked
from creditrisk.service.postgres.database import SCHEMA, driver, sentence, text
from creditrisk.service.postgres.migrate import opened

if TYPE_CHECKING:
    from psycopg import Connection

_TABLE = f"{SCHEMA}.file_chunks"
_ERASED_SINCE = f"SELECT id, at, salt, digest FROM {SCHEMA}.erasures WHERE at >= %s".encode()
_INSERT = f"INSERT INTO {_TABLE} VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING".encode()
_LOCK = b"SELECT pg_try_advisory_lock(hashtextextended('creditrisk.file:' || %s, 0))"
_WRITTEN = f"SELECT count(*), coalesce(max(last_row), 0) FROM {_TABLE} WHERE file_id = %s".encode()
_SPANS = f"SELECT number, first_row, last_row FROM {_TABLE} WHERE file_id = %s ORDER BY number".encode()
_UNTIL = f"SELECT file_id, number FROM {_TABLE} WHERE file_id < %s ORDER BY file_id, number".encode()
_NUMBERS = f"SELECT file_id, number FROM {_TABLE} WHERE file_id = %s ORDER BY number".encode()
_READ = f"SELECT records, protected FROM {_TABLE} WHERE file_id = %s AND number = %s".encode()
_CHANGE = _READ + b" FOR UPDATE"
_REWRITE = f"UPDATE {_TABLE} SET records = %s, protected = %s WHERE file_id = %s AND number = %s".encode()


class RemoteChunks:
    """A file's chunks in PostgreSQL, written by one process at a time.

    Args:
        url: the database's address.
        file_id: the file's.
        begun: when it came, in microseconds: whoever was erased since then is left out of what follows.

    Raises:
        BeingScoredError: another process, here or on another machine, writes them.
        ServiceError: the database does not answer, or refuses; ``write`` likewise.
    """

    def __init__(self, url: str | None, file_id: str, begun: int) -> None:
        self._url, self._file_id, self._begun = url, file_id, begun
        self._connection = self._opened()
        try:
            found = self._connection.execute(_WRITTEN, (file_id,)).fetchone()
        except driver().Error as error:
            raise self._refused(error) from None
        assert found is not None  # an aggregate has a row
        self._number, self.rows = found
        """Chunks, and rows of the file, that are on record."""

    def write(self, records: pl.DataFrame, protected: pl.DataFrame | None) -> None:
        """Commit the next chunk; after a lost connection once more, and what is there by then is passed over."""
        number, first = self._number, self.rows + 1
        self._number, self.rows = number + 1, self.rows + records.height
        error_of_driver = driver().Error
        try:
            self._commit(number, first, records, protected)
        except error_of_driver:
            self._connection.close()
            self._connection = self._opened()
            try:
                self._commit(number, first, records, protected)
            except error_of_driver as error:
                raise self._refused(error) from None

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _commit(self, number: int, first: int, records: pl.DataFrame, protected: pl.DataFrame | None) -> None:
        last = first + records.height - 1
        with self._connection.transaction():
            # Who erases waits for this chunk and finds it, or is seen here.
            self._connection.execute(WRITING)
            records, protected = self._without_erased(records, protected)
            place = (self._file_id, number, first, last)
            self._connection.execute(_INSERT, (*place, _bytes(records), _bytes(protected)))

    def _without_erased(
        self, records: pl.DataFrame, protected: pl.DataFrame | None
    ) -> tuple[pl.DataFrame, pl.DataFrame | None]:
        for asked in [Asked(*row) for row in self._connection.execute(_ERASED_SINCE, (self._begun,))]:
            known = records[APPLICANT].drop_nulls().unique().to_list()
            gone = [applicant for applicant in known if asked.concerns(applicant)]
            records, protected, _ = _without(records, protected, gone)
        return records, protected

    def _opened(self) -> Connection[tuple[Any, ...]]:
        try:
            connection = opened(self._url)
            locked = connection.execute(_LOCK, (self._file_id,)).fetchone()
        except driver().Error as error:
            raise self._refused(error) from None
        if locked != (True,):
            connection.close()
            raise BeingScoredError(f"the file {self._file_id} is being scored by another process")
        return connection

    def _refused(self, error: Exception) -> ServiceError:
        return ServiceError(f"PostgreSQL does not take a file's record: {sentence(error, self._url)}.")


def recorded(url: str | None, file_id: str) -> Iterator[pl.DataFrame]:
    """A file's records, chunk by chunk.

    Raises:
        ServiceError: the database does not answer, or refuses.
    """
    error_of_driver = driver().Error
    try:
        with opened(url) as connection:
            for place in connection.execute(_NUMBERS, (file_id,)).fetchall():
                chunk = connection.execute(_READ, place).fetchone()
                if chunk is not None:
                    yield _table(chunk[0])
    except error_of_driver as error:
        raise ServiceError(f"PostgreSQL does not give a file's record: {sentence(error, url)}.") from None


def find(connection: Connection[tuple[Any, ...]], decision_ids: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The records of rows of scored files, by decision; each chunk that holds some of them is read once."""
    found: dict[str, dict[str, Any]] = {}
    for file_id, wanted in by_file(decision_ids).items():
        for number, first, last in connection.execute(_SPANS, (file_id,)).fetchall():
            ids = [name for row, name in wanted.items() if first <= row <= last]
            chunk = connection.execute(_READ, (file_id, number)).fetchone() if ids else None
            if chunk is not None:
                found |= rows_of(_table(chunk[0]).lazy(), ids)
    return found


def erase(connection: Connection[tuple[Any, ...]], applicant_id: str, until: str) -> int:
    """Take an applicant's rows out of every chunk of the files named lower than ``until``; returns how many they were.

    Each chunk in a transaction of its own, once the erasure stands in ``erasures``: chunks written later leave the
    applicant out themselves.
    """
    places = connection.execute(_UNTIL, (until,)).fetchall()
    return sum(_erase_from_chunk(connection, place, applicant_id) for place in places)


def _erase_from_chunk(connection: Connection[tuple[Any, ...]], place: tuple[Any, ...], applicant_id: str) -> int:
    with connection.transaction():
        # The row is locked: another erasure would write back what it had read before this one.
        chunk = connection.execute(_CHANGE, place).fetchone()
        if chunk is None:  # too old to be kept
            return 0
        records = _table(chunk[0])
        known = records[APPLICANT].drop_nulls().unique().to_list()
        gone = [applicant for applicant in known if text(applicant) == applicant_id]
        if not gone:
            return 0
        records, protected, count = _without(records, None if chunk[1] is None else _table(chunk[1]), gone)
        connection.execute(_REWRITE, (_bytes(records), _bytes(protected), *place))
    return count


def _without(
    records: pl.DataFrame, protected: pl.DataFrame | None, applicants: list[str]
) -> tuple[pl.DataFrame, pl.DataFrame | None, int]:
    gone = records.filter(pl.col(APPLICANT).is_in(applicants))
    if not gone.height:
        return records, protected, 0
    if protected is not None:
        protected = protected.join(gone.select(DECISION), on=DECISION, how="anti")
    return records.join(gone.select(DECISION), on=DECISION, how="anti"), protected, gone.height


def _bytes(table: pl.DataFrame | None) -> bytes | None:
    if table is None:
        return None
    file = io.BytesIO()
    encode(table, file)
    return file.getvalue()


def _table(content: bytes) -> pl.DataFrame:
    return pl.read_parquet(io.BytesIO(content))
