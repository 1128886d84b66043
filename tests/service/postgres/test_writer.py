from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from postgres import Postgres
from service.events import event, remote_rows, repeat, said_of, written

from creditrisk.errors import ServiceError
from creditrisk.service.log.commit import postgres_log
from creditrisk.service.postgres.asked import ERASURES
from creditrisk.service.postgres.migrate import migrate
from creditrisk.service.postgres.writer import PostgresWriter
from creditrisk.service.record import Conflict, Earlier, Group, Outdated, Stored, UnsureError
from creditrisk.service.records.read import Records
from creditrisk.service.settings import ServiceSettings

pytestmark = pytest.mark.slow
IDS = "SELECT id FROM creditrisk.events ORDER BY id"


@pytest.fixture
def writer(database: str) -> Iterator[PostgresWriter]:
    migrate(database)
    found = PostgresWriter(database, clock=lambda: 0.0)
    yield found
    found.close()


def group(number: int) -> Group:
    return Group([event(number)], None, lambda _: None)


def test_what_is_called_back_is_committed(database: str) -> None:
    """The tables are made by the first batch; each call back finds its event over another connection."""
    events = [event(number, protected=b"{}" if number % 7 == 0 else None) for number in range(60)]
    seen: list[bool] = []

    async def work() -> None:
        log = postgres_log(database, asyncio.get_running_loop(), 1_000)
        for one in events:

            def done(result: Stored, name: str = one.id) -> None:
                assert result is None
                seen.append(remote_rows(database, f"SELECT 1 FROM creditrisk.events WHERE id = '{name}'") == [(1,)])

            assert log.submit(Group([one], None, done))
        await log.close()

    asyncio.run(work())
    assert seen == [True] * 60
    assert remote_rows(database, IDS) == [(one.id,) for one in events]
    assert len(remote_rows(database, "SELECT * FROM creditrisk.protected")) == 9


def test_columns_hold_what_the_event_says_and_a_nul_is_no_poison(writer: PostgresWriter, database: str) -> None:
    one = event(1, applicant="a\0b", protected=b'{"sex":"f"}')
    assert writer.write([Group([one], None, lambda _: None)]) == [None]
    ((*columns, node, seq),) = remote_rows(database, "SELECT * FROM creditrisk.events")
    assert columns == [*one[:5], "a\ufffdb", *one[6:11]]
    assert (bool(node), seq) == (True, None)
    assert json.loads(remote_rows(database, "SELECT attributes FROM creditrisk.protected")[0][0]) == {"sex": "f"}


def test_what_is_about_somebody_who_was_erased_since_is_not_written(writer: PostgresWriter, database: str) -> None:
    one, late = event(1), event(3)._replace(kind="outcome")
    shadows = [event(2)._replace(kind="shadow", subject=subject) for subject in (one.id, "gone")]

    def nobody(result: Stored) -> None:
        del result

    assert writer.write([Group([one], None, nobody)]) == [None]
    with psycopg.connect(database) as connection:
        connection.execute("INSERT INTO creditrisk.erasures VALUES ('e', 1, 'a', 'b')")
    item = repeat("k", b"x", b"first")
    batch = [Group([late], item, nobody, 0), *(Group([found], None, nobody) for found in shadows)]
    assert writer.write(batch) == [Outdated(), None, Outdated()]
    ((known,),) = remote_rows(database, ERASURES.decode())
    assert writer.write([Group([late], item, nobody, known)]) == [None]
    assert remote_rows(database, IDS) == sorted((found.id,) for found in (one, late, shadows[0]))


def test_what_was_written_before_an_erasure_is_not_written_twice_where_it_is_asked_for_again(
    writer: PostgresWriter, database: str
) -> None:
    """Outdated would have the decisions looked up once more, and the same said of them a second time."""
    one = event(1)
    said, late = (said_of(one, "outcome", "bad", number) for number in (2, 3))
    batch = [Group([said], repeat("k"), lambda _: None, 0), Group([said_of(one, "shadow", "refer", 4)], None, print)]
    assert writer.write([Group([one], None, lambda _: None)]) == [None]
    assert writer.write(batch) == [None, None]
    with psycopg.connect(database) as connection:
        connection.execute("INSERT INTO creditrisk.erasures VALUES ('e', 1, 'a', 'b')")
    again = writer.write([*batch, Group([late], None, lambda _: None, 0)], again=True)
    assert again == [Earlier(b"first"), None, Outdated()]
    assert len(remote_rows(database, IDS)) == 3


def test_an_erasure_that_is_forgotten_as_another_comes_hides_it_from_nobody(
    writer: PostgresWriter, database: str
) -> None:
    known = "INSERT INTO creditrisk.erasures VALUES (%s, 1, 'a', 'b')"
    decision = event(1)
    assert writer.write([Group([decision], None, lambda _: None)]) == [None]
    with psycopg.connect(database) as connection:
        connection.execute(known, ("old",))
    settings = ServiceSettings.model_validate({"state": ".", "database_url": database, "audit": "postgres"})
    _, erasures = Records(settings, Path("none")).looked_up([decision.id])
    with psycopg.connect(database) as connection:
        connection.execute("DELETE FROM creditrisk.erasures")
        connection.execute(known, ("new",))
    outcome = said_of(decision, "outcome", "bad", 2)
    assert writer.write([Group([outcome], None, lambda _: None, erasures)]) == [Outdated()]


