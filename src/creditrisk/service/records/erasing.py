"""The erasure's process: ``python -m creditrisk.service.records.erasing``, what to do on standard input.

A worker does not do it itself: reading all files' records takes memory. No command line shows whom it concerns.
"""

from __future__ import annotations

import sys

import msgspec

from creditrisk.errors import CreditRiskError
from creditrisk.service.telemetry.journal import where

FAILED, BROKEN = 1, 3
"""Exit codes; standard error says a sentence, or where it broke. What an exception says may name the applicant."""


class Order(msgspec.Struct, frozen=True):
    """Whom to erase, and who asked for it."""

    applicant_id: str
    who: str
    key_id: str | None = None


class Erased(msgspec.Struct, frozen=True):
    """How much was removed."""

    erasure_id: str
    decisions: int
    others: int
    """Reviews and outcomes."""
    file_rows: int


def main() -> None:
    """Carry out the order and print what was removed, as JSON."""
    from creditrisk.paths import Project
    from creditrisk.service.records.erasure import erase
    from creditrisk.service.settings import ServiceSettings

    order = msgspec.json.decode(sys.stdin.buffer.read(), type=Order)
    settings = ServiceSettings.from_environment(Project.find())
    done = erase(settings, order.applicant_id, order.who, order.key_id)
    sys.stdout.buffer.write(msgspec.json.encode(done))


if __name__ == "__main__":
    try:
        main()
    except CreditRiskError as failed:
        print(failed, file=sys.stderr)
        sys.exit(FAILED)
    except Exception as broken:
        print(where(broken), file=sys.stderr)
        sys.exit(BROKEN)
