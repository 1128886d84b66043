"""All that a process of the service says is lines of JSON: its own log, libraries' logs, warnings and faults.

To be called first in each process that writes to the service's standard error; what a child says over a pipe to its
worker is none of it.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import warnings
from pathlib import PurePath
from types import TracebackType
from typing import TextIO

from creditrisk.service.telemetry.journal import NAME, StandardError, configure, where

LIBRARIES = {"MLFLOW_CONFIGURE_LOGGING": "false"}
"""Variables that keep libraries from setting up logs of their own."""
_LOGGER = logging.getLogger(NAME)


def take_over(requests: bool = False) -> None:
    """Write everything as lines of JSON from now on, and no text that may quote what was sent.

    Args:
        requests: whether answers that are no errors get a line.
    """
    for name, value in LIBRARIES.items():
        os.environ.setdefault(name, value)
    configure(requests)
    logging.getLogger().handlers = [StandardError()]
    warnings.showwarning = _warned
    sys.excepthook = _ended
    threading.excepthook = _thread_ended
    sys.unraisablehook = _not_raised


def _warned(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    _tell(logging.WARNING, "warning", f"{category.__name__} at {PurePath(filename).name}:{lineno}")


def _ended(kind: type[BaseException], error: BaseException, place: TracebackType | None) -> None:
    _tell(logging.CRITICAL, "a process ended by a fault", where(error))


def _thread_ended(found: threading.ExceptHookArgs) -> None:
    if found.exc_type is not SystemExit:
        error = found.exc_value
        _tell(logging.CRITICAL, "a thread ended by a fault", where(error) if error else found.exc_type.__name__)


def _not_raised(found: sys.UnraisableHookArgs) -> None:
    error = found.exc_value
    _tell(logging.ERROR, "a fault where none can be raised", where(error) if error else found.exc_type.__name__)


def _tell(level: int, message: str, error: str) -> None:
    _LOGGER.log(level, message, extra={"fields": {"error": error}})
