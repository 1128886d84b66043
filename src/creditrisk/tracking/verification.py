"""The whole ledger checked: each chain in it, and for each portfolio of the checkout whether the registry agrees."""

from __future__ import annotations

from collections import Counter

from creditrisk.params import Params
from creditrisk.paths import Project
from creditrisk.tracking.ledger import Ledger
from creditrisk.tracking.promotion import verify_history
from creditrisk.tracking.registry import standing


def verify_ledger(project: Project, params: Params) -> dict[str, int]:
    """Check every row, also those of portfolios that are not here, and the registry of those that are.

    Returns:
        The number of rows of each model.

    Raises:
        LedgerError: a row was edited, rows are missing (also at the end), or an alias was moved.
    """
    ledger = Ledger.open(project)
    counts = Counter(row.model for chain in ledger.chains() for row in ledger.rows(chain))
    here = {path.stem for path in project.portfolios.glob("*.yaml")} | {params.portfolio}
    for portfolio in sorted(here):
        verify_history(project, params.model_copy(update={"portfolio": portfolio}))
    return dict(sorted(counts.items()))


def rows_elsewhere(project: Project, params: Params) -> int:
    """Rows of the portfolio's model that belong to another registry, such as one whose database was deleted.

    A registry made anew begins a chain of its own, so it agrees with the ledger and yet knows nothing of these.
    """
    found = standing(project, params)
    return Ledger.open(project).count_elsewhere(found.model, found.chain)
