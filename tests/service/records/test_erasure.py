from __future__ import annotations

import fcntl
import json
import random
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import polars as pl
import pytest
from service.events import MAKE, NOW_MS, event, fill, local_rows, remote_rows, repeat, said_of

from creditrisk.errors import ServiceError
from creditrisk.service.files import chunks as filerecords
from creditrisk.service.files.uploads import Uploads
from creditrisk.service.log.sqlite import Writer, connect
from creditrisk.service.postgres.asked import Asked, digest_of
from creditrisk.service.record import Group
from creditrisk.service.records import erasure, local
from creditrisk.service.records.erasure import erase
from creditrisk.service.records.forward import Forwarder
from creditrisk.service.records.read import Records
from creditrisk.service.records.traces import contains
from creditrisk.service.settings import ServiceSettings

WHO = "Wilhelmine-Musterfrau-4711"
OF_ROWS = {"_at": NOW_MS * 1_000, "_key_id": "key", "_purpose": "decision", "_version": "1@d"}


def settings(state: Path, url: str | None = None, audit: str = "sqlite") -> ServiceSettings:
    return ServiceSettings.model_validate({"state": state, "database_url": url, "audit": audit})


def holding(state: Path, *texts: str) -> list[str]:
    """Files of a folder that hold one of some texts anywhere."""
    files = [path for path in state.rglob("*") if path.is_file()]
    return [path.name for path in files if any(text.encode() in path.read_bytes() for text in texts)]


def file_of(state: Path, applicants: list[str | None], at_ms: int = NOW_MS) -> str:
    """The records of a scored file, one row for each applicant."""
    name = MAKE.make(at_ms * 1_000_000)
    folder = filerecords.folder_of(state, name)
    folder.mkdir(parents=True)
    ids = [f"{name}.{number}" for number in range(1, len(applicants) + 1)]
    rows = pl.DataFrame({"_decision_id": ids, "_applicant_id": pl.Series(applicants, dtype=pl.String)})
    rows = rows.with_columns(pl.lit(value).alias(name) for name, value in OF_ROWS.items())
    apart = pl.DataFrame({"_decision_id": ids, "sex": ["f"] * len(ids)})
    filerecords.write_chunk(folder, 0, rows, apart)
    return name


def test_no_byte_of_an_applicant_remains_in_any_file_while_workers_have_the_log_open(tmp_path: Path) -> None:
    """Thousands of others in random order: SQLite moves rows between pages, and moved rows leave copies."""
    path = tmp_path / "decisions.db"
    chance = random.Random(7)
    open_elsewhere = [connect(path) for _ in range(2)]
    mine = [event(n, applicant=WHO, protected=b'{"sex":"weiblich-4711"}') for n in range(0, 4_000, 400)]
    others = [event(n, applicant=f"{chance.getrandbits(80):x}", protected=b'{"sex":"other"}') for n in range(4_000)]
    about = [said_of(mine[0], "review", "approve", 4_000), said_of(mine[0], "outcome", "bad", 4_001)]
    groups = [([one], repeat(f"key-{one.id}", answer=one.answer)) for one in (*mine, *others)]
    chance.shuffle(groups)
    fill(path, [*groups, *(([one], None) for one in about)])
    file_of(tmp_path, [WHO, "other", None])
    assert holding(tmp_path, WHO)
    done = erase(settings(tmp_path), WHO, "officer")
    traces = [WHO, "weiblich-4711", *(one.id for one in (*mine, *about))]
    assert holding(tmp_path, *traces) == []
    assert (done.decisions, done.others, done.file_rows) == (10, 2, 1)
    assert local_rows(path, "SELECT count(*) FROM events WHERE kind = 'decision'") == [(4_000,)]
    assert local_rows(path, "SELECT count(*) FROM idempotency") == [(4_000,)]
    assert local_rows(path, "PRAGMA integrity_check") == [("ok",)]
    for connection in open_elsewhere:
        connection.close()


