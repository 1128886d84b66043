from __future__ import annotations

import sys
from pathlib import Path

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


def test_a_stage_that_comes_before_its_time_says_what_makes_what_it_reads(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "argv", ["4.split_data.py"])

    def early(stage: Stage) -> str:
        return (tmp_path / "characteristics.parquet").read_text()

    with pytest.raises(SystemExit) as stopped:
        run(early)
    assert stopped.value.code == 1
    said = capsys.readouterr().err
    assert "characteristics.parquet: No such file or directory. The stages before this one" in said
    assert "uv run dvc repro runs them in order" in said
