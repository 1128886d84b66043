"""Calls of a store that an interruption does not break off."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any


class Whole:
    """An object whose methods come to their end before an interruption (SIGINT, SIGTERM) is heeded.

    Broken off in the middle of a write, SQLAlchemy may neither finish nor undo it, and reports that in place of the
    interruption.
    """

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._inner, name)

        def entire(*arguments: Any, **named: Any) -> Any:
            with uninterrupted():
                return call(*arguments, **named)

        return entire


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Put interruptions off until the block has ended; elsewhere than in the main thread there are none."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before = {
        number: signal.signal(number, lambda number, _: came.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)
        if came:
            signal.raise_signal(came[0])
