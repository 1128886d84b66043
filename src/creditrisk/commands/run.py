"""``main.py run``: the whole lifecycle, from the table to a tested and promoted version."""

from __future__ import annotations

import json
import re
import sys
import time
from argparse import Namespace
from contextlib import closing
from typing import Any, get_args

from creditrisk.commands.context import NEXT, Context
from creditrisk.commands.fallback import alone, kept
from creditrisk.commands.portfolio import check_usable, use
from creditrisk.commands.stopping import lines_of, stoppable
from creditrisk.data.split import Part
from creditrisk.errors import DataError
from creditrisk.params import Params
from creditrisk.paths import Project
from creditrisk.pipeline.stage import read_json

STAGES = ("get_data", "prep_clean_data", "FE", "split_data", "train_model", "evaluate_model", "register_model")


def command_run(context: Context, arguments: Namespace) -> None:
    """Preflight, seven stages, registration, the two readiness tests, promotion, and a table of the result."""
    from creditrisk.tracking.experiments import preflight
    from creditrisk.tracking.promotion import promote

    started = time.monotonic()
    params = context.params(arguments.portfolio)
    context.contract(params.portfolio)
    context.say(f"portfolio {params.portfolio}")
    preflight(context.project, params)
    if arguments.portfolio:
        check_usable(context, arguments.portfolio)
    reproduce(context, portfolio=arguments.portfolio)
    params = context.params(params.portfolio)
    version = ensure_registered(context, params)
    outcome = promote(context.project, params, version=version, who="main.py run", automatic=True)
    summary = summarise(context.project, params, outcome.to_json())
    context.show(summary | {"seconds": round(time.monotonic() - started, 1)}, lines(summary))


def reproduce(context: Context, target: str | None = None, portfolio: str | None = None) -> None:
    """Run ``dvc repro`` for the current portfolio and show each stage as it goes.

    Args:
        context: the checkout.
        target: the last stage to run; None runs them all.
        portfolio: made the current one before, unless another run is at work.

    Raises:
        DataError: another run is at work, or a stage failed: its own sentence is the message, and tables and artifacts
            are as they were.
        KeyboardInterrupt: it was stopped, by Ctrl-C or otherwise; they are as they were, too.
    """
    _prepare_dvc(context.project)
    with stoppable(), alone(context.project) as lock:
        _free_dvc(context.project)
        if portfolio is not None:
            use(context, portfolio)
        with kept(context.project, context.params().portfolio):
            _repro(context, target, lock)


def _repro(context: Context, target: str | None, lock: int) -> None:
    project = context.project
    faults: list[str] = []
    stage, began, code = "", time.monotonic(), 0
    command = [sys.executable, "-m", "dvc", "repro", *([target] if target else [])]
    with closing(lines_of(command, project.pipeline, lock)) as said:
        for line in said:
            if isinstance(line, int):
                code = line
            elif match := _STAGE.match(line):
                stage, began = match[1] or match[2], time.monotonic()
                if match[2]:
                    _progress(context, stage, "unchanged" if "didn't" in line else "from the run cache")
            elif line.startswith("error: "):
                faults.append(line.removeprefix("error: "))
            elif line.startswith("ERROR: "):
                if not re.search(r"exited with \d+$", line):
                    faults.append(line.removeprefix("ERROR: "))
            elif _RESULT.match(line):
                _progress(context, stage, line, time.monotonic() - began)
            elif faults and line.strip():
                faults.append(line)
            elif line.strip() and not line.startswith(_DVC_HINTS):
                context.say(f"      {line}")
    if code:
        raise DataError("\n".join(faults) or f"dvc repro ended with exit code {code}; its output stands above.")


_STAGE = re.compile(r"Running stage '([^']+)'|Stage '([^']+)' (?:didn't change|is cached)")
_RESULT = re.compile(r"(raw|clean|characteristics|split \([\w-]+\)|model|test|registered): ")
_DVC_HINTS = (">", "Updating", "Generating", "To track", "To enable", "\t", "Use `dvc", "Data and")


def _progress(context: Context, stage: str, text: str, seconds: float | None = None) -> None:
    number = STAGES.index(stage) + 1 if stage in STAGES else 0
    took = f"  ({seconds:.1f} s)" if seconds is not None else ""
    context.say(f"{number}/{len(STAGES)} {stage:<16} {text}{took}")


