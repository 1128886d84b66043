"""Progress of long work on standard error: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress

QUIET_SECONDS = 5.0
"""Where there is no terminal: seconds between two lines."""


class Bar:
    """One piece of work; ``advance`` says that so much more of it is done."""

    def __init__(self, title: str, total: float | None, progress: Progress | None) -> None:
        self._title, self._total, self._progress = title, total, progress
        self._done, self._said = 0.0, time.monotonic()
        self._task = progress.add_task(title, total=total) if progress else None

    def advance(self, amount: float = 1.0, note: str = "") -> None:
        """Count ``amount`` more as done; ``note`` says what is going on."""
        # What is given is an estimate at times, such as seconds that a last fit goes beyond.
        done = self._done + amount if self._total is None else min(self._done + amount, self._total)
        amount, self._done = done - self._done, done
        if self._progress is not None and self._task is not None:
            title = f"{self._title} {note}".strip()
            self._progress.update(self._task, advance=amount, description=title)
        elif time.monotonic() - self._said >= QUIET_SECONDS:
            self._said = time.monotonic()
            of = f" of {self._total:,.0f}" if self._total else ""
            print(f"{self._title}: {self._done:,.0f}{of} {note}".rstrip(), file=sys.stderr, flush=True)


@contextmanager
def bar(title: str, total: float | None = None) -> Iterator[Bar]:
    """Show a progress bar for the block's duration.

    Args:
        title: what is being done.
        total: how much there is to do, in any unit; None where nobody knows.
    """
    if not sys.stderr.isatty():
        yield Bar(title, total, None)
        return
    from rich import progress as rich  # the service reads files as well, and has no terminal
    from rich.console import Console

    columns = (
        rich.TextColumn("{task.description}"),
        rich.BarColumn(),
        rich.MofNCompleteColumn(),
        rich.TimeElapsedColumn(),
        rich.TimeRemainingColumn(),
    )
    with rich.Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield Bar(title, total, progress)
