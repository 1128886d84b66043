"""The command line: its words, and what it says of wrong ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from creditrisk.cli import build_parser, main
from creditrisk.commands.context import set_params
from creditrisk.commands.portfolio import pin
from creditrisk.contract import Contract
from creditrisk.errors import ContractError

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
    ],
)
def test_a_wrong_word_gets_a_sentence(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 1
    assert said in capsys.readouterr().err


def test_an_unknown_portfolio_suggests_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["contract", "check", "--portfolio", "taiwn"]) == 1
    error = capsys.readouterr().err
    assert "Did you mean 'taiwan'?" in error
    assert "Traceback" not in error


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


def test_a_remote_table_cannot_be_pinned(tmp_path: Path) -> None:
    path = tmp_path / "small.yaml"
    path.write_text(CONTRACT.replace("small.csv", "https://example.org/loans.csv"))
    with pytest.raises(ContractError, match="only a local table can be pinned"):
        pin(path, Contract.from_yaml(path), tmp_path)
