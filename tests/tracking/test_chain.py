from __future__ import annotations

from dataclasses import asdict, replace

import pytest

from creditrisk.errors import LedgerError
from creditrisk.tracking.chain import GENESIS, Action, Row, champions, divergence, linked, withdrawn


def chain(*moves: tuple[Action, str]) -> list[Row]:
    rows: list[Row] = []
    for action, version in moves:
        rows.append(
            Row(
                chain="c",
                previous_hash=rows[-1].hash if rows else GENESIS,
                model="CreditRiskModel",
                action=action,
                version=version,
                digest="d" * 64,
                former=rows[-1].version if rows else None,
                who="officer@bank",
                at="2026-11-01T00:00:00.000000+00:00",
                reason="",
                evidence="{}",
            )
        )
    return rows


def records(rows: list[Row]) -> list[dict[str, object]]:
    return [asdict(row) | {"id": number, "hash": row.hash} for number, row in enumerate(rows, start=1)]


def test_an_untouched_chain_reads_back() -> None:
    rows = chain(("promote", "1"), ("promote", "2"), ("rollback", "1"))
    assert linked(records(rows), "here") == rows


@pytest.mark.parametrize("field", ["version", "digest", "former", "who", "at", "reason", "evidence", "action", "model"])
def test_an_edit_of_any_field_is_found_and_its_row_named(field: str) -> None:
    written = records(chain(("promote", "1"), ("promote", "2"), ("promote", "3")))
    written[1][field] = "other"
    with pytest.raises(LedgerError, match=r"ledger here: row 2 .* was edited"):
        linked(written, "here")


def test_an_edit_with_its_hash_made_anew_breaks_the_next_link() -> None:
    rows = chain(("promote", "1"), ("promote", "2"), ("promote", "3"))
    edited = [rows[0], replace(rows[1], who="nobody"), rows[2]]
    with pytest.raises(LedgerError, match=r"row 3 .* rows were removed, added or put in another order"):
        linked(records(edited), "here")


def test_a_row_taken_out_of_the_middle_is_found() -> None:
    rows = chain(("promote", "1"), ("promote", "2"), ("promote", "3"))
    with pytest.raises(LedgerError, match="rows were removed"):
        linked(records([rows[0], rows[2]]), "here")


def test_a_first_row_taken_out_is_found() -> None:
    with pytest.raises(LedgerError, match="rows were removed"):
        linked(records(chain(("promote", "1"), ("promote", "2"))[1:]), "here")


def test_what_was_rolled_back_from_is_withdrawn_until_it_is_champion_again() -> None:
    def digests(*moves: tuple[Action, str]) -> set[str]:
        return set(withdrawn([replace(row, digest=f"digest {row.version}") for row in chain(*moves)]))

    forth: list[tuple[Action, str]] = [("promote", "1"), ("promote", "2"), ("promote", "3")]
    assert digests(*forth) == set()
    assert digests(*forth, ("rollback", "2")) == {"digest 3"}
    assert digests(*forth, ("rollback", "2"), ("rollback", "1")) == {"digest 2", "digest 3"}
    assert digests(*forth, ("rollback", "2"), ("rollback", "1"), ("promote", "3")) == {"digest 2"}
    assert digests(*forth, ("rollback", "2"), ("promote", "3"), ("rollback", "2")) == {"digest 3"}


def test_rollbacks_go_back_along_the_champions() -> None:
    moves: list[tuple[Action, str]] = [("promote", "1"), ("promote", "2"), ("promote", "4"), ("rollback", "2")]
    assert champions(chain(*moves)) == ["1", "2"]
    assert champions(chain(*moves, ("rollback", "1"))) == ["1"]
    assert champions(chain(*moves, ("promote", "5"))) == ["1", "2", "5"]


def test_registry_and_ledger_in_agreement() -> None:
    rows = chain(("promote", "1"), ("promote", "2"))
    assert divergence(rows, "M", "2", {"1": rows[0].hash, "2": rows[1].hash}) is None
    assert divergence([], "M", None, {}) is None


def test_an_alias_moved_behind_the_ledgers_back_raises_the_alarm() -> None:
    rows = chain(("promote", "1"), ("promote", "2"))
    hashes = {"1": rows[0].hash, "2": rows[1].hash}
    for alias in ("1", "3", None):
        found = divergence(rows, "M", alias, hashes)
        assert found is not None
        assert found.kind == "alarm"
        assert f"points at version {alias or 'none'}, but by the ledger it is version 2" in found.sentence


def test_a_champion_that_was_deleted_is_no_promotion_cut_short() -> None:
    rows = chain(("promote", "1"), ("promote", "2"))
    for alias in ("1", None):
        found = divergence(rows, "M", alias, {"1": rows[0].hash}, there={"1", "3"})
        assert found is not None
        assert found.kind == "gone"
        assert "version 2 of M, the champion by the ledger" in found.sentence


def test_an_alias_without_any_promotion_raises_the_alarm() -> None:
    found = divergence([], "M", "1", {})
    assert found is not None
    assert found.kind == "alarm"


def test_a_ledger_cut_short_raises_the_alarm() -> None:
    rows = chain(("promote", "1"), ("promote", "2"))
    hashes = {"1": rows[0].hash, "2": rows[1].hash}
    for alias in ("1", "2"):  # also where the alias was moved back to fit
        found = divergence(rows[:1], "M", alias, hashes)
        assert found is not None
        assert found.kind == "alarm"
        assert "version 2 of M carries ledger hash" in found.sentence


def test_a_promotion_cut_short_is_no_alarm() -> None:
    rows = chain(("promote", "1"), ("promote", "2"))
    for alias in ("1", "2"):
        found = divergence(rows, "M", alias, {"1": rows[0].hash})
        assert found is not None
        assert found.kind == "unfinished"
