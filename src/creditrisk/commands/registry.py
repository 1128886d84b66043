"""Commands on the registry: test, promote, roll back, look at the ledger, the state of things and MLflow's page."""

from __future__ import annotations

import datetime as dt
import socket
import subprocess
import sys
import threading
import time
import webbrowser
from argparse import Namespace
from pathlib import Path
from typing import Any

from creditrisk.commands.context import Context
from creditrisk.commands.fallback import at_work
from creditrisk.errors import CreditRiskError, TrackingError
from creditrisk.params import Params
from creditrisk.paths import Project
from creditrisk.pipeline.stage import read_json


def command_test_model(context: Context, arguments: Namespace) -> None:
    """Loading, then performance: thresholds, or challenger against champion. A refusal is a result."""
    from creditrisk.tracking.readiness import loading_test, performance_test

    params = context.params(arguments.portfolio)
    loading = loading_test(context.project, params, arguments.version)
    verdict = performance_test(context.project, params, arguments.version)
    context.show(
        {"loading": loading.to_json(), "performance": verdict.to_json()},
        [
            ("loading", loading.sentence),
            *[("passed" if gate.passed else "FAILED", gate.sentence) for gate in verdict.gates],
            ("verdict", verdict.reason),
        ],
    )


def command_promote(context: Context, arguments: Namespace) -> None:
    """Make a version champion if it passes both tests."""
    from creditrisk.tracking.promotion import promote, restore

    if arguments.restore:
        found = restore(context.project, context.params(arguments.portfolio))
        number = found.champion.version if found.champion else None
        context.show(
            {"model": found.model, "champion": number}, [("champion", f"version {number}, as the ledger says")]
        )
        return
    outcome = promote(context.project, context.params(arguments.portfolio), arguments.version, who="main.py promote")
    context.show(outcome.to_json(), [("result", outcome.summary)])


def command_rollback(context: Context, arguments: Namespace) -> None:
    """Make the former champion champion again."""
    from creditrisk.tracking.promotion import rollback

    params = context.params(arguments.portfolio)
    outcome = rollback(context.project, params, who="main.py rollback", reason=arguments.reason, force=arguments.force)
    context.show(outcome.to_json(), [("result", outcome.summary)])


def command_history(context: Context, arguments: Namespace) -> None:
    """The ledger of a portfolio; to verify, that of all of them."""
    from creditrisk.tracking.promotion import history
    from creditrisk.tracking.verification import rows_elsewhere

    params = context.params(arguments.portfolio)
    elsewhere = rows_elsewhere(context.project, params)
    others = [("ledger", f"besides {_elsewhere(elsewhere)}")] if elsewhere else []
    if arguments.verify:
        counts = _verified(context.project, params, named=arguments.portfolio is not None)
        told = ", ".join(f"{count} of {model}" for model, count in counts.items())
        context.show(
            {"rows": sum(counts.values()), "models": counts, "whole": True},
            [("ledger", f"rows: {told or 'none'}; every hash right, registry agrees"), *others],
        )
        return
    rows = history(context.project, params)
    shown = [
        (
            f"{row.at}",
            f"{row.action} version {row.version} (before: {row.former or 'none'}) by {row.who} {row.hash[:12]}",
        )
        for row in rows
    ]
    result = {"rows": [row.to_json() for row in rows], "elsewhere": elsewhere}
    context.show(result, [*shown, *others] or [("ledger", "empty: nothing was promoted yet")])


def _verified(project: Project, params: Params, named: bool) -> dict[str, int]:
    """Rows of each model after the check: of one portfolio where it was named, else of the whole ledger."""
    from creditrisk.tracking.promotion import verify_history
    from creditrisk.tracking.registry import model_name
    from creditrisk.tracking.verification import verify_ledger

    if named:
        return {model_name(params): verify_history(project, params)}
    return verify_ledger(project, params)


def _elsewhere(rows: int) -> str:
    what = f"{rows} promotion{'s' * (rows > 1)} of this model in another registry"
    return f"{what}, such as one whose database was deleted"


def _none(registry: dict[str, Any], elsewhere: int) -> str:
    if registry["divergence"]:
        return "none"
    if elsewhere and not registry["versions"]:
        return (
            f"none here, but the ledger holds {_elsewhere(elsewhere)}. Put MLflow's database back from a copy, or type "
            "main.py run, which begins anew"
        )
    if versions := registry["versions"]:
        return f"none yet: {versions} registered, none promoted; main.py test-model says why"
    return "none yet: main.py run makes the first"


