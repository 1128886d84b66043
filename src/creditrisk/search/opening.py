"""Taking part in a search: study, journal and limits, opened together."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import re
import time
from collections.abc import Iterator, Sequence

from creditrisk.errors import TrackingError
from creditrisk.params import ModelParams, Params
from creditrisk.paths import Project
from creditrisk.search.journal import open_journal
from creditrisk.search.plan import Plan
from creditrisk.search.session import Session
from creditrisk.search.space import Search
from creditrisk.search.storage import opened, sentences, storage_url
from creditrisk.search.study import Identity, fail_stale_trials, open_study, own_trials, running_trials

PARENT = "mlflow_run"
NAME = re.compile(r"[\w.-]{1,100}")
MINUTES = 10.0
"""How long a search takes where nothing else is said."""


@contextlib.contextmanager
def open_session(
    project: Project,
    params: Params,
    plan: Plan,
    search: Search,
    families: Sequence[str],
    *,
    url: str | None = None,
    name: str | None = None,
    minutes: float | None = None,
    trials: int | None = None,
    until: int | None = None,
    make: bool = True,
) -> Iterator[Session]:
    """Take part in a study, which is begun where ``make`` allows it.

    Args:
        project: whose tracking store and study storage are used.
        params: seed, portfolio, and what of the model is not searched.
        plan: rows and folds.
        search: the space.
        families: what to search; ``blend`` blends the others.
        url: of the study storage; None takes the project's own file.
        name: of the study; None makes it of portfolio and rows.
        minutes: after which no trial is begun; None sets no limit where trials do, else 10.
        trials: further trials, of all processes; None sets no limit.
        until: trials in all, in place of ``trials``, for a process that joins another's search.

    Raises:
        TrackingError: a store does not answer or refuses, the study is of something else, or ``name`` cannot be one.
    """
    if name is not None and not NAME.fullmatch(name):
        raise TrackingError(f"--study: found {name!r}, expected up to 100 letters, digits, '.', '_' and '-'.")
    identity = Identity(params.portfolio, _fingerprint(plan, params.model, search))
    name, url = name or identity.name(), storage_url(project, url)
    with opened(url) as storage:
        study = open_study(storage, url, name, identity, params.seed, make=make)
        facts = {
            "portfolio": params.portfolio,
            "rows": plan.rows,
            "rows_searched_on": plan.data.table.height,
            "inputs": len(plan.data.inputs),
            "folds": f"{len(plan.folds)}, {plan.kind}",
            "seed": params.seed,
            "monotone": params.model.monotone,
        }
        known = study.user_attrs.get(PARENT)
        with sentences(url), open_journal(project, params, name, facts, known) as journal:
            if known is None:
                study.set_user_attr(PARENT, journal.parent)
            if trials is not None and until is None:
                fail_stale_trials(study)
                until = trials + len(own_trials(study)) + len(running_trials(study))
            seconds = math.inf if minutes is None and until is not None else (minutes or MINUTES) * 60
            deadline = time.monotonic() + seconds
            session = Session(study, journal, plan, params.model, search, tuple(families), params.seed, deadline, until)
            if not make:
                yield session
                return
            journal.working(going_on=True)
            try:
                yield session
            except BaseException:
                with contextlib.suppress(Exception):  # the first fault is the one to hear of
                    session.leave()
                raise
            session.leave()


def _fingerprint(plan: Plan, params: ModelParams, search: Search) -> str:
    """Of rows, inputs and folds, and of all that decides a trial but is not searched."""
    fixed = params.model_dump(mode="json", include={"monotone", "encoding", *search.space})
    for family, dimensions in search.space.items():
        fixed[family] = {name: value for name, value in fixed[family].items() if name not in dimensions}
    text = json.dumps([plan.fingerprint, fixed, params.blend.members], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
