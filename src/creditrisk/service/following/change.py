"""A promotion or rollback asked for over the API, in a short-lived child process: MLflow stays out of the workers.

``python -m creditrisk.service.following.change promote|rollback VERSION`` prints one line of JSON: ``status`` 200 and
the outcome, or the problem's status, kind and detail. Gates and ledger are those of ``main.py promote``.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from creditrisk.errors import BundleError, CreditRiskError, DataError, LedgerError
from creditrisk.params import Params
from creditrisk.paths import Project
from creditrisk.service.following.report import LOOK_FILE
from creditrisk.service.redact import without_places
from creditrisk.service.settings import ServiceSettings
from creditrisk.service.telemetry.output import take_over


def run(project: Project, settings: ServiceSettings, wanted: argparse.Namespace) -> dict[str, Any]:
    """Do what is wanted; the answer with its status. A refusal is a result."""
    from creditrisk.tracking.promotion import promote, rollback
    from creditrisk.tracking.registry import standing

    try:
        params = Params.from_yaml(project.params)
        params = params.model_copy(update={"portfolio": settings.portfolio or params.portfolio})
        known = {item.version for item in standing(project, params).versions}
        if wanted.version not in known:
            return _problem(404, "unknown-version", f"There is no version {wanted.version}; GET /v1/models lists them.")
        if wanted.action == "promote":
            outcome = promote(project, params, wanted.version, wanted.who, wanted.reason)
        else:
            outcome = rollback(project, params, wanted.who, wanted.reason, wanted.force, to=wanted.version)
    except BundleError as error:  # the loading test, which is the first gate
        return {"status": 200, "answer": _not_loaded(wanted, without_places(str(error), project.root))}
    except CreditRiskError as error:
        return _problem_of(error, without_places(str(error), settings.state, project.root))
    (settings.state / LOOK_FILE).touch()
    return {"status": 200, "answer": outcome.to_json()}


def _not_loaded(wanted: argparse.Namespace, sentence: str) -> dict[str, Any]:
    summary = f"version {wanted.version} was refused: {sentence}"
    loading = {"version": wanted.version, "passed": False}
    return {
        "action": wanted.action,
        "version": wanted.version,
        "promoted": False,
        "loading": loading,
        "verdict": None,
        "summary": summary,
    }


def _problem_of(error: CreditRiskError, sentence: str) -> dict[str, Any]:
    if isinstance(error, LedgerError):
        return _problem(409, "ledger", sentence)
    if isinstance(error, DataError):
        return _problem(409, "cannot-judge", sentence)
    return _problem(503, "registry", sentence)


def _problem(status: int, kind: str, detail: str) -> dict[str, Any]:
    return {"status": status, "kind": kind, "detail": detail}


def main(arguments: list[str] | None = None) -> int:
    """Print the answer."""
    take_over()
    parser = argparse.ArgumentParser(prog="creditrisk.service.following.change")
    parser.add_argument("action", choices=("promote", "rollback"))
    parser.add_argument("version")
    parser.add_argument("--who")
    parser.add_argument("--reason", default="")
    parser.add_argument("--force", action="store_true")
    wanted = parser.parse_args(arguments)
    project = Project.find()
    print(json.dumps(run(project, ServiceSettings.from_environment(project), wanted), default=str), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
