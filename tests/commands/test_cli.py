"""The command line: its words, and what it says of wrong ones."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import pytest
import yaml
from support import ROOT, little_space, small_table

from creditrisk.cli import WITHOUT_PORTFOLIO, build_parser, main
from creditrisk.commands.context import Context, set_params
from creditrisk.commands.portfolio import pin
from creditrisk.commands.registry import command_mlflow
from creditrisk.contract import Contract
from creditrisk.errors import ContractError, TrackingError
from creditrisk.paths import Project

PARAMS = "# first\nportfolio: simulated   # the current one\ntable: ../a.yaml\nmodel:\n  portfolio: untouched\n"
CONTRACT = """\
name: small
title: Small
source:   # where from
  url: small.csv
  licence: none
target: {column: y, bad: [1], good: [0]}
columns:
  amount: {type: number}
"""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["rnu"], "unknown 'rnu'. Did you mean 'run'?"),
        (["score", "t.csv"], "--out"),
        (["new-portfolio", "t.csv"], "--target"),
        (["contract", "pinn"], "Did you mean 'pin'?"),
        (["score"], "required: table, --out. Type"),
        (["mlflow", "--port", "99999"], "'99999', expected a number from 1 to 65535. Type"),
        (["use", "taiwan", "--portfolio", "simulated"], "use takes no --portfolio: the portfolio's name stands alone"),
        (["new-portfolio", "t.csv", "--target", "y", "--portfolio", "mine"], "the new one gets its name by --name"),
        (["--portfolio", "taiwan", "keys", "list"], "keys takes no --portfolio"),
        (["records", "prune", "--portfolio", "taiwan"], "records takes no --portfolio"),
        (["mlflow", "--portfolio", "taiwan"], "mlflow takes no --portfolio"),
    ],
)
def test_a_wrong_word_gets_a_sentence(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 1
    assert said in capsys.readouterr().err


def test_help_offers_an_option_only_where_it_counts(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("run", "score", *WITHOUT_PORTFOLIO):
        with pytest.raises(SystemExit):
            build_parser().parse_args([command, "--help"])
        assert ("--portfolio" in capsys.readouterr().out) is (command not in WITHOUT_PORTFOLIO)


@pytest.mark.parametrize(("words", "said"), [(["--worker"], ""), ([], "stopped; ")])
def test_of_several_processes_one_says_that_a_search_was_stopped(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(jobs: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("creditrisk.commands.experiment.check_jobs", stopped)
    assert main(["experiment", *words]) == 130
    assert capsys.readouterr().err[: len("stopped; ")] == said


def test_an_unknown_portfolio_suggests_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["contract", "check", "--portfolio", "taiwn"]) == 1
    error = capsys.readouterr().err
    assert "Did you mean 'taiwan'?" in error
    assert "Traceback" not in error


def test_who_hears_only_the_beginning_gets_no_error() -> None:
    command = [sys.executable, "main.py", "contract", "check", "--portfolio", "simulated", "--json"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == b""
    assert process.returncode == 1


def test_common_options_stand_before_or_after_the_command() -> None:
    for words in (["--portfolio", "taiwan", "--json", "status"], ["status", "--portfolio", "taiwan", "--json"]):
        parsed = build_parser().parse_args(words)
        assert (parsed.portfolio, parsed.json, parsed.command) == ("taiwan", True, "registry:command_status")


def test_no_command_is_run() -> None:
    parsed = build_parser().parse_args([])
    assert (parsed.command, parsed.portfolio) == ("run:command_run", None)


def test_params_are_changed_in_place(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(PARAMS)
    assert set_params(path, portfolio="loans", table="../my loans.csv")
    assert path.read_text() == PARAMS.replace("portfolio: simulated", "portfolio: loans").replace(
        "../a.yaml", '"../my loans.csv"'
    )
    assert not set_params(path, portfolio="loans", table="../my loans.csv")


VALUES = [
    "plain",
    "no",
    "1e3",
    "a b # c",
    'it\'s "so"',
    "a: 'b'",
    "back\\slash",
    "${x}",
    "Kredite für \U0001f600",
    "'",
    '"',
    "a\nb",
]


@pytest.mark.parametrize("before", ["../a.yaml", "two words.csv", "'it''s'", "a#b", *map(json.dumps, VALUES)])
@pytest.mark.parametrize("value", VALUES)
def test_params_take_any_value_in_place_of_any_other(tmp_path: Path, before: str, value: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(PARAMS.replace("../a.yaml", f"{before}   # where it lies"))
    set_params(path, table=value, portfolio=value)
    said = yaml.safe_load(path.read_text())
    assert said == {"portfolio": value, "table": value, "model": {"portfolio": "untouched"}}
    assert "   # the current one\n" in path.read_text()
    assert "   # where it lies\n" in path.read_text()


def test_pinning_writes_the_digest_and_nothing_else(tmp_path: Path) -> None:
    path, table = tmp_path / "small.yaml", tmp_path / "small.csv"
    path.write_text(CONTRACT)
    table.write_text("amount,y\n1,0\n")
    digest = pin(path, Contract.from_yaml(path), tmp_path)
    assert path.read_text() == CONTRACT.replace("  url:", f"  sha256: {digest}\n  url:")
    table.write_text("amount,y\n2,0\n")
    again = pin(path, Contract.from_yaml(path), tmp_path)
    assert again != digest
    assert path.read_text() == CONTRACT.replace("  url:", f"  sha256: {again}\n  url:")


def test_a_full_disk_leaves_the_contract_that_is_pinned(tmp_path: Path) -> None:
    path = tmp_path / "small.yaml"
    path.write_text(CONTRACT)
    (tmp_path / "small.csv").write_text("amount,y\n1,0\n")
    with little_space(100), pytest.raises(OSError, match="File too large"):
        pin(path, Contract.from_yaml(path), tmp_path)
    assert path.read_text() == CONTRACT
    assert {found.name for found in tmp_path.iterdir()} == {"small.yaml", "small.csv"}


def test_a_full_disk_leaves_the_contract_that_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CREDITRISK_ROOT", str(tmp_path))
    path = Project(tmp_path).contract("small")
    path.parent.mkdir(parents=True)
    path.write_text(CONTRACT)
    Project(tmp_path).pipeline.mkdir()
    Project(tmp_path).params.write_text("portfolio: small\n")
    small_table(40).write_parquet(tmp_path / "small.parquet")
    words = ["new-portfolio", str(tmp_path / "small.parquet"), "--target", "outcome", "--bad", "default", "--overwrite"]
    with little_space(100):
        assert main(words) == 1
    assert "File too large; nothing was changed" in capsys.readouterr().err
    assert path.read_text() == CONTRACT
    assert [found.name for found in path.parent.iterdir()] == ["small.yaml"]
    assert main(words) == 0
    assert Contract.load(path).id == "loan"


def test_a_remote_table_cannot_be_pinned(tmp_path: Path) -> None:
    path = tmp_path / "small.yaml"
    path.write_text(CONTRACT.replace("small.csv", "https://example.org/loans.csv"))
    with pytest.raises(ContractError, match="only a local table can be pinned"):
        pin(path, Contract.from_yaml(path), tmp_path)


def test_a_line_to_copy_is_never_broken_and_markup_stays_text(capsys: pytest.CaptureFixture[str]) -> None:
    command = "uv run main.py score TABLE --out scores.csv --portfolio " + "a_long_name" * 5
    Context(Project(Path()), as_json=False).show({}, [("note", "[red] :car: " + "word " * 60), ("next", command)])
    note, following = capsys.readouterr().out.splitlines()
    assert "[red] :car: word" in note
    assert following == f"next  {command}"


def test_a_port_that_is_taken_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").touch()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(TrackingError, match=rf"127\.0\.0\.1:{port}: another program answers .* --port"):
            command_mlflow(Context(Project(tmp_path), as_json=False), Namespace(port=port, no_browser=True))


def test_no_page_is_opened_on_what_is_no_database(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mlflow.db").write_text("garbage " * 100)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(TrackingError, match="not an SQLite database or is damaged"):
        command_mlflow(Context(Project(tmp_path), as_json=False), Namespace(port=port, no_browser=True))
    assert capfd.readouterr() == ("", "")
