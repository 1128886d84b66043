from __future__ import annotations

import sqlite3
import tempfile
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from lender import Lender

from creditrisk.errors import BundleError, LedgerError, TrackingError
from creditrisk.model import golden
from creditrisk.model.bundle import MANIFEST
from creditrisk.model.scorer import Scorer
from creditrisk.params import Params
from creditrisk.paths import Project
from creditrisk.tracking import promotion, readiness
from creditrisk.tracking.promotion import history, promote, restore, rollback, status, verify_history
from creditrisk.tracking.readiness import judge, loading_test, performance_test
from creditrisk.tracking.register import register
from creditrisk.tracking.registry import CHAMPION, champion, champion_bundle, download, standing
from creditrisk.tracking.rows import judged_rows
from creditrisk.tracking.store import connected

MODEL = "CreditRiskModel-small"


def move_alias(project: Project, version: str) -> None:
    with connected(project) as client:
        client.set_registered_model_alias(MODEL, CHAMPION, version)


def test_the_first_version_is_judged_by_thresholds(bank: Project, small: Params) -> None:
    (row,) = history(bank, small)
    assert (row.action, row.version, row.former, row.reason) == ("promote", "1", None, "")
    assert row.who.endswith("(test)")
    evidence = row.to_json()["evidence"]
    assert evidence["performance"]["option"] == "A"
    assert evidence["performance"]["passed"]
    assert evidence["loading"]["golden_rows"] == 200
    head = standing(bank, small).version("1")
    assert head.ledger_hash == row.hash
    assert head.tags["readiness"] == "promoted"
    assert head.aliases == (CHAMPION,)
    path, digest = champion_bundle(bank, small)
    assert path.name == digest == head.digest


def test_a_first_version_that_is_not_good_enough_is_refused(project: Project, lender: Lender, small: Params) -> None:
    lender.tables(project)
    register(project, small, lender.bundle("fair"))
    strict = small.model_copy(update={"gates": small.gates.model_copy(update={"min_auc": 0.99})})
    outcome = promote(project, strict)
    assert not outcome.promoted
    assert "there is no champion yet: AUC is" in outcome.summary
    assert champion(project, small) is None
    assert history(project, small) == ()
    assert standing(project, small).versions[0].tags["readiness"] == "refused"


def test_a_better_challenger_displaces_the_champion(bank: Project, lender: Lender, small: Params) -> None:
    register(bank, small, lender.bundle("good"))
    outcome = promote(bank, small)
    assert outcome.promoted
    assert outcome.verdict is not None
    assert (outcome.verdict.option, outcome.verdict.champion) == ("B", "1")
    assert (outcome.version, outcome.former) == ("2", "1")
    found = champion(bank, small)
    assert found is not None
    assert (found.version, found.aliases) == ("2", (CHAMPION,))
    assert [row.version for row in history(bank, small)] == ["1", "2"]
    assert verify_history(bank, small) == 2


@pytest.mark.parametrize("name", ["poor", "twin"])
def test_a_worse_or_equal_challenger_does_not(bank: Project, lender: Lender, small: Params, name: str) -> None:
    register(bank, small, lender.bundle(name))
    outcome = promote(bank, small)
    assert not outcome.promoted
    assert "version 2 of CreditRiskModel-small was refused, version 1 stays champion: AUC diff" in outcome.summary
    assert outcome.to_json()["verdict"]["passed"] is False
    assert [row.version for row in history(bank, small)] == ["1"]
    assert status(bank, small)["challenger"] == "2"
    found = champion(bank, small)
    assert found is not None
    assert found.version == "1"


def test_by_thresholds_an_equal_one_is_taken_where_the_params_say_so(
    bank: Project, lender: Lender, small: Params
) -> None:
    register(bank, small, lender.bundle("twin"))
    mode = small.model_copy(update={"gates": small.gates.model_copy(update={"mode": "threshold"})})
    outcome = promote(bank, mode)
    assert outcome.promoted
    assert outcome.verdict is not None
    assert outcome.verdict.option == "A"


