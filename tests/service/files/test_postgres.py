"""Scored files' records in PostgreSQL."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import polars as pl
import psycopg
import pytest
from postgres import Postgres
from service.events import remote_rows

from creditrisk.errors import ServiceError
from creditrisk.service.files import postgres as filechunks
from creditrisk.service.files.chunks import BeingScoredError
from creditrisk.service.files.postgres import RemoteChunks
from creditrisk.service.identifiers import Identifiers
from creditrisk.service.postgres.asked import WRITING, digest_of
from creditrisk.service.records.erasure import erase
from creditrisk.service.records.read import Records
from creditrisk.service.settings import ServiceSettings

pytestmark = pytest.mark.slow
WHO = "Wilhelmine-Musterfrau-4711"


@contextmanager
def begun(url: str) -> Iterator[tuple[str, RemoteChunks]]:
    now = time.time_ns()
    name = Identifiers().make(now)
    with closing(RemoteChunks(url, name, now // 1_000)) as chunks:
        yield name, chunks


def rows(name: str, first: int, *applicants: str | None) -> tuple[pl.DataFrame, pl.DataFrame]:
    ids = [f"{name}.{first + at}" for at in range(len(applicants))]
    records = pl.DataFrame({"_decision_id": ids, "_applicant_id": pl.Series(applicants, dtype=pl.String)})
    return records, pl.DataFrame({"sex": ["f"] * len(ids), "_decision_id": ids})


def test_a_row_is_found_by_its_decisions_id(database: str) -> None:
    with begun(database) as (name, chunks):
        chunks.write(*rows(name, 1, "a", "b"))
        chunks.write(rows(name, 3, None)[0], None)
        with psycopg.connect(database) as connection:
            asked = [f"{name}.3", "nothing", f"{name}.4", f"{name}.1", f"{name}.2"]
            found = filechunks.find(connection, asked)
    applicants = {decision: row["_applicant_id"] for decision, row in found.items()}
    assert applicants == {f"{name}.1": "a", f"{name}.2": "b", f"{name}.3": None}


def test_whoever_is_erased_while_a_file_is_scored_is_in_none_of_its_chunks(tmp_path: Path, database: str) -> None:
    with begun(database) as (name, chunks):
        chunks.write(*rows(name, 1, WHO, "other", WHO))
        settings = ServiceSettings.model_validate({"state": tmp_path, "database_url": database, "audit": "postgres"})
        time.sleep(0.005)  # an identifier's time is a millisecond's
        assert erase(settings, WHO, "officer").file_rows == 2
        chunks.write(*rows(name, 4, "third", WHO))
        kept = remote_rows(database, "SELECT records, protected FROM creditrisk.file_chunks ORDER BY number")
        assert [pl.read_parquet(records)["_applicant_id"].to_list() for records, _ in kept] == [["other"], ["third"]]
        assert [pl.read_parquet(apart).height for _, apart in kept] == [1, 1]
        assert all(WHO.encode() not in part for row in kept for part in row)


def test_a_row_is_gone_as_soon_as_its_applicants_erasure_is_asked_for(tmp_path: Path, database: str) -> None:
    """Nothing more can be said of it then, though its chunk may still have to be written anew."""
    settings = ServiceSettings.model_validate({"state": tmp_path, "database_url": database, "audit": "postgres"})
    records = Records(settings, tmp_path / "decisions.db")
    with begun(database) as (name, chunks):
        table, _ = rows(name, 1, WHO, "other")
        kept = {"_at": 5, "_key_id": None, "_purpose": "decision", "_version": "1@d", "_day": None}
        chunks.write(table.with_columns(pl.lit(value).alias(at) for at, value in kept.items()), None)
    ids = [f"{name}.1", f"{name}.2"]
    assert records.looked_up(ids) == (records.many(ids), 0)
    assert list(records.many(ids)) == ids
    with psycopg.connect(database) as connection:
        connection.execute("INSERT INTO creditrisk.erasures VALUES ('e', 5, 'salt', %s)", (digest_of(b"salt", WHO),))
    assert list(records.many(ids)) == ids[1:]
    assert records.looked_up(ids)[1] != 0


def test_applications_and_chunks_are_written_while_an_applicant_is_taken_out_of_the_files(
    tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = ServiceSettings.model_validate({"state": tmp_path, "database_url": database, "audit": "postgres"})
    taking_out, reached = filechunks._erase_from_chunk, list[int]()

    with begun(database) as (name, chunks):
        chunks.write(*rows(name, 1, WHO, "other"))

        def meanwhile(*arguments: Any) -> int:
            reached.append(1)
            with psycopg.connect(database) as scoring:
                scoring.execute("SET lock_timeout = '2s'")
                scoring.execute(WRITING)
            chunks.write(*rows(name, 3, WHO, "third"))
            return taking_out(*arguments)

        monkeypatch.setattr(filechunks, "_erase_from_chunk", meanwhile)
        time.sleep(0.005)  # an identifier's time is a millisecond's
        assert erase(settings, WHO, "officer").file_rows == 1
        assert reached == [1]
        assert left(database) == [["other"], ["third"]]


def test_two_erasures_at_once_leave_neither_applicant(
    tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = ServiceSettings.model_validate({"state": tmp_path, "database_url": database, "audit": "postgres"})
    without, threads = filechunks._without, list[threading.Thread]()

    def slowly(*arguments: Any) -> Any:
        if not threads:  # the first has read the chunk and not yet written it
            threads.append(threading.Thread(target=erase, args=(settings, "second", "officer")))
            threads[0].start()
            wait_until_blocked(database)
        return without(*arguments)

    with begun(database) as (name, chunks):
        chunks.write(*rows(name, 1, "first", "second", "third"))
    monkeypatch.setattr(filechunks, "_without", slowly)
    time.sleep(0.005)
    assert erase(settings, "first", "officer").file_rows == 1
    threads[0].join()
    assert left(database) == [["third"]]


def left(url: str) -> list[list[str]]:
    """Applicants in each chunk, where no byte of those who were erased remains."""
    kept = remote_rows(url, "SELECT records, protected FROM creditrisk.file_chunks ORDER BY number")
    assert all(WHO.encode() not in part for row in kept for part in row)
    return [pl.read_parquet(records)["_applicant_id"].to_list() for records, _ in kept]


def wait_until_blocked(url: str) -> None:
    """Wait until some connection waits for another's lock, for a while."""
    for _ in range(100):
        if remote_rows(url, "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"):
            return
        time.sleep(0.05)


