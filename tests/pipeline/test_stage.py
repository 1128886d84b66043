from __future__ import annotations

import sys

import pytest

from creditrisk.pipeline.stage import Stage, run


def work(stage: Stage) -> str:
    """Do what this stage does."""
    raise AssertionError("the stage ran")


@pytest.mark.parametrize(
    ("argument", "code", "said"), [("--help", 0, "Do what this stage does."), ("--froce", 2, "--froce"), ("x", 2, "x")]
)
def test_an_argument_never_runs_a_stage(
    argument: str, code: int, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["3.FE.py", argument])
    with pytest.raises(SystemExit) as stopped:
        run(work)
    assert stopped.value.code == code
    shown = capsys.readouterr()
    assert said in shown.out + shown.err
