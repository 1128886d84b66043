"""What is kept of applicants is this user's alone, whichever command writes it first."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def private() -> Iterator[None]:
    """Let nobody else read what is made within the block, or by the function that this decorates."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)