def _prepare_dvc(project: Project) -> None:
    """Let DVC work in a checkout without git too (a downloaded archive)."""
    dvc = project.root / ".dvc"
    inside_git = any((folder / ".git").exists() for folder in (project.root, *project.root.parents))
    local = dvc / "config.local"
    if not inside_git and not local.exists():
        dvc.mkdir(exist_ok=True)
        local.write_text("[core]\n    no_scm = true\n", encoding="utf-8")


def _free_dvc(project: Project) -> None:
    """Remove DVC's file of who reads and writes what, where an interruption fell into the writing of it.

    DVC writes it in place and refuses all work once it is half-written.
    """
    path = project.root / ".dvc" / "tmp" / "rwlock"
    try:
        json.loads(path.read_bytes())
    except FileNotFoundError:
        return
    except ValueError:
        path.unlink(missing_ok=True)


def ensure_registered(context: Context, params: Params) -> str:
    """The version of what the pipeline made, registered again where the registry of today does not hold it."""
    from creditrisk.pipeline.register_model import register_bundle
    from creditrisk.tracking.registry import find_version

    digest = read_json(context.project.artifacts(params.portfolio) / "registered.json")["digest"]
    version = find_version(context.project, params, digest)
    if version is not None:
        return version
    context.say("      the registry does not hold this bundle; registering it again")
    return str(register_bundle(context.project, params)["version"])


def summarise(project: Project, params: Params, promotion: dict[str, Any]) -> dict[str, Any]:
    """What a run came to, from the files that the stages wrote."""
    artifacts = project.artifacts(params.portfolio)
    cleaning, split, metrics = (read_json(artifacts / f"{name}.json") for name in ("cleaning", "split", "metrics"))
    training = read_json(artifacts / "training.json")
    return {
        "portfolio": params.portfolio,
        "rows": rows_of(cleaning, split),
        "family": training["family"],
        "metrics": metrics,
        "promotion": promotion,
        "report": str((artifacts / "report.html").relative_to(project.root)),
    }


def rows_of(cleaning: dict[str, Any], split: dict[str, Any]) -> dict[str, int]:
    """What became of the rows: those that were read first, then numbers that add up to them."""
    excluded, parts = cleaning["excluded_by_target"], split["parts"]
    found = {
        "read": cleaning["rows_read"],
        "quarantined": cleaning["rows_quarantined"],
        "duplicates": cleaning["duplicates"],
        "outside_population": cleaning["outside_population"],
        "without_outcome": excluded.get("", 0),
        "other_outcome": sum(count for value, count in excluded.items() if value),
    }
    return found | {part: parts[part]["rows"] if part in parts else 0 for part in get_args(Part)}


def rows_line(rows: dict[str, int]) -> str:
    """The same for a person; what there is none of is left out."""
    shown = {name: count for name, count in rows.items() if count or name not in ROW_WORDS}
    return ", ".join(f"{count:,} {ROW_WORDS.get(name, name)}" for name, count in shown.items())


def lines(summary: dict[str, Any]) -> list[tuple[str, str]]:
    """The result for a person."""
    rows, metrics, promotion = summary["rows"], summary["metrics"], summary["promotion"]
    shown = [
        ("portfolio", summary["portfolio"]),
        ("rows", rows_line(rows)),
        ("model", summary["family"]),
        *[(label, _interval(metrics[key])) for key, label in LABELS.items() if key in metrics],
    ]
    if "oracle_auc" in metrics:
        shown.append(("oracle AUC", f"{metrics['oracle_auc']:.4f}  (the simulation's true PD on the same rows)"))
    name = summary["portfolio"]
    # a line that works as it stands: the portfolio's own rows, in place of which any table with these columns may stand
    score = f"uv run main.py score 1.data/tables/{name}/raw/raw.parquet --out scores.csv --portfolio {name}"
    without = "look at the report, then change the contract or params.yaml, and uv run main.py"
    return [
        *shown,
        ("version", promotion["summary"]),
        ("report", summary["report"]),
        (NEXT, score if promotion["champion"] else without),
    ]


ROW_WORDS = {
    "duplicates": "duplicates",
    "outside_population": "outside the population",
    "without_outcome": "without an outcome",
    "other_outcome": "with another outcome",
    "immature": "not mature",
    "embargo": "in the embargo",
    "known": "of customers known from training",
}
"""What is said only where there are such rows."""
LABELS = {"auc": "AUC", "ks": "KS", "gini": "Gini", "brier": "Brier"}


def _interval(value: dict[str, float]) -> str:
    return f"{value['value']:.4f}  [{value['low']:.4f}, {value['high']:.4f}]"
