"""How many threads the training libraries may use."""

from __future__ import annotations

import os

from creditrisk.errors import ModelError

VARIABLE = "CREDITRISK_THREADS"
USUAL = 2
"""A fixed number, not the machine's cores: more than a table of this size can feed makes OpenMP wait for itself."""


def threads() -> int:
    """CREDITRISK_THREADS, else two. Where several fits share the cores, one each: waiting threads take turns badly.

    Raises:
        ModelError: the variable is no whole number above 0.
    """
    given = os.environ.get(VARIABLE, str(USUAL))
    if not given.isdecimal() or int(given) < 1:
        raise ModelError(f"{VARIABLE}: found {given!r}, expected a whole number above 0, or leave it unset.")
    return int(given)
