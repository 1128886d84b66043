from __future__ import annotations

import os
import shutil
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from service.running import ROOT, free_port

from creditrisk.service.log.sqlite import connect, locked


def serve(state: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """``main.py serve``, which must end by itself."""
    given = os.environ | {"CREDITRISK_SERVICE_STATE": str(state), "CREDITRISK_ROOT": str(ROOT)} | environment
    command = [sys.executable, str(ROOT / "main.py"), "serve", *arguments]
    return subprocess.run(command, env=given, capture_output=True, text=True, timeout=60, check=False)


def refused(done: subprocess.CompletedProcess[str]) -> str:
    """The one sentence that it ended with."""
    (line,) = (done.stdout + done.stderr).splitlines()
    assert (done.returncode, line[:7]) == (1, "error: ")
    return line


def unknown_setting(state: Path, _: Path) -> subprocess.CompletedProcess[str]:
    return serve(state, CREDITRISK_SERVICE_PROT="1")


def port_in_use(state: Path, bundle: Path) -> subprocess.CompletedProcess[str]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        return serve(state, "--bundle", str(bundle), "--port", str(taken.getsockname()[1]), "--workers", "2")


def no_folder(state: Path, bundle: Path) -> subprocess.CompletedProcess[str]:
    state.write_text("a file")
    return serve(state, "--bundle", str(bundle), "--port", str(free_port()))


def missing_bundle(state: Path, _: Path) -> subprocess.CompletedProcess[str]:
    return serve(state, "--bundle", str(state / "nowhere"), "--port", str(free_port()))


def changed_bundle(state: Path, bundle: Path) -> subprocess.CompletedProcess[str]:
    shutil.copytree(bundle, state.parent / "changed")
    (state.parent / "changed" / "policy.json").write_text("{}")
    return serve(state, "--bundle", str(state.parent / "changed"), "--port", str(free_port()))


def damaged_log(state: Path, bundle: Path) -> subprocess.CompletedProcess[str]:
    state.mkdir()
    (state / "decisions.db").write_text("This is no database, and it is long enough to be seen as one that is damaged.")
    return serve(state, "--bundle", str(bundle), "--port", str(free_port()), "--workers", "2")


def old_log(state: Path, bundle: Path) -> subprocess.CompletedProcess[str]:
    connect(state / "decisions.db").close()
    connection = sqlite3.connect(state / "decisions.db")
    connection.execute("ALTER TABLE events DROP COLUMN purpose")
    connection.close()
    return serve(state, "--bundle", str(bundle), "--port", str(free_port()))


def damaged_keys(state: Path, bundle: Path) -> subprocess.CompletedProcess[str]:
    state.mkdir()
    (state / "keys.json").write_text("[{")
    return serve(state, "--bundle", str(bundle), "--port", str(free_port()))


def no_list_of_keys(state: Path, bundle: Path) -> subprocess.CompletedProcess[str]:
    state.mkdir()
    (state / "keys.json").write_text("{}")
    return serve(state, "--bundle", str(bundle), "--port", str(free_port()))


def no_database(state: Path, bundle: Path) -> subprocess.CompletedProcess[str]:
    return serve(state, "--bundle", str(bundle), "--port", str(free_port()), AUDIT="postgres", DATABASE_URL="")


def another_database(state: Path, bundle: Path) -> subprocess.CompletedProcess[str]:
    return serve(state, "--bundle", str(bundle), "--port", str(free_port()), DATABASE_URL="mysql://u:secret@h/x")


@pytest.mark.parametrize(
    ("case", "said"),
    [
        (unknown_setting, "Did you mean 'port'?"),
        (port_in_use, "Address already in use"),
        (no_folder, "cannot be written to"),
        (missing_bundle, "nowhere"),
        (changed_bundle, "policy.json: its SHA-256 is"),
        (damaged_log, "file is not a database"),
        (old_log, "its table events has the columns seq, id,"),
        (damaged_keys, "keys.json: cannot be read"),
        (no_list_of_keys, "keys.json: cannot be read as a list of keys"),
        (no_database, "DATABASE_URL is not set"),
        (another_database, "DATABASE_URL names no PostgreSQL database"),
    ],
)
def test_what_is_set_up_wrongly_is_said_in_one_sentence(
    tmp_path: Path, small_bundle: Path, case: Callable[[Path, Path], subprocess.CompletedProcess[str]], said: str
) -> None:
    sentence = refused(case(tmp_path / "state", small_bundle))
    assert said in sentence
    assert "secret" not in sentence


@pytest.mark.slow
def test_a_log_that_another_process_holds_is_said_after_a_while(tmp_path: Path, small_bundle: Path) -> None:
    connect(tmp_path / "decisions.db").close()
    with locked(tmp_path / "decisions.db"):
        sentence = refused(serve(tmp_path, "--bundle", str(small_bundle), "--port", str(free_port())))
    assert "another process holds its lock, decisions.db.lock" in sentence
