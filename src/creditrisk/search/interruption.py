"""Interruptions (SIGINT, SIGTERM) of a search: none is lost, and none breaks a write off."""

from __future__ import annotations

import _thread
import contextlib
import functools
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any, NoReturn, ParamSpec, TypeVar

SIGNALS = (signal.SIGINT, signal.SIGTERM)
P = ParamSpec("P")
R = TypeVar("R")
AGAIN_SECONDS = 0.02
"""After which an interruption that was lost is tried again: by then the code that lost it has probably gone on."""


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Let a polite kill end the block as Ctrl-C does, by KeyboardInterrupt, wherever the signal falls.

    Python drops an exception that is raised within ``__del__`` or a weak reference's callback, with a traceback on
    standard error; the block would go on as if nothing had been asked of it. There it is raised again a little later.
    An error that a library reports after an interruption is taken to come of it.
    """
    came = False
    again: list[threading.Timer] = []

    def interrupt(number: int, frame: Any) -> NoReturn:
        nonlocal came
        came = True
        raise KeyboardInterrupt

    def dropped(what: sys.UnraisableHookArgs) -> None:
        if what.exc_type is not KeyboardInterrupt:
            hook(what)
            return
        timer = threading.Timer(AGAIN_SECONDS, _thread.interrupt_main)
        timer.daemon = True
        timer.start()
        again.append(timer)

    before = {number: signal.signal(number, interrupt) for number in SIGNALS}
    hook, sys.unraisablehook = sys.unraisablehook, dropped
    try:
        yield
    except Exception as error:
        if came:
            raise KeyboardInterrupt from error
        raise
    finally:
        sys.unraisablehook = hook
        for timer in again:
            timer.cancel()
        _restore(before)


class Whole:
    """An object whose methods come to their end before an interruption is heeded.

    Broken off in the middle of a write, SQLAlchemy may neither finish nor undo it, and reports that in place of the
    interruption.
    """

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return whole(getattr(self._inner, name))


def whole(call: Callable[P, R]) -> Callable[P, R]:
    """``call``, which comes to its end before an interruption is heeded."""

    @functools.wraps(call)
    def entire(*arguments: P.args, **named: P.kwargs) -> R:
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
    before = {number: signal.signal(number, lambda number, _: came.append(number)) for number in SIGNALS}
    try:
        yield
    finally:
        _restore(before)
        if came:
            signal.raise_signal(came[0])


def _restore(handlers: dict[signal.Signals, Any]) -> None:
    for number, handler in handlers.items():
        signal.signal(number, handler if handler is not None else signal.SIG_DFL)
