"""``main.py experiment`` and ``main.py store-best``: search every family, then keep the choice in params.yaml."""

from __future__ import annotations

import contextlib
import importlib.util
import math
import os
import signal
import subprocess
import sys
import time
from argparse import Namespace
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import polars as pl

from creditrisk.commands.context import NEXT, Context
from creditrisk.commands.fallback import alone
from creditrisk.commands.portfolio import check_usable, use
from creditrisk.commands.run import reproduce
from creditrisk.contract import APPLICATION_DATE, GROUP
from creditrisk.errors import CreditRiskError, DataError, ModelError, nearest
from creditrisk.model.families.threads import VARIABLE
from creditrisk.params import FAMILIES, Params
from creditrisk.progress import bar

if TYPE_CHECKING:
    from creditrisk.search.choice import Standing
    from creditrisk.search.plan import Plan
    from creditrisk.search.session import Session
    from creditrisk.search.space import Search

SEARCH_FILE = "search.yaml"
PACKAGES = {"scorecard": ("optbinning",), "ebm": ("interpret", "lightgbm"), "blend": ()}
"""What a family is fitted with where that is not the package of its own name; serving does without most of it."""
STOP_SECONDS = 20.0
"""How long other processes of this search have to end after they were told to."""


def command_experiment(context: Context, arguments: Namespace) -> None:
    """Search the families of the current portfolio for so many minutes or trials, tracked in MLflow."""
    from creditrisk.search.interruption import interruptible
    from creditrisk.search.space import Search

    check_jobs(arguments.jobs)
    search = Search.from_yaml(context.project.experiments / SEARCH_FILE)
    named = context.params(arguments.portfolio)
    members = named.model.blend.members
    families = chosen_families(arguments.families, search, members)
    if not arguments.worker:
        if "blend" not in families and arguments.families is None:
            absent = [member for member in members if member not in search.space]
            context.say(f"No blend is made: {SEARCH_FILE} has no space for {' and '.join(absent)}.")
        _prepare(context, arguments)
    params = context.params(named.portfolio)
    began = time.monotonic()
    with interruptible(), _session(context, params, search, families, arguments) as session:
        if arguments.worker:
            session.run(lambda seconds, note: None)
            return
        try:
            with _workers(context, arguments, session, params.portfolio):
                _run(session, arguments, began)
            session.check_found()
        except BaseException:
            # an interrupt in the middle of a write may leave the stores unable to say more; what ended is kept anyhow
            with contextlib.suppress(CreditRiskError):
                session.finish()
            raise
        session.finish()
        _show(context, session, params)


def check_jobs(jobs: int) -> None:
    """See that this machine has the cores for so many processes; two are always granted.

    Raises:
        DataError: it has not: they would take its memory and wait for each other.
    """
    most = max(2, os.cpu_count() or 1)
    if jobs > most:
        raise DataError(
            f"--jobs {jobs}: expected {most} at most on this machine, one for each core; "
            "with --study-storage postgresql://... other machines take part."
        )


def _prepare(context: Context, arguments: Namespace) -> None:
    """Make the portfolio the current one where the search can begin, and bring its rows up to date."""
    from creditrisk.search.storage import opened, storage_url
    from creditrisk.tracking.experiments import preflight

    params = context.params(arguments.portfolio)
    context.contract(params.portfolio)
    preflight(context.project, params)
    with opened(storage_url(context.project, arguments.study_storage)):
        pass  # it answers
    if arguments.portfolio:
        check_usable(context, arguments.portfolio)
    reproduce(context, "split_data", arguments.portfolio)


