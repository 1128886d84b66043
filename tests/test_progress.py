from __future__ import annotations

import pytest

from creditrisk import progress
from creditrisk.progress import bar


def test_a_bar_does_not_go_beyond_its_total(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "QUIET_SECONDS", 0.0)
    with bar("model search", 30.0) as shown:
        shown.advance(12.0, "ebm")
        shown.advance(19.4, "catboost")
    assert capsys.readouterr().err.splitlines() == ["model search: 12 of 30 ebm", "model search: 30 of 30 catboost"]


def test_without_a_total_it_counts_on(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(progress, "QUIET_SECONDS", 0.0)
    with bar("reading") as shown:
        shown.advance(1_200.0)
    assert capsys.readouterr().err == "reading: 1,200\n"