def test_a_chunk_survives_a_connection_that_is_lost_and_none_is_written_twice(
    database: str, postgres: Postgres
) -> None:
    with begun(database) as (name, chunks):
        chunks.write(*rows(name, 1, "a"))
        postgres.stop()
        postgres.start()
        chunks.write(*rows(name, 2, "b"))
        assert remote_rows(database, "SELECT number FROM creditrisk.file_chunks ORDER BY number") == [(0,), (1,)]
        committed_unheard(database, name, 2, 3)
        chunks.write(*rows(name, 3, "c"))
        assert remote_rows(database, "SELECT number FROM creditrisk.file_chunks ORDER BY number") == [(0,), (1,), (2,)]
        postgres.stop()
        with pytest.raises(ServiceError, match="does not take a file's record"):
            chunks.write(*rows(name, 4, "d"))
        postgres.start()


def committed_unheard(url: str, name: str, number: int, row: int) -> None:
    """A chunk whose commit was not heard of, because the connection was lost."""
    with psycopg.connect(url) as connection:
        connection.execute("INSERT INTO creditrisk.file_chunks VALUES (%s, %s, %s, %s, '')", (name, number, row, row))


def test_a_file_is_written_by_one_process_at_a_time_and_gone_on_with_where_it_was_left(database: str) -> None:
    with begun(database) as (name, chunks):
        chunks.write(*rows(name, 1, "a", "b"))
        with pytest.raises(BeingScoredError, match="is being scored by another process"):
            RemoteChunks(database, name, 0)
    with closing(RemoteChunks(database, name, 0)) as chunks:
        assert chunks.rows == 2
        chunks.write(*rows(name, 3, "c"))
    places = remote_rows(database, "SELECT number, first_row, last_row FROM creditrisk.file_chunks ORDER BY number")
    assert places == [(0, 1, 2), (1, 3, 3)]