def command_store_best(context: Context, arguments: Namespace) -> None:
    """Write the chosen family and its parameters to params.yaml, and the portfolio where another one is named."""
    from creditrisk.search.choice import choose
    from creditrisk.search.keep import keep
    from creditrisk.search.kept import remark, sections
    from creditrisk.search.space import Search

    params = context.params(arguments.portfolio)
    switched = params.portfolio != context.params().portfolio
    if switched:
        check_usable(context, params.portfolio)
    search = Search.from_yaml(context.project.experiments / SEARCH_FILE)
    with _session(context, params, search, FAMILIES, arguments, make=False) as session:
        found = session.standings()
        if not found:
            raise DataError(
                f"study {session.study.study_name!r}: no trial has run in full yet. Run main.py experiment first."
            )
        standing, why = choose(found, best=arguments.best)
        trial = session.best()[standing.family]
        kept = sections(trial, session.study.get_trials(deepcopy=False), session.plan)
        text = remark(trial, standing, len(session.plan.folds))
    with alone(context.project):
        changed = keep(context.project.params, standing.family, kept, text)
        if switched:
            changed |= use(context, params.portfolio)
    result = {
        "study": session.study.study_name,
        "family": standing.family,
        "why": why,
        "run": trial.user_attrs["run"],
        "auc": standing.auc,
        "auc_error": standing.error,
        "parameters": kept,
        "changed": changed,
    }
    lines = [
        ("family", f"{standing.family}: {why}"),
        ("AUC", f"{standing.auc:.4f} ± {standing.error:.4f} in the folds; run {trial.user_attrs['run']}"),
        *(
            (name, ", ".join(f"{key} {_short(value)}" for key, value in values.items()))
            for name, values in kept.items()
        ),
        ("params.yaml", "written; comments kept" if changed else "holds these already"),
        (NEXT, "uv run main.py" if changed else "nothing to do"),
    ]
    context.show(result, lines)


def chosen_families(given: str | None, search: Search, members: Sequence[str]) -> tuple[str, ...]:
    """Families to search: those named, else all that the file has, and their blend where it has all ``members`` of one.

    Raises:
        DataError: a family is unknown or the file has no space for it, or a blend is to be made without its members;
            ModelError: a package is not installed.
    """
    known = (*search.space, "blend") if set(members) <= set(search.space) or given is not None else tuple(search.space)
    names = (
        tuple(dict.fromkeys(name.strip() for name in given.split(",") if name.strip())) if given is not None else known
    )
    if not names:
        raise DataError(f"--families: found none, expected some of {', '.join(known)}, with commas between them.")
    for name in names:
        if name not in FAMILIES:
            raise DataError(
                f"--families: unknown family {name!r}.{nearest(name, FAMILIES)} Known: {', '.join(FAMILIES)}."
            )
        if name not in known:
            raise DataError(
                f"--families: {name} has no search space; give it one under space in 3.experiments/{SEARCH_FILE}."
            )
        for package in PACKAGES.get(name, (name,)):
            if importlib.util.find_spec(package) is None:
                raise ModelError(
                    f"--families: the package {package} is not installed; type uv sync, or leave {name} out."
                )
    absent = [member for member in members if member not in names]
    if "blend" in names and absent:
        raise DataError(
            f"--families: a blend is made of the trials of {' and '.join(members)}; name {' and '.join(absent)} too, "
            "or change model.blend.members in params.yaml."
        )
    return names


def make_plan(context: Context, params: Params, search: Search) -> Plan:
    """The training rows of the pipeline, and the folds over them; calibration and test part stay untouched.

    Raises:
        DataError: the pipeline has not made the rows yet, or a fold has too few of one class.
    """
    from creditrisk.pipeline.train_model import training_data
    from creditrisk.search import plan

    contract = context.contract(params.portfolio)
    path = context.project.tables(params.portfolio) / "split" / "train.parquet"
    if not path.is_file():
        raise DataError(f"{path}: no such file; the pipeline has not split this portfolio yet. Run main.py experiment.")
    table = pl.read_parquet(path)
    dates = table[APPLICATION_DATE] if contract.time and APPLICATION_DATE in table.columns else None
    groups = table[GROUP] if GROUP in table.columns else None
    return plan.make_plan(training_data(table, contract), search, params.seed, dates, groups)


