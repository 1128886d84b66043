"""What the scripts in ``5.testing`` run. A refusal is a result and ends with 0; what cannot be tested ends with 1."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from typing import Any

from creditrisk.commands.context import Context
from creditrisk.errors import CreditRiskError
from creditrisk.paths import Project
from creditrisk.tracking.gates import Verdict


def loading(arguments: Sequence[str] | None = None) -> None:
    """``5.testing/loading.py``."""
    from creditrisk.tracking.readiness import loading_test

    def work(context: Context, portfolio: str | None, version: str | None) -> None:
        found = loading_test(context.project, context.params(portfolio), version)
        _show(context, found.to_json(), f"passed: {found.sentence}")

    _run(__doc__, work, arguments)


def performance(arguments: Sequence[str] | None = None) -> None:
    """``5.testing/performance.py``; the loading test comes first here too, so that nothing gets round it."""
    from creditrisk.tracking.readiness import loading_test, performance_test

    def work(context: Context, portfolio: str | None, version: str | None) -> None:
        params = context.params(portfolio)
        tested = loading_test(context.project, params, version)
        verdict = performance_test(context.project, params, tested.version)
        _show(context, verdict.to_json(), "\n".join([headline(verdict), *gate_lines(verdict)]))

    _run(__doc__, work, arguments)


def headline(verdict: Verdict) -> str:
    """The verdict in a line."""
    against = f"against champion version {verdict.champion}" if verdict.champion else "by thresholds"
    word = "passed" if verdict.passed else "refused"
    notes = "".join(f"; {note}" for note in verdict.notes)
    return f"{word}: version {verdict.version} {against}, on {verdict.rows:,} rows with {verdict.bads:,} bads{notes}"


def gate_lines(verdict: Verdict) -> list[str]:
    """One line for each gate."""
    return [f"{'passed' if gate.passed else 'REFUSED':<9}{gate.sentence}" for gate in verdict.gates]


def _show(context: Context, value: dict[str, Any], text: str) -> None:
    print(json.dumps(value, indent=2) if context.as_json else text, flush=True)


def _run(
    text: str | None, work: Callable[[Context, str | None, str | None], None], arguments: Sequence[str] | None
) -> None:
    parser = argparse.ArgumentParser(description=text)
    parser.add_argument("--portfolio", help="the current one where absent")
    parser.add_argument("--version", help="the challenger where absent, else the champion")
    parser.add_argument("--json", action="store_true", help="for a machine to read")
    given = parser.parse_args(arguments)
    try:
        work(Context(Project.find(), given.json), given.portfolio, given.version)
    except CreditRiskError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(1) from None