def test_the_champion_is_not_promoted_again(bank: Project, small: Params) -> None:
    outcome = promote(bank, small, "1")
    assert not outcome.promoted
    assert outcome.to_json()["alias"] == CHAMPION
    assert "is the champion of CreditRiskModel-small already" in outcome.summary
    assert len(history(bank, small)) == 1


def test_a_failed_loading_test_stops_the_rest(
    bank: Project, lender: Lender, small: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(bank, small, lender.bundle("good"))
    flip(stored(bank, lender.manifest("good").digest) / "calibration.json")

    def never(*_: Any) -> None:
        raise AssertionError("the performance test was started")

    monkeypatch.setattr(promotion, "judge", never)
    named = (
        r"^version 2 of CreditRiskModel-small: calibration\.json: its SHA-256 is .* changed; refused\. Put its files"
    )
    with pytest.raises(BundleError, match=named) as caught:
        promote(bank, small)
    assert tempfile.gettempdir() not in str(caught.value)
    with pytest.raises(BundleError, match=named):  # as it is fetched to be judged
        download(bank, standing(bank, small).version("2"))
    with pytest.raises(BundleError):
        loading_test(bank, small)
    found = champion(bank, small)
    assert found is not None
    assert found.version == "1"
    assert len(history(bank, small)) == 1


def test_golden_rows_that_answer_otherwise_fail_the_loading_test(
    bank: Project, small: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    def other(*_: Any) -> int:
        raise BundleError("golden row 3: PD 0.2")

    monkeypatch.setattr(golden, "replay", other)
    with pytest.raises(BundleError, match="golden row 3"):
        loading_test(bank, small)


def test_the_loading_test_reads_the_registry_not_the_kept_copy(bank: Project, lender: Lender, small: Params) -> None:
    champion_bundle(bank, small)
    flip(stored(bank, lender.manifest("fair").digest) / MANIFEST)
    with pytest.raises(BundleError, match=r"manifest\.json"):
        loading_test(bank, small)


def test_the_readiness_tests_change_nothing(bank: Project, lender: Lender, small: Params) -> None:
    register(bank, small, lender.bundle("good"))
    assert loading_test(bank, small).version == "2"
    assert loading_test(bank, small, "1").predicted == 20
    verdict = performance_test(bank, small)
    assert verdict.passed
    assert verdict.rows > 800
    assert {gate.name for gate in verdict.gates} >= {"PSI", "latency", "adverse impact ratio", "Brier difference"}
    found = champion(bank, small)
    assert found is not None
    assert found.version == "1"


def test_rows_that_only_the_champion_was_made_on_are_not_judged_on(
    bank: Project, lender: Lender, small: Params
) -> None:
    register(bank, small, lender.bundle("good"))
    tables = bank.tables("small") / "split"
    before = performance_test(bank, small).rows
    trained = pl.read_parquet(tables / "train.parquet")
    test = pl.read_parquet(tables / "test.parquet")
    pl.concat([test, trained]).write_parquet(tables / "test.parquet")
    assert performance_test(bank, small).rows == before


def test_too_few_rows_are_a_refusal(bank: Project, lender: Lender, small: Params) -> None:
    register(bank, small, lender.bundle("good"))
    path = bank.tables("small") / "split" / "test.parquet"
    pl.read_parquet(path).head(12).write_parquet(path)
    outcome = promote(bank, small)
    assert not outcome.promoted
    assert "at least 10 of each are needed" in outcome.summary


def test_a_champion_that_cannot_read_todays_table_is_a_refusal_that_says_what_to_do(
    bank: Project, lender: Lender, small: Params
) -> None:
    register(bank, small, lender.bundle("good"))
    with_fewer = bank.tables("small") / "raw" / "raw.parquet"
    pl.read_parquet(with_fewer).drop("age").write_parquet(with_fewer)
    version = standing(bank, small).version("2")
    other = standing(bank, small).version("1")
    rows = judged_rows(bank, "small", Scorer.load(lender.bundle("good")).contract)
    verdict = readiness._cannot_compare(version, other, rows, "it lacks 'age'")
    assert not verdict.passed
    assert "gates.mode: threshold" in verdict.reason


def test_a_version_of_another_portfolio_is_refused(bank: Project, lender: Lender, small: Params) -> None:
    with connected(bank) as client:
        client.set_model_version_tag(MODEL, "1", "portfolio", "taiwan")
    with pytest.raises(TrackingError, match="was made for portfolio 'taiwan', not for 'small'"):
        champion(bank, small)
    with pytest.raises(TrackingError, match="was made for portfolio 'taiwan'"):
        promote(bank, small, "1")
    register(bank, small, lender.bundle("good"))
    with pytest.raises(TrackingError, match="was made for portfolio 'taiwan'"):
        promote(bank, small, "2")


def test_a_rollback_goes_back_one_champion_at_a_time(bank: Project, lender: Lender, small: Params) -> None:
    register(bank, small, lender.bundle("good"))
    promote(bank, small)
    outcome = rollback(bank, small, who="test", reason="complaints")
    assert outcome.promoted
    assert outcome.summary == f"version 1 of {MODEL} is champion again, in place of version 2"
    found = champion(bank, small)
    assert found is not None
    assert found.version == "1"
    last = history(bank, small)[-1]
    assert (last.action, last.version, last.former, last.reason) == ("rollback", "1", "2", "complaints")
    assert last.to_json()["evidence"]["loading"]["passed"]
    assert verify_history(bank, small) == 3
    with pytest.raises(TrackingError, match="has no former champion to go back to"):
        rollback(bank, small)


def test_a_run_does_not_undo_a_rollback(bank: Project, lender: Lender, small: Params) -> None:
    register(bank, small, lender.bundle("good"))
    assert promote(bank, small, automatic=True).promoted
    rollback(bank, small, who="test")
    again = promote(bank, small, "2", automatic=True)
    assert not again.promoted
    assert again.champion == "1"
    assert again.verdict is not None
    assert again.verdict.passed
    assert "version 2 of CreditRiskModel-small was rolled back from on" in again.summary
    assert "(test), so a run does not promote it again" in again.summary
    assert "uv run main.py promote --version 2 --portfolio small" in again.summary
    assert [row.action for row in history(bank, small)] == ["promote", "promote", "rollback"]
    assert promote(bank, small, "2").promoted
    assert "already" in promote(bank, small, "2", automatic=True).summary


def test_a_rollback_without_test_rows_says_so(bank: Project, lender: Lender, small: Params) -> None:
    register(bank, small, lender.bundle("good"))
    promote(bank, small)
    (bank.tables("small") / "raw" / "raw.parquet").unlink()
    outcome = rollback(bank, small)
    assert outcome.promoted
    said = "its performance on today's test rows was not tested: 1.data/tables/small/raw/raw.parquet: missing"
    assert said in outcome.to_json()["summary"]


def test_a_rollback_to_a_version_that_is_not_the_former_champion_changes_nothing(
    bank: Project, lender: Lender, small: Params
) -> None:
    with pytest.raises(LedgerError, match=r"Version 1 is not the former champion of .*that is no version"):
        rollback(bank, small, to="1")
    register(bank, small, lender.bundle("good"))
    assert promote(bank, small).promoted
    with pytest.raises(LedgerError, match=r"Version 2 is not the former champion of .*that is version 1"):
        rollback(bank, small, to="2")
    assert len(history(bank, small)) == 2


def test_a_rollback_replays_readiness(bank: Project, lender: Lender, small: Params) -> None:
    register(bank, small, lender.bundle("good"))
    promote(bank, small)
    strict = small.model_copy(update={"gates": small.gates.model_copy(update={"min_auc": 0.99})})
    refused = rollback(bank, strict)
    assert not refused.promoted
    assert "version 1 of CreditRiskModel-small was not brought back" in refused.summary
    assert rollback(bank, strict, force=True).promoted
    assert history(bank, small)[-1].to_json()["evidence"]["forced"] is True


def test_a_rollback_to_a_changed_bundle_is_refused(bank: Project, lender: Lender, small: Params) -> None:
    register(bank, small, lender.bundle("good"))
    promote(bank, small)
    flip(stored(bank, lender.manifest("fair").digest) / "policy.json")
    with pytest.raises(BundleError, match=r"policy\.json"):
        rollback(bank, small, force=True)
    found = champion(bank, small)
    assert found is not None
    assert found.version == "2"


def test_of_two_promotions_at_once_one_wins(
    bank: Project, lender: Lender, small: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(bank, small, lender.bundle("good"))
    register(bank, small, lender.bundle("twin"))
    real = judge
    threshold = small.model_copy(update={"gates": small.gates.model_copy(update={"mode": "threshold"})})

    def meanwhile(*arguments: Any) -> Any:
        verdict = real(*arguments)
        monkeypatch.setattr(promotion, "judge", real)
        assert promote(bank, threshold, "3").promoted
        return verdict

    monkeypatch.setattr(promotion, "judge", meanwhile)
    with pytest.raises(LedgerError, match="somebody else changed the champion"):
        promote(bank, small, "2")
    found = champion(bank, small)
    assert found is not None
    assert found.version == "3"
    assert verify_history(bank, small) == 2


def test_an_alias_moved_behind_the_ledgers_back_raises_the_alarm(bank: Project, lender: Lender, small: Params) -> None:
    register(bank, small, lender.bundle("poor"))
    move_alias(bank, "2")
    for call in (champion, champion_bundle, promote, rollback, verify_history):
        with pytest.raises(LedgerError, match=r"ALARM: champion of .* at version 2, but by the ledger it is version 1"):
            call(bank, small)
    assert "ALARM" in str(status(bank, small)["divergence"])
    restore(bank, small)
    found = champion(bank, small)
    assert found is not None
    assert found.version == "1"


def test_a_promotion_cut_short_is_finished_by_the_next(
    bank: Project, lender: Lender, small: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(bank, small, lender.bundle("good"))

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(promotion, "_follow", killed)
        with pytest.raises(KeyboardInterrupt):
            promote(bank, small)
    found = champion(bank, small)
    assert found is not None
    assert found.version == "1"
    with pytest.raises(LedgerError, match="cut short before the registry followed"):
        verify_history(bank, small)
    outcome = promote(bank, small, "2")
    assert "is the champion of CreditRiskModel-small already" in outcome.summary
    assert verify_history(bank, small) == 2


def delete(bank: Project, version: str) -> None:
    with connected(bank) as client:
        client.delete_model_version(MODEL, version)


def test_a_deleted_champion_raises_the_alarm_until_its_bundle_is_registered_again(
    bank: Project, lender: Lender, small: Params
) -> None:
    delete(bank, "1")
    for call in (champion, champion_bundle, restore, verify_history):
        with pytest.raises(LedgerError, match=r"ALARM: version 1 of .* was deleted in the registry.*main\.py run"):
            call(bank, small)
    register(bank, small, lender.bundle("good"))
    with pytest.raises(LedgerError, match="was deleted in the registry"):
        promote(bank, small, "2", automatic=True)
    register(bank, small, lender.bundle("fair"))
    outcome = promote(bank, small, "3", automatic=True)
    assert outcome.summary == (
        f"version 3 of {MODEL} is champion: it holds the bundle of version 1, which was deleted in the registry"
    )
    assert [(row.version, row.former) for row in history(bank, small)] == [("1", None), ("3", "1")]
    assert verify_history(bank, small) == 2
    assert promote(bank, small, "2").promoted


def test_in_place_of_a_deleted_champion_somebody_may_choose_another_or_go_back(
    bank: Project, lender: Lender, small: Params
) -> None:
    register(bank, small, lender.bundle("good"))
    assert promote(bank, small).promoted
    delete(bank, "2")
    outcome = rollback(bank, small)
    assert outcome.summary == f"version 1 of {MODEL} is champion again, in place of version 2"
    delete(bank, "1")
    register(bank, small, lender.bundle("twin"))
    with pytest.raises(LedgerError, match="was deleted in the registry"):
        promote(bank, small)
    assert promote(bank, small, "3").promoted
    assert [row.former for row in history(bank, small)] == [None, "1", "2", "1"]
    assert verify_history(bank, small) == 4


def test_an_edited_ledger_stops_everything(bank: Project, small: Params) -> None:
    edit(bank, "DROP TRIGGER ledger_no_update", "UPDATE ledger SET who = 'somebody else'")
    for call in (champion, promote, history, verify_history):
        with pytest.raises(LedgerError, match=r"row 1 \(promote of version 1 .* was edited"):
            call(bank, small)


def test_a_ledger_cut_short_raises_the_alarm(bank: Project, lender: Lender, small: Params) -> None:
    register(bank, small, lender.bundle("good"))
    promote(bank, small)
    edit(bank, "DROP TRIGGER ledger_no_delete", "DELETE FROM ledger WHERE id = 2")
    move_alias(bank, "1")
    with pytest.raises(LedgerError, match=r"version 2 of .* carries ledger hash .* which the ledger does not hold"):
        verify_history(bank, small)
    with pytest.raises(LedgerError, match="cut short"):
        restore(bank, small)


def test_a_new_ledger_in_place_of_the_old_one_is_noticed(bank: Project, small: Params) -> None:
    (bank.experiments / "ledger.db").unlink()
    with pytest.raises(LedgerError, match="which the ledger does not hold"):
        champion(bank, small)


def test_a_registry_made_anew_begins_a_chain_of_its_own(
    bank: Project, lender: Lender, small: Params, migrated: Path
) -> None:
    store = bank.experiments / "mlflow.db"
    fresh = Project(bank.root / "again")
    (fresh.experiments).mkdir(parents=True)
    (fresh.experiments / "mlflow.db").write_bytes(migrated.read_bytes())
    (fresh.experiments / "ledger.db").write_bytes((bank.experiments / "ledger.db").read_bytes())
    lender.tables(fresh)
    register(fresh, small, lender.bundle("good"))
    assert promote(fresh, small).promoted
    assert verify_history(fresh, small) == 1
    assert store.exists()


def test_status_of_a_registry_without_a_model(project: Project, small: Params) -> None:
    found = status(project, small)
    assert (found["champion"], found["versions"], found["divergence"]) == (None, 0, None)
    with pytest.raises(TrackingError, match="has no champion yet"):
        champion_bundle(project, small)
    with pytest.raises(TrackingError, match="has no version to test yet"):
        promote(project, small)


def test_who_scores_before_a_version_was_promoted_is_told_of_those_there_are(
    project: Project, small: Params, lender: Lender
) -> None:
    register(project, small, lender.bundle("poor"))
    with pytest.raises(
        TrackingError, match=r"no champion yet: no version of .*there are: 1\)\. main.py test-model .* promote"
    ):
        champion_bundle(project, small)


def test_an_unknown_version_is_said_so(bank: Project, small: Params) -> None:
    with pytest.raises(TrackingError, match="has no version 7; there are: 1"):
        promote(bank, small, "7")


def stored(project: Project, digest: str) -> Path:
    """The folder of a bundle as the registry keeps it."""
    import hashlib

    for path in (project.experiments / "mlruns").rglob(MANIFEST):
        if hashlib.sha256(path.read_bytes()).hexdigest() == digest:
            return path.parent
    raise AssertionError(digest)


def flip(path: Path) -> None:
    """Change one byte."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def edit(project: Project, *statements: str) -> None:
    """Change the ledger as somebody who knows SQLite would."""
    with sqlite3.connect(project.experiments / "ledger.db") as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()
