import signal
import threading
from collections.abc import Callable
from typing import Any

import pytest
from mlflow import MlflowClient

from creditrisk.search.session import Session
from creditrisk.search.whole import Whole


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
