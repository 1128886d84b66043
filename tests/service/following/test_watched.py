"""What a worker says of a watch that says nothing."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest
from service.running import ROOT

from creditrisk.paths import Project
from creditrisk.service.following.refresh import HANG_SECONDS, NOT_YET, SILENT_SECONDS, Refresh
from creditrisk.service.following.report import REPORT_FILE, Report, write_report
from creditrisk.service.service import Service
from creditrisk.service.settings import ServiceSettings

USUAL = 3 * 15.0
REFUSED = "version 2 is refused"


class Watched:
    """A worker's view of the watch, at a time that a test sets."""

    def __init__(self, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.state, self.now, self.killed = state, time.time(), 0
        monkeypatch.setattr("creditrisk.service.following.refresh.time.time", lambda: self.now)
        self.service = Service(ServiceSettings(state=state, portfolio="small"), Project(ROOT))
        self.refresh = Refresh(self.service)

    def said(self, alerts: dict[str, str] | None = None) -> None:
        """The watch reports now."""
        found = Report("small", True, "2024-01-01T00:00:00+00:00", self.now, os.getpid(), None, None, alerts or {})
        write_report(self.state / REPORT_FILE, found)

    def after(self, seconds: float) -> dict[str, str]:
        """The alerts after a while."""
        self.now += seconds
        self.refresh._look_at_report()
        return self.service.alerts


@pytest.fixture
def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Watched:
    return Watched(tmp_path, monkeypatch)


def test_a_watch_that_falls_silent_is_an_alert_and_what_stood_before_stands(watched: Watched) -> None:
    watched.said({"champion": REFUSED})
    assert watched.after(USUAL) == {"champion": REFUSED}
    assert watched.refresh.registry()["reachable"]
    alerts = watched.after(SILENT_SECONDS + 1)
    assert alerts["champion"] == REFUSED
    assert "has said nothing since 20" in alerts["watch"]
    assert watched.refresh.report is not None
    found = watched.refresh.registry()
    assert (found["reachable"], found["error"]) == (False, f"the registry was last looked at {found['since']}")
    watched.said()
    assert watched.after(1) == {}
    assert watched.refresh.registry()["reachable"]


def test_one_that_never_said_anything_is_an_alert_too(watched: Watched) -> None:
    assert watched.after(USUAL) == {}
    assert watched.refresh.registry()["error"] == NOT_YET
    assert "has said nothing since the start" in watched.after(SILENT_SECONDS + 1)["watch"]


def test_what_an_earlier_run_has_left_is_no_silence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Watched(tmp_path, monkeypatch).said({"champion": REFUSED})
    later = Watched(tmp_path, monkeypatch)
    later.refresh._began = later.now = later.now + 86_400
    assert later.after(1) == {"champion": REFUSED}
    assert not later.refresh.registry()["reachable"]


def test_one_that_hangs_is_ended_and_one_that_was_started_just_now_is_not(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[float] = []
    age = [0.0]
    child = watched.refresh._child
    monkeypatch.setattr(type(child), "age", property(lambda _: age[0]))
    monkeypatch.setattr(child, "kill", lambda: ended.append(watched.now))
    watched.said()
    age[0] = 1e6
    watched.after(USUAL + HANG_SECONDS - 1)
    assert not ended
    watched.after(2)
    assert len(ended) == 1
    age[0] = 1.0
    watched.after(100)
    assert len(ended) == 1


def test_a_fault_of_ours_is_an_alert_and_does_not_end_the_looking(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[dict[str, str]] = []

    async def look() -> None:
        looks.append(dict(watched.service.alerts))
        if len(looks) == 1:
            raise KeyError("Quuxfeather")
        if len(looks) == 3:
            raise asyncio.CancelledError

    monkeypatch.setattr(watched.refresh, "look", look)
    monkeypatch.setattr("creditrisk.service.following.refresh.TICK_SECONDS", 0.0)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(watched.refresh.run())
    assert looks[0] == looks[2] == {}
    assert looks[1]["refresh"].startswith("what the watch reports could not be followed: KeyError at test_watched.py")