def command_status(context: Context, arguments: Namespace) -> None:
    """Portfolio, champion, data, and which stages would run again."""
    from creditrisk.tracking.promotion import status
    from creditrisk.tracking.verification import rows_elsewhere

    params = context.params(arguments.portfolio)
    context.contract(params.portfolio)
    current = context.params().portfolio == params.portfolio
    registry = status(context.project, params)
    elsewhere = rows_elsewhere(context.project, params)
    data = _data(context.project, params.portfolio)
    busy = at_work(context.project)
    stale = stale_stages(context.project) if current and not busy else None
    champion = registry["champion"]
    promoted = registry["promoted"]
    context.show(
        {"portfolio": params.portfolio, "registry": registry | {"elsewhere": elsewhere}, "data": data, "stale": stale},
        [
            ("portfolio", params.portfolio + ("" if current else " (not the current one)")),
            ("champion", _champion(champion, promoted) if champion else _none(registry, elsewhere)),
            ("challenger", registry["challenger"] or "none"),
            *([("ALARM", registry["divergence"].removeprefix("ALARM: "))] if registry["divergence"] else []),
            ("data", _data_line(data)),
            ("stale", "not looked at: another main.py is running the pipeline" if busy else _stale_line(stale)),
        ],
    )


def _champion(champion: dict[str, Any], promoted: dict[str, Any] | None) -> str:
    when = f", since {promoted['at']} by {promoted['by']}" if promoted else ""
    return f"{champion['model']} version {champion['version']} ({champion['family']}){when}"


def _data(project: Project, portfolio: str) -> dict[str, Any] | None:
    path = project.artifacts(portfolio) / "cleaning.json"
    if not path.is_file():
        return None
    cleaning = read_json(path)
    made = dt.datetime.fromtimestamp(path.stat().st_mtime).isoformat(timespec="seconds")
    return {key: cleaning[key] for key in ("rows_read", "rows_kept", "rows_quarantined", "bad_rate")} | {
        "cleaned": made
    }


def _data_line(data: dict[str, Any] | None) -> str:
    if data is None:
        return "no tables yet"
    return (
        f"{data['rows_read']:,} rows read, {data['rows_quarantined']:,} in quarantine, "
        f"bad rate {data['bad_rate']:.4f}, cleaned {data['cleaned']}"
    )


def _stale_line(stale: list[str] | None) -> str:
    if stale is None:
        return "not looked at: dvc knows the current portfolio alone (main.py use NAME)"
    return f"{', '.join(stale)}, and what depends on them" if stale else "nothing"


def stale_stages(project: Project) -> list[str]:
    """Stages whose files or parameters have changed since they ran.

    Raises:
        CreditRiskError: DVC could not tell.
    """
    import json

    command = [sys.executable, "-m", "dvc", "status", "--json"]
    done = subprocess.run(command, cwd=project.pipeline, capture_output=True, text=True, check=False)
    try:
        return [name.rpartition(":")[2] for name in json.loads(done.stdout)]
    except ValueError:
        raise CreditRiskError(f"dvc status: {done.stderr.strip() or done.stdout.strip()}") from None


def command_mlflow(context: Context, arguments: Namespace) -> None:
    """Serve MLflow's page on loopback until it is stopped, and open it in a browser."""
    from creditrisk.tracking.store import artifact_root, connected, tracking_uri

    uri = tracking_uri(context.project)
    page = f"http://127.0.0.1:{arguments.port}"
    if not uri.startswith(("sqlite", "postgresql", "mysql")):
        context.say(f"The tracking server is {uri}; open it there.")
        return
    if uri.startswith("sqlite:///") and not Path(uri.removeprefix("sqlite:///")).is_file():
        raise TrackingError(f"{uri}: nothing was tracked yet; type main.py run first.")
    if _answers(arguments.port):
        raise TrackingError(f"{page}: another program answers there already; name another port with --port.")
    with connected(context.project) as client:  # else MLflow's own traceback says that the database is no database
        client.search_registered_models(max_results=1)
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", uri, "--host", "127.0.0.1"]
    if root := artifact_root(context.project):
        command += ["--default-artifact-root", root]
    context.say(f"{page}  (a moment until it answers; stop it with Ctrl+C)")
    if not arguments.no_browser:
        threading.Thread(target=_open, args=(page, arguments.port), daemon=True).start()
    done = subprocess.run([*command, "--port", str(arguments.port), "--workers", "1"], check=False)
    if done.returncode > 0:
        raise TrackingError(f"{page}: MLflow's page ended with exit code {done.returncode}; its output stands above.")


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _open(page: str, port: int) -> None:
    while not _answers(port):  # half a minute on a busy machine; a daemon thread ends with the server
        time.sleep(0.5)
    webbrowser.open(page)