def test_repeated_keys_get_the_first_answer_and_other_bodies_a_conflict(writer: PostgresWriter, database: str) -> None:
    first, second, third = event(1), event(2), event(3)
    batch = [
        Group([first], repeat("k", b"x", b"first"), lambda _: None),
        Group([second], repeat("k", b"x", b"second"), lambda _: None),
        Group([third], repeat("k", b"y", b"third"), lambda _: None),
    ]
    assert writer.write(batch) == [None, Earlier(b"first"), Conflict()]
    assert writer.write(batch[1:]) == [Earlier(b"first"), Conflict()]
    assert remote_rows(database, IDS) == [(first.id,)]
    assert remote_rows(database, "SELECT id FROM creditrisk.idempotency_events") == [(first.id,)]


def test_two_logs_at_once_give_each_key_to_one_of_them(database: str) -> None:
    migrate(database)

    async def both() -> list[list[Stored]]:
        loop = asyncio.get_running_loop()
        keys = [f"k{number}" for number in range(200)]
        mine = [([event(n)], repeat(key, answer=b"one")) for n, key in enumerate(keys)]
        other = [([event(n)], repeat(key, answer=b"two")) for n, key in enumerate(reversed(keys))]
        logs = [postgres_log(database, loop, 1_000) for _ in range(2)]
        return list(await asyncio.gather(written(logs[0], mine), written(logs[1], other)))

    one, two = asyncio.run(both())
    two.reverse()
    assert {(a, b) for a, b in zip(one, two, strict=True)} <= {(None, Earlier(b"one")), (Earlier(b"two"), None)}
    assert len(remote_rows(database, IDS)) == 200


def test_one_that_cannot_be_written_does_not_take_the_others_with_it(writer: PostgresWriter, database: str) -> None:
    twice = group(1)
    results = writer.write([twice, twice, group(2)])
    assert results[0] is None
    assert isinstance(results[1], psycopg.errors.UniqueViolation)
    assert results[2] is None
    assert len(remote_rows(database, IDS)) == 2


def test_a_server_that_was_restarted_is_found_again_within_the_same_batch(
    writer: PostgresWriter, postgres: Postgres
) -> None:
    assert writer.write([group(1)]) == [None]
    postgres.stop()
    postgres.start()
    assert writer.write([group(2)]) == [None]


def test_while_the_server_is_away_groups_fail_and_connecting_waits_longer_each_time(
    database: str, postgres: Postgres
) -> None:
    migrate(database)
    now = 0.0
    writer = PostgresWriter(database, clock=lambda: now)
    assert writer.write([group(1)]) == [None]
    postgres.stop()
    (first,) = writer.write([group(2)])
    postgres.start()
    (second,) = writer.write([group(3)])  # it is not asked again before some time has gone by
    now = 1.0
    third = writer.write([group(4)])
    writer.close()
    assert isinstance(first, UnsureError), "it was on its way"
    assert isinstance(second, psycopg.OperationalError)
    assert third == [None]
    assert len(remote_rows(database, IDS)) == 2


def test_a_commit_whose_answer_was_lost_is_not_made_twice(writer: PostgresWriter, database: str) -> None:
    one = group(1)
    assert writer.write([one]) == [None]
    assert writer.write([one], again=True) == [None]
    assert len(remote_rows(database, IDS)) == 1


def test_of_a_commit_whose_answer_was_lost_with_the_server_nobody_is_sure(
    writer: PostgresWriter, database: str, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that is told that nothing was decided asks again, and is decided upon twice."""
    batch, other, insert = [group(1)], PostgresWriter(database), writer._insert

    def lost(*arguments: Any) -> None:
        assert other.write(batch) == [None]  # as the commit whose answer is lost
        other.close()
        postgres.stop()
        monkeypatch.undo()
        insert(*arguments)

    assert writer.write([group(2)]) == [None]
    monkeypatch.setattr(writer, "_insert", lost)
    results = writer.write(batch)
    postgres.start()
    assert [type(one) for one in results] == [UnsureError]
    assert (batch[0].events[0].id,) in remote_rows(database, IDS)


def test_of_a_connection_that_a_pooler_lost_nobody_is_sure(
    writer: PostgresWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PgBouncer has a code of its own for it (08P01), where the server's word is missing."""

    def lost(*_: Any) -> None:
        raise psycopg.errors.ProtocolViolation("server conn crashed?")

    monkeypatch.setattr(writer, "_insert", lost)
    assert [type(one) for one in writer.write([group(1)])] == [UnsureError]


def test_a_log_without_an_address_is_a_sentence() -> None:
    async def make() -> None:
        postgres_log(None, asyncio.get_running_loop(), 1)

    with pytest.raises(ServiceError, match=r"DATABASE_URL is not set.*Expected postgresql://"):
        asyncio.run(make())


def test_a_worker_imports_no_driver_in_the_sqlite_mode() -> None:
    heavy = ("psycopg", "sqlalchemy", "alembic")
    code = f"import sys, creditrisk.service.app; print([m for m in {heavy} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
