"""Taking part in a search: study, journal and limits, opened together."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator, Sequence

from creditrisk.params import Params
from creditrisk.paths import Project
from creditrisk.search.journal import open_journal
from creditrisk.search.plan import Plan
from creditrisk.search.session import BLEND, Session
from creditrisk.search.space import Search
from creditrisk.search.storage import sentences, storage_url
from creditrisk.search.study import FAMILY, Identity, open_study, settled_trials

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
        TrackingError: a store does not answer or refuses, or the study is of something else.
    """
    identity = Identity(params.portfolio, plan.fingerprint)
    name, url = name or identity.name(), storage_url(project, url)
    study = open_study(url, name, identity, params.seed, make=make)
    facts = {
        "portfolio": params.portfolio,
        "rows": plan.rows,
        "rows_searched_on": plan.data.table.height,
        "inputs": len(plan.data.inputs),
        "folds": f"{len(plan.folds)}, {plan.kind}",
        "seed": params.seed,
        "monotone": params.model.monotone,
    }
    with sentences(url), open_journal(project, params, name, facts) as journal:
        if trials is not None and until is None:
            until = trials + sum(trial.params.get(FAMILY) != BLEND for trial in settled_trials(study))
        seconds = math.inf if minutes is None and until is not None else (minutes or MINUTES) * 60
        deadline = time.monotonic() + seconds
        yield Session(study, journal, plan, params.model, search, tuple(families), params.seed, deadline, until)
