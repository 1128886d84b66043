from __future__ import annotations

import sqlite3
import threading

import pytest
import sqlalchemy as sa

from creditrisk.errors import LedgerError
from creditrisk.paths import Project
from creditrisk.tracking.chain import GENESIS, Row
from creditrisk.tracking.ledger import Ledger


def write(ledger: Ledger, version: str, previous: str = GENESIS, chain: str = "c") -> Row:
    return ledger.append(
        chain,
        previous,
        model="CreditRiskModel",
        action="promote",
        version=version,
        digest="d" * 64,
        former=None,
        who="officer@bank",
        reason="better",
        evidence={"auc": 0.71, "gates": ["AUC"]},
    )


@pytest.fixture
def ledger(bare: Project) -> Ledger:
    return Ledger.open(bare)


def edit(project: Project, *statements: str) -> None:
    """Change the file as somebody who knows SQLite would."""
    with sqlite3.connect(project.experiments / "ledger.db") as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


def test_rows_read_back_in_order_each_under_its_predecessor(ledger: Ledger) -> None:
    first = write(ledger, "1")
    second = write(ledger, "2", first.hash)
    assert ledger.rows("c") == [first, second]
    assert second.previous_hash == first.hash
    assert first.previous_hash == GENESIS
    assert first.to_json()["evidence"] == {"auc": 0.71, "gates": ["AUC"]}
    assert first.at.endswith("+00:00")


def test_chains_do_not_mix(ledger: Ledger) -> None:
    write(ledger, "1", chain="a")
    write(ledger, "1", chain="b")
    assert len(ledger.rows("a")) == len(ledger.rows("b")) == 1


def test_a_second_writer_on_the_same_head_loses(ledger: Ledger) -> None:
    first = write(ledger, "1")
    write(ledger, "2", first.hash)
    with pytest.raises(LedgerError, match="somebody else changed the champion of CreditRiskModel at the same time"):
        write(ledger, "3", first.hash)
    assert [row.version for row in ledger.rows("c")] == ["1", "2"]


def _race(ledger: Ledger, writers: int) -> tuple[list[str], list[str]]:
    won: list[str] = []
    lost: list[str] = []
    start = threading.Barrier(writers)

    def run(version: str) -> None:
        start.wait()
        try:
            write(ledger, version)
            won.append(version)
        except LedgerError as error:
            lost.append(str(error))

    threads = [threading.Thread(target=run, args=(str(number),)) for number in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return won, lost


def test_of_concurrent_writers_just_one_wins(ledger: Ledger) -> None:
    won, lost = _race(ledger, 6)
    assert len(won) == 1
    assert len(lost) == 5
    assert all("somebody else" in sentence for sentence in lost)
    assert [row.version for row in ledger.rows("c")] == won


@pytest.mark.parametrize("statement", ["UPDATE ledger SET who = 'nobody'", "DELETE FROM ledger"])
def test_the_database_itself_refuses_changes(ledger: Ledger, bare: Project, statement: str) -> None:
    write(ledger, "1")
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        edit(bare, statement)
    assert len(ledger.rows("c")) == 1


def test_an_edit_round_the_triggers_is_found_and_its_row_named(ledger: Ledger, bare: Project) -> None:
    first = write(ledger, "1")
    write(ledger, "2", first.hash)
    edit(bare, "DROP TRIGGER ledger_no_update", "UPDATE ledger SET version = '9' WHERE id = 2")
    with pytest.raises(LedgerError, match=r"ledger\.db: row 2 \(promote of version 9 .* was edited"):
        ledger.rows("c")


def test_lost_triggers_come_back(ledger: Ledger, bare: Project) -> None:
    write(ledger, "1")
    edit(bare, "DROP TRIGGER ledger_no_update", "DROP TRIGGER ledger_no_delete")
    Ledger.open(bare)
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        edit(bare, "DELETE FROM ledger")


def test_a_ledger_that_cannot_be_opened_is_said_so(bare: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEDGER_URL", f"sqlite:///{bare.root}/nowhere/ledger.db")
    with pytest.raises(LedgerError, match=r"cannot be written to .* set LEDGER_URL"):
        Ledger.open(bare)


def test_a_database_that_does_not_answer_is_said_so_without_its_password(
    bare: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("psycopg")
    monkeypatch.setenv("LEDGER_URL", "postgresql://lender:secret@127.0.0.1:1/none?connect_timeout=2")
    with pytest.raises(LedgerError, match="Check LEDGER_URL") as caught:
        Ledger.open(bare)
    assert "secret" not in str(caught.value)


@pytest.mark.slow
def test_the_same_holds_on_postgresql(database: str, bare: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEDGER_URL", database)
    ledger = Ledger.open(bare)
    won, lost = _race(Ledger.open(bare), 6)
    assert (len(won), len(lost)) == (1, 5)
    second = write(ledger, "9", ledger.rows("c")[0].hash)
    assert ledger.rows("c")[-1] == second
    engine = sa.create_engine(database.replace("postgresql:", "postgresql+psycopg:"), poolclass=sa.NullPool)
    for statement in ("UPDATE ledger SET who = 'x'", "DELETE FROM ledger", "TRUNCATE ledger"):
        with pytest.raises(sa.exc.DBAPIError, match="append-only"), engine.begin() as connection:
            connection.execute(sa.text(statement))
    with engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE ledger DISABLE TRIGGER ledger_append_only"))
        connection.execute(sa.text("UPDATE ledger SET who = 'x' WHERE id = (SELECT max(id) FROM ledger)"))
    with pytest.raises(LedgerError, match="was edited"):
        ledger.rows("c")
