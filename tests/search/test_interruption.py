import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from mlflow import MlflowClient

from creditrisk.search.interruption import Whole, interruptible
from creditrisk.search.session import Session


class Dropping:
    """Is interrupted where Python drops exceptions."""

    def __del__(self) -> None:
        signal.raise_signal(signal.SIGTERM)


def drop_and_go_on() -> None:
    gone = Dropping()
    del gone
    end = time.monotonic() + 30
    while time.monotonic() < end:
        time.sleep(0.001)


def fail_of_an_interruption() -> None:
    try:
        signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt:
        raise RuntimeError("could not be undone") from None


def test_a_kill_ends_the_block_as_an_interrupt() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), interruptible():
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before


def test_an_interruption_that_python_drops_is_raised_again(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyboardInterrupt), interruptible():
        drop_and_go_on()
    assert capsys.readouterr().err == ""


def test_what_is_dropped_otherwise_is_still_told(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", told.append)

    class Failing:
        def __del__(self) -> None:
            raise ValueError("lost")

    with interruptible():
        gone = Failing()
        del gone
    assert [one.exc_type for one in told] == [ValueError]


def test_an_error_after_an_interruption_is_one() -> None:
    with pytest.raises(KeyboardInterrupt), interruptible():
        fail_of_an_interruption()
    with pytest.raises(RuntimeError), interruptible():
        raise RuntimeError("of its own")


class Store:
    """Writes in two steps, with an interruption between them."""

    def __init__(self) -> None:
        self.steps: list[str] = []

    def write(self, *, fails: bool = False) -> str:
        self.steps.append("begun")
        signal.raise_signal(signal.SIGINT)
        self.steps.append("ended")
        if fails:
            raise OSError("locked")
        return "written"


def test_a_write_comes_to_its_end_before_an_interruption_is_heeded() -> None:
    store = Store()
    with pytest.raises(KeyboardInterrupt):
        Whole(store).write()
    assert store.steps == ["begun", "ended"]
    with pytest.raises(KeyboardInterrupt):  # as before
        signal.raise_signal(signal.SIGINT)


def test_an_interruption_counts_for_more_than_an_error_of_the_call() -> None:
    with pytest.raises(KeyboardInterrupt):
        Whole(Store()).write(fails=True)


def test_calls_of_other_threads_are_passed_on() -> None:
    found: list[str] = []
    thread = threading.Thread(target=lambda: found.append(Whole("Text").upper()))
    thread.start()
    thread.join()
    assert found == ["TEXT"]


def test_what_is_written_of_a_trial_comes_to_its_end(
    search: Callable[..., Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = search("scorecard").journal
    write = MlflowClient.log_batch

    def interrupted(*arguments: Any, **named: Any) -> None:
        signal.raise_signal(signal.SIGINT)
        write(*arguments, **named)

    monkeypatch.setattr(MlflowClient, "log_batch", interrupted)
    with pytest.raises(KeyboardInterrupt), journal.trial("scorecard 0", {"c": 0.5}):
        pass
    (run,) = journal.client.search_runs([journal.experiment], "tags.`mlflow.runName` = 'scorecard 0'")
    assert (run.info.status, run.data.params) == ("KILLED", {"c": "0.5"})
