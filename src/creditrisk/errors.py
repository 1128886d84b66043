"""The project's exceptions: each message is a sentence a person can act on.

A message says what is wrong, where (file, row, column), the value found, what was expected and what to do.
The command line prints it alone, without a traceback, and exits with 1.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class CreditRiskError(Exception):
    """Base of everything the project raises on purpose."""


class ContractError(CreditRiskError):
    """A contract or params file is not what it must be."""


class ExpressionError(ContractError):
    """A SQL expression leaves the allowed subset or names what is not there."""


class SourceError(CreditRiskError):
    """A table cannot be fetched, is not the one the contract names, or cannot be parsed at all."""


class DataError(CreditRiskError):
    """A table was read but cannot be used: a column is missing, one class only, too many bad rows."""


class ModelError(CreditRiskError):
    """A model cannot be fitted, saved or loaded."""


class BundleError(CreditRiskError):
    """A bundle is incomplete, changed since it was made, or does not reproduce its golden rows."""


class TrackingError(CreditRiskError):
    """The tracking server or registry does not answer, may not be written to, or lacks what was asked for."""


class LedgerError(CreditRiskError):
    """The promotion ledger was changed, has diverged from the registry, or somebody else wrote first."""


class ServiceError(CreditRiskError):
    """The scoring service is set up wrongly or cannot keep its records."""


def os_sentence(error: OSError) -> str:
    """Which file and what is wrong with it; libraries raise errors that name neither."""
    what = error.strerror or str(error).partition("\n")[0] or type(error).__name__
    if "libgomp" in what:  # a bare Linux image lacks it, and the training packages bring it along but for LightGBM
        return f"{what}; LightGBM needs this library of the system (Debian and Ubuntu: apt-get install libgomp1)"
    return f"{error.filename or 'a file'}: {what}"


def nearest(name: str, known: Iterable[str]) -> str:
    """Return `` Did you mean 'x'?`` for the closest known name, upper or lower case, or an empty string."""
    by_letters: dict[str, str] = {}
    for item in known:
        by_letters.setdefault(str(item).casefold(), str(item))
    match = difflib.get_close_matches(name.casefold(), by_letters, n=1, cutoff=0.5)
    return f" Did you mean {by_letters[match[0]]!r}?" if match else ""