def test_what_is_said_of_them_goes_too_also_where_it_came_after_the_erasure_was_asked_for(tmp_path: Path) -> None:
    """On another machine, which hears of it later."""
    path = tmp_path / "decisions.db"
    file_id = file_of(tmp_path, [WHO, "other"])
    mine, others = event(1, applicant=WHO), event(2)
    late = [said_of(one, "outcome", "bad", 3)._replace(at=1 << 60) for one in (mine, others)]
    of_rows = [late[0]._replace(id=MAKE.make((1 << 60) * 1_000), subject=f"{file_id}.1"), late[1]]
    again = event(10**10, applicant=WHO)._replace(at=1 << 60)  # an application of theirs that came later
    fill(path, [([one], None) for one in (mine, others, late[0], *of_rows, again)])
    with local.opened(path) as log:
        erasure.carry_out(log, path, Asked("e", time.time_ns() // 1_000, b"salt", digest_of(b"salt", WHO)))
    assert filerecords.applicants(tmp_path) == ["other"]
    left = local_rows(path, "SELECT id FROM events ORDER BY id")
    assert left == sorted((one.id,) for one in (others, late[1], again))


def test_who_was_recorded_before_the_clock_was_put_back_is_erased_as_well(tmp_path: Path) -> None:
    """An erasure that found nothing would say that it was done."""
    path = tmp_path / "decisions.db"
    late = time.time_ns() // 1_000_000 + 3_600_000
    fill(path, [([event(late - NOW_MS, WHO)], None), ([event(late - NOW_MS - 1, "other")], None)])
    file_of(tmp_path, [WHO, "other"], late)
    done = erase(settings(tmp_path), WHO, "officer")
    assert (done.decisions, done.file_rows) == (1, 1)
    assert holding(tmp_path, WHO) == []


@pytest.mark.slow
def test_so_it_is_in_postgresql(tmp_path: Path, database: str) -> None:
    path, late = tmp_path / "decisions.db", time.time_ns() // 1_000_000 + 3_600_000
    fill(path, [([event(late - NOW_MS, WHO)], None), ([event(late - NOW_MS, "other")], None)])
    with local.opened(path) as log, closing(machine(tmp_path, database)) as forwarder:
        assert forwarder.step(log) == 2
    path.unlink()
    assert erase(settings(tmp_path, database), WHO, "officer").decisions == 1
    assert remote_rows(database, "SELECT applicant_id FROM creditrisk.events") == [("other",)]


def test_an_id_with_blanks_around_it_is_erased_from_files_as_well_whose_records_have_it_without(tmp_path: Path) -> None:
    path = tmp_path / "decisions.db"
    fill(path, [([event(1, f" {WHO}")], None), ([event(2, WHO)], None), ([event(3, "other")], None)])
    file_of(tmp_path, [WHO, "other"])
    done = erase(settings(tmp_path), f" {WHO}", "officer")
    assert (done.decisions, done.file_rows) == (2, 1)
    assert holding(tmp_path, WHO) == []


def test_where_a_copy_remains_the_log_is_rewritten_and_open_connections_go_on(tmp_path: Path) -> None:
    path = tmp_path / "decisions.db"
    fill(path, [([event(n)], None) for n in range(500)])
    writer = Writer(connect(path), path)
    with local.opened(path) as connection:
        remains = event(1_000)
        connection.execute("UPDATE events SET applicant_id = ? WHERE seq = 7", (WHO,))
        local.scrub(connection, path, [WHO])  # it stands in a row that was not removed: the rewriting is what is tried
    assert not (tmp_path / "decisions.db-wal").stat().st_size
    assert writer.write([Group([remains], None, lambda _: None)]) == [None]
    writer.close()
    assert local_rows(path, "SELECT seq FROM events ORDER BY seq DESC LIMIT 1") == [(501,)]
    assert local_rows(path, "PRAGMA integrity_check") == [("ok",)]


def test_workers_write_on_while_the_log_is_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "decisions.db"
    fill(path, [([event(n, applicant=WHO if n % 7 == 0 else "other")], None) for n in range(500)])
    writer, searched = Writer(connect(path), path), []

    def meanwhile(searching: Path, needles: list[str]) -> bool:
        before = searching.read_bytes()
        with path.with_name("decisions.db.lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        groups = [Group([event(1_000 + n)], None, lambda _: None) for n in range(2_000)]
        assert writer.write(groups) == [None] * 2_000
        assert searching.read_bytes() == before, "what was searched already cannot change"
        searched.append(contains(searching, needles))
        return searched[-1]

    monkeypatch.setattr(local, "contains", meanwhile)
    erase(settings(tmp_path), WHO, "officer")
    writer.close()
    assert len(searched) == 1
    assert holding(tmp_path, WHO) == []
    assert local_rows(path, "SELECT count(*) FROM events WHERE kind = 'decision'") == [(428 + 2_000,)]


def test_a_tombstone_says_when_by_whom_and_how_much_but_not_who(tmp_path: Path) -> None:
    fill(tmp_path / "decisions.db", [([event(1, applicant=WHO)], None), ([event(2, applicant="other")], None)])
    done = erase(settings(tmp_path), WHO, "officer", "key1")
    query = "SELECT id, kind, subject, key_id, applicant_id, request, answer FROM events WHERE kind = 'erasure'"
    ((name, kind, subject, key_id, applicant, request, answer),) = local_rows(tmp_path / "decisions.db", query)
    assert (name, kind, subject, key_id, applicant) == (done.erasure_id, "erasure", None, "key1", None)
    assert json.loads(request)["who"] == "officer"
    assert json.loads(answer) == {"erasure_id": name, "decisions": 1, "others": 0, "file_rows": 0}


def test_a_file_that_is_still_being_scored_is_waited_for(tmp_path: Path) -> None:
    fill(tmp_path / "decisions.db", [([event(1, applicant=WHO)], None)])
    name = file_of(tmp_path, [WHO, "other"])
    upload = Uploads(tmp_path, 1).take(name)
    upload.path.write_text(f"applicant_id\n{WHO}\n")
    with pytest.raises(ServiceError, match=f"{name} is still being scored.*Repeat it when the file"):
        erase(settings(tmp_path), WHO, "officer")
    assert holding(tmp_path, WHO) == [name], "only the upload itself still names them"
    filerecords.write_chunk(
        filerecords.folder_of(tmp_path, name),
        1,
        pl.DataFrame({"_decision_id": [f"{name}.3"], "_applicant_id": [WHO]}),
        None,
    )
    upload.remove()
    assert erase(settings(tmp_path), WHO, "officer").file_rows == 1
    assert holding(tmp_path, WHO) == []


def test_what_killed_processes_left_is_erased_however_young_and_who_still_scores_is_waited_for(tmp_path: Path) -> None:
    name = file_of(tmp_path, [WHO, "other"])
    folder = filerecords.folder_of(tmp_path, name)
    (tmp_path / "uploads").mkdir()
    left = [tmp_path / "uploads" / name, folder / ".00001.parquet.part", folder / "00001.protected.parquet"]
    for path in left:
        path.write_text(WHO)
    orphan = filerecords.LocalChunks(tmp_path, name)  # its worker was killed, and nobody has the upload locked
    with pytest.raises(ServiceError, match=f"{name} is still being scored"):
        erase(settings(tmp_path), WHO, "officer")
    assert [path.exists() for path in left] == [False, True, True]
    orphan.close()
    erase(settings(tmp_path), WHO, "officer")
    assert holding(tmp_path, WHO) == []


def test_a_second_erasure_finds_nothing(tmp_path: Path) -> None:
    fill(tmp_path / "decisions.db", [([event(1, applicant=WHO)], None)])
    assert erase(settings(tmp_path), WHO, "officer").decisions == 1
    assert erase(settings(tmp_path), WHO, "officer").decisions == 0


def test_nothing_is_erased_while_the_database_is_away(tmp_path: Path) -> None:
    fill(tmp_path / "decisions.db", [([event(1, applicant=WHO)], None)])
    with pytest.raises(ServiceError, match="Nothing was erased") as caught:
        erase(settings(tmp_path, "postgresql://lender:geheim@127.0.0.1:1/none"), WHO, "officer")
    assert "geheim" not in str(caught.value)
    assert local_rows(tmp_path / "decisions.db", "SELECT count(*) FROM events") == [(1,)]


def machine(state: Path, url: str) -> Forwarder:
    return Forwarder(state / "decisions.db", url)


def test_who_is_named_for_the_first_time_while_files_are_searched_is_erased_for_another_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, name = tmp_path / "decisions.db", file_of(tmp_path, [WHO, "other"])
    fill(path, [([event(1, "other")], None)])
    asked = Asked("e", (NOW_MS + 10) * 1_000, b"salt", digest_of(b"salt", WHO))
    searched = erasure.erase_from_files

    def meanwhile(state: Path, concerns: Callable[[str], bool], at: int) -> int:
        known, erasures = Records(settings(tmp_path), path).looked_up([f"{name}.1"])
        said = said_of(known[f"{name}.1"], "outcome", "bad", 20)
        with closing(Writer(connect(path), path)) as writer:
            assert writer.write([Group([said], None, lambda _: None, erasures)]) == [None]
        return searched(state, concerns, at)

    monkeypatch.setattr(erasure, "erase_from_files", meanwhile)
    with local.opened(path) as log:
        erasure.carry_out(log, path, asked)
    assert holding(tmp_path, WHO) == []
    assert local_rows(path, "SELECT applicant_id FROM events") == [("other",)]


@pytest.mark.slow
def test_nothing_more_is_said_of_what_lies_on_this_disk_once_its_applicant_is_erased_in_postgresql(
    tmp_path: Path, database: str
) -> None:
    """The erasure comes to PostgreSQL first, and may read this machine's files for minutes then."""
    name, audit = file_of(tmp_path, [WHO, "other"]), settings(tmp_path, database, "postgres")
    mine, others = event(1, WHO), event(2, "other")
    fill(tmp_path / "decisions.db", [([mine], None), ([others], None)])  # from when records stayed on this machine
    erase(settings(tmp_path / "elsewhere", database, "postgres"), WHO, "officer")
    found, erasures = Records(audit, tmp_path / "decisions.db").looked_up(
        [f"{name}.1", f"{name}.2", mine.id, others.id]
    )
    assert (list(found), erasures == 0) == ([f"{name}.2", others.id], False)


@pytest.mark.slow
def test_an_applicant_is_forgotten_in_postgresql_and_on_other_machines_before_they_copy_more(
    tmp_path: Path, database: str
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    first, late, other = event(1, WHO, b"{}"), event(2, WHO), event(3, "other")
    fill(
        here / "decisions.db",
        [([first], repeat("k", answer=WHO.encode())), ([said_of(first, "review", "approve", 5)], None)],
    )
    fill(there / "decisions.db", [([late], None), ([other], None)])
    file_of(there, [WHO, "other"])
    with local.opened(here / "decisions.db") as log:
        forwarder = machine(here, database)
        assert forwarder.step(log) == 2
        forwarder.close()
    done = erase(settings(here, database), WHO, "officer")
    assert (done.decisions, done.others) == (1, 1)
    for table in ("events", "protected", "idempotency", "idempotency_events"):
        assert remote_rows(database, f"SELECT * FROM creditrisk.{table}") == []
    with local.opened(there / "decisions.db") as log:
        forwarder = machine(there, database)
        assert forwarder.step(log) == 1
        forwarder.close()
    assert remote_rows(database, "SELECT applicant_id FROM creditrisk.events") == [("other",)]
    assert holding(here, WHO, first.id) == []
    assert holding(there, WHO, late.id) == []
    assert filerecords.applicants(there) == ["other"]


@pytest.mark.slow
def test_who_comes_back_after_an_erasure_is_copied_again(tmp_path: Path, database: str) -> None:
    fill(tmp_path / "decisions.db", [([event(1, WHO)], None)])
    erase(settings(tmp_path, database), WHO, "officer")
    again = event(10**11, WHO)  # some years later
    fill(tmp_path / "decisions.db", [([again], None)])
    with local.opened(tmp_path / "decisions.db") as log:
        forwarder = machine(tmp_path, database)
        assert forwarder.step(log) == 2
        forwarder.close()
    assert (again.id,) in remote_rows(database, "SELECT id FROM creditrisk.events")


@pytest.mark.slow
def test_with_records_in_postgresql_the_tombstone_lies_there(tmp_path: Path, database: str) -> None:
    done = erase(settings(tmp_path, database, "postgres"), WHO, "officer")
    query = "SELECT id, kind FROM creditrisk.events"
    assert remote_rows(database, query) == [(done.erasure_id, "erasure")]
    assert not (tmp_path / "decisions.db").exists()