@contextlib.contextmanager
def _session(
    context: Context,
    params: Params,
    search: Search,
    families: Sequence[str],
    arguments: Namespace,
    *,
    make: bool = True,
) -> Iterator[Session]:
    """Take part in the study of the portfolio that params name, by the options of the command line."""
    from creditrisk.search.opening import open_session

    plan = make_plan(context, params, search)
    limits = {name: getattr(arguments, name, None) for name in ("minutes", "trials", "until")}
    with open_session(
        context.project,
        params,
        plan,
        search,
        families,
        url=arguments.study_storage,
        name=arguments.study,
        make=make,
        **limits,
    ) as session:
        yield session


def _run(session: Session, arguments: Namespace, began: float) -> None:
    """The search itself, under a bar of time, or of trials where these end it."""
    if math.isinf(session.deadline):
        with bar("search", arguments.trials) as progress:
            known = session.ended

            def told(seconds: float, note: str) -> None:
                nonlocal known
                before, known = known, session.ended
                progress.advance(known - before, note)

            session.run(told)
        return
    with bar("search", round(session.deadline - began)) as progress:
        session.run(lambda seconds, note: progress.advance(round(seconds, 1), note))


@contextlib.contextmanager
def _workers(context: Context, arguments: Namespace, session: Session, portfolio: str) -> Iterator[None]:
    """Further processes on the same study; they end with this one."""
    from creditrisk.search.storage import storage_url

    jobs = arguments.jobs
    options = [] if math.isinf(session.deadline) else ["--minutes", str((session.deadline - time.monotonic()) / 60)]
    options += [] if session.until is None else ["--until", str(session.until)]
    options += ["--portfolio", portfolio, "--study", session.study.study_name]
    options += ["--families", ",".join(session.families)]
    options += ["--study-storage", storage_url(context.project, arguments.study_storage)]
    command = [sys.executable, "-m", "creditrisk", "experiment", "--worker", *options]
    if jobs > 1:  # one fit for each core: threads of several fits would wait for each other
        os.environ.setdefault(VARIABLE, str(max(1, (os.cpu_count() or 1) // jobs)))
    environment = os.environ | {"CREDITRISK_ROOT": str(context.project.root)}
    others = [subprocess.Popen(command, cwd=context.project.root, env=environment) for _ in range(jobs - 1)]
    try:
        yield
        for other in others:
            if other.wait():
                context.say("a further process of the search ended early; why stands above. Its finished trials count.")
    finally:
        for other in others:
            if other.poll() is None:
                other.send_signal(signal.SIGINT)
        for other in others:
            with contextlib.suppress(subprocess.TimeoutExpired):
                other.wait(STOP_SECONDS)
            other.kill()


def _show(context: Context, session: Session, params: Params) -> None:
    from creditrisk.search.choice import choose

    found = session.standings()
    if not found:
        raise DataError(f"study {session.study.study_name!r}: no trial has run in full yet; give it more --minutes.")
    chosen, why = choose(found)
    result = {
        "study": session.study.study_name,
        "run": session.journal.parent,
        "portfolio": params.portfolio,
        "chosen": chosen.family,
        "why": why,
        "families": [asdict(one) | {"within": one.within} for one in found],
    }
    lines = [
        ("portfolio", params.portfolio),
        ("study", f"{session.study.study_name}; MLflow run {session.journal.parent}"),
        *((one.family, _standing(one)) for one in sorted(found, key=lambda one: -one.auc)),
        ("choice", f"{chosen.family}: {why}"),
        (NEXT, "uv run main.py store-best, then uv run main.py; uv run main.py mlflow shows the trials"),
    ]
    context.show(result, lines)


def _standing(one: Standing) -> str:
    behind = f", {one.loss:.4f} ± {one.loss_error:.4f} behind" if one.loss else ""
    return f"AUC {one.auc:.4f} ± {one.error:.4f} in the folds{behind}"


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
