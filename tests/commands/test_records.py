from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from service.events import event, fill, local_rows

from creditrisk.cli import main
from creditrisk.service.log.sqlite import locked
from creditrisk.service.postgres.migrate import HEAD
from creditrisk.service.records import local


@pytest.fixture(autouse=True)
def _surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDITRISK_SERVICE_STATE", str(tmp_path))
    for name in ("DATABASE_URL", "AUDIT", "CREDITRISK_SERVICE_RETENTION_DAYS"):
        monkeypatch.delenv(name, raising=False)


def code(arguments: list[str]) -> object:
    try:
        return main(arguments)
    except SystemExit as ended:
        return ended.code


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["records"], "ACTION"),
        (["records", "erase"], "--applicant"),
        (["records", "migrate"], "DATABASE_URL is not set"),
        (["records", "prune"], "--days N"),
        (["records", "prune", "--days", "0"], "--days N"),
        (["serve", "--audit", "postgres"], "DATABASE_URL is not set"),
    ],
)
def test_what_is_missing_is_a_sentence(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert code(arguments) == 1
    assert said in capsys.readouterr().err


def test_erase_and_prune_say_how_much(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "decisions.db"
    fill(path, [([event(1, "Somebody")], None), ([event(2, "other")], None)])
    assert main(["--json", "records", "erase", "--applicant", "Somebody"]) == 0
    assert json.loads(capsys.readouterr().out)["decisions"] == 1
    assert main(["--json", "records", "prune", "--days", "1"]) == 0
    assert json.loads(capsys.readouterr().out)["removed_here"] == 1
    assert local_rows(path, "SELECT kind FROM events") == [("erasure",)]


def test_an_erasure_that_does_not_reach_the_copies_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In a shell that lacks the service's DATABASE_URL."""
    path = tmp_path / "decisions.db"
    fill(path, [([event(1, "Somebody")], None)])
    with local.opened(path) as log:
        local.advance(log, path, 1)
    assert code(["--json", "records", "erase", "--applicant", "Somebody"]) == 1
    said = capsys.readouterr()
    assert json.loads(said.out)["decisions"] == 1
    assert "erased on this machine alone" in said.err


def test_what_a_command_makes_before_the_service_does_is_this_users_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = tmp_path / "state"
    monkeypatch.setenv("CREDITRISK_SERVICE_STATE", str(state))
    before = os.umask(0o022)
    try:
        assert main(["keys", "create", "--scope", "score", "--name", "shop"]) == 0
        assert main(["records", "erase", "--applicant", "Somebody"]) == 0
    finally:
        assert os.umask(before) == 0o022, "what the same process makes afterwards is as it was"
    assert (state / "decisions.db").is_file()
    assert [path.name for path in (state, *state.iterdir()) if path.stat().st_mode & 0o077] == []


@pytest.mark.parametrize("arguments", [["erase", "--applicant", "Somebody"], ["prune", "--days", "1"]])
def test_a_log_that_another_process_holds_is_said(
    tmp_path: Path, arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "decisions.db"
    fill(path, [([event(1, "Somebody")], None)])
    monkeypatch.setattr("creditrisk.service.processes.locks.LOCK_SECONDS", 0.1)
    with locked(path):
        assert code(["records", *arguments]) == 1
    assert "another process holds its lock" in capsys.readouterr().err


@pytest.mark.slow
def test_migrate_says_the_revision(
    database: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", database)
    assert main(["--json", "records", "migrate"]) == 0
    assert json.loads(capsys.readouterr().out) == {"revision": HEAD}
