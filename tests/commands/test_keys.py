"""The command that makes, lists and revokes keys."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from creditrisk.cli import main
from creditrisk.service.access.keys import KeyStore


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDITRISK_SERVICE_STATE", str(tmp_path))


def test_a_key_is_shown_once_and_listed_without_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["keys", "create", "--scope", "score", "--scope", "read", "--name", "shop", "--per-minute", "60"]
    assert main(["--json", *arguments]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["key"].startswith(f"cr_{made['id']}_")
    assert main(["keys", "list"]) == 0
    listed = capsys.readouterr().out
    assert made["id"] in listed
    assert "score, read" in listed
    assert made["key"].rpartition("_")[2] not in listed
    assert KeyStore(tmp_path / "keys.json").read()[made["id"]].per_minute == 60


def test_a_person_is_told_to_keep_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", "create", "--scope", "score", "--name", "shop"]) == 0
    said = capsys.readouterr().out
    assert "key: cr_" in said
    assert "shown this once" in said


def test_revoke(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    caller, _ = KeyStore(tmp_path / "keys.json").create("shop", ("score",))
    assert main(["--json", "keys", "revoke", caller.id]) == 0
    assert json.loads(capsys.readouterr().out)["revoked"] is not None
    assert not KeyStore(tmp_path / "keys.json").usable()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["create"], "needs --scope"),
        (["create", "--scope", "scor", "--name", "x"], "Did you mean 'score'?"),
        (["create", "x", "--scope", "score", "--name", "x"], "leave 'x' out"),
        (["create", "--scope", "score", "--name", "x", "--per-minute", "0"], "from 1 on"),
        (["revoke"], "needs the id"),
        (["revoke", "none"], "No key 'none'"),
    ],
)
def test_wrong_words_get_a_sentence(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", *arguments]) == 1
    found = capsys.readouterr().err
    assert said in found
    assert found.startswith("error: ")


def test_no_keys_at_all_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", "list"]) == 0
    assert "There are no keys" in capsys.readouterr().out
