from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from creditrisk.errors import LedgerError
from creditrisk.params import Params
from creditrisk.paths import Project
from creditrisk.tracking.chain import GENESIS
from creditrisk.tracking.ledger import Ledger
from creditrisk.tracking.promotion import verify_history
from creditrisk.tracking.registry import CHAMPION
from creditrisk.tracking.store import connected
from creditrisk.tracking.verification import rows_elsewhere, verify_ledger

OTHER = "CreditRiskModel-other"


def promote_other(project: Project, model: str = OTHER) -> None:
    Ledger.open(project).append(
        f"another chain of {model}",
        GENESIS,
        model=model,
        action="promote",
        version="1",
        digest="0" * 64,
        former=None,
        who="test",
        reason="",
        evidence={},
    )


def test_the_rows_of_every_model_are_counted(bank: Project, small: Params) -> None:
    promote_other(bank)
    assert verify_ledger(bank, small) == {"CreditRiskModel-other": 1, "CreditRiskModel-small": 1}


def test_rows_of_the_same_model_in_another_registry_are_counted_apart(bank: Project, small: Params) -> None:
    promote_other(bank)
    assert rows_elsewhere(bank, small) == 0
    promote_other(bank, "CreditRiskModel-small")
    assert rows_elsewhere(bank, small) == 1
    assert verify_history(bank, small) == 1


def test_an_edited_row_of_another_portfolio_hides_no_count(bank: Project, small: Params) -> None:
    """``status`` and ``history`` of a portfolio show it whatever became of another's rows."""
    promote_other(bank)
    promote_other(bank, "CreditRiskModel-small")
    with closing(sqlite3.connect(bank.experiments / "ledger.db")) as ledger, ledger:
        ledger.execute("DROP TRIGGER ledger_no_update")
        ledger.execute("UPDATE ledger SET who = 'somebody else' WHERE model = ?", (OTHER,))
    assert rows_elsewhere(bank, small) == 1


def test_an_edited_row_of_another_portfolio_is_found(bank: Project, small: Params) -> None:
    promote_other(bank)
    with closing(sqlite3.connect(bank.experiments / "ledger.db")) as ledger, ledger:
        ledger.execute("DROP TRIGGER ledger_no_update")
        ledger.execute("UPDATE ledger SET who = 'somebody else' WHERE model = ?", (OTHER,))
    assert verify_history(bank, small) == 1
    with pytest.raises(LedgerError, match=r"row 2 \(promote of version 1 of CreditRiskModel-other.* was edited"):
        verify_ledger(bank, small)


def test_a_moved_alias_of_another_portfolio_of_this_checkout_is_found(bank: Project, small: Params) -> None:
    with connected(bank) as client:
        client.create_registered_model(OTHER)
        source = client.get_model_version("CreditRiskModel-small", "1").source
        client.create_model_version(OTHER, source)
        client.set_registered_model_alias(OTHER, CHAMPION, "1")
    assert verify_ledger(bank, small) == {"CreditRiskModel-small": 1}
    bank.portfolios.mkdir(parents=True)
    (bank.portfolios / "other.yaml").touch()
    with pytest.raises(LedgerError, match=r"ALARM: champion of CreditRiskModel-other points at version 1"):
        verify_ledger(bank, small)
