import signal
import threading

import pytest

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
