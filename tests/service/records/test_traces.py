from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from service.events import MAKE, NOW_MS, event, fill

from creditrisk.service.records import local
from creditrisk.service.records.erasure import erase
from creditrisk.service.records.traces import _PIECE, SHORT, contains, forms, telling
from creditrisk.service.settings import ServiceSettings

IDS = ["7", "A-17", "123456", "12345678901", 'quo"te', "1234567890123", "Wilhelmine"]
PLACES = [(one, where) for one in IDS for where in ("request", "row", "index") if where != "row" or len(one) >= SHORT]


@pytest.mark.parametrize(("applicant", "where"), PLACES)
def test_an_applicant_on_record_is_found_in_each_place_where_sqlite_keeps_them(
    tmp_path: Path, applicant: str, where: str
) -> None:
    path = tmp_path / "decisions.db"
    request = json.dumps({"applicant_id": applicant}, separators=(",", ":")).encode() if where == "request" else b"{}"
    fill(path, [([event(1, applicant=None if where == "request" else applicant)._replace(request=request)], None)])
    with local.opened(path) as connection:
        if where == "row":
            connection.execute("DROP INDEX events_applicant")
        if where == "index":
            connection.execute("UPDATE events SET status = 'unknown'")
        assert contains(path, forms(applicant))
        local.scrub(connection, path, [])
    assert contains(path, forms(applicant))


def test_digits_that_stand_in_numbers_are_no_trace_of_an_applicant(tmp_path: Path) -> None:
    path = tmp_path / "number"
    path.write_text('{"income": 0.1234567, "id": "018bcfe5-123456789abc", "applicant_id":"1234567"}')
    assert not telling("123456")
    assert not contains(path, forms("123456"))
    assert contains(path, forms("1234567"))


def test_a_text_is_found_across_the_pieces_in_which_a_file_is_read(tmp_path: Path) -> None:
    path, name = tmp_path / "pieces", MAKE.make(NOW_MS * 1_000_000)
    for wanted in (name, "Wilhelmine-4711"):
        for at in (0, 1, len(wanted) // 2, len(wanted) - 1, len(wanted)):
            path.write_bytes(b"x" * (_PIECE - at) + wanted.encode() + b"x" * 9)
            assert contains(path, [wanted, "another-one"])
            assert not contains(path, [f"{wanted}y", MAKE.make(NOW_MS * 1_000_000)])


def erased(state: Path, applicant: str) -> int:
    """Pages that are free when an applicant was erased from a log with free pages: rewriting would give them back."""
    path, chance = state / "decisions.db", random.Random(7)
    others = [event(n, applicant=f"{chance.random()}") for n in range(2_000)]
    others += [event(3_000)._replace(request=b'{"application":{"share":0.123456789}}')]
    fill(path, [([one], None) for one in (*others, event(4_000, applicant=applicant))])
    with local.opened(path) as connection, local.transaction(connection, path):
        local.remove(connection, [one.id for one in others[:1_000]])
    erase(ServiceSettings.model_validate({"state": state}), applicant, "officer")
    with local.opened(path) as connection:
        assert connection.execute("SELECT count(*) FROM events WHERE applicant_id = ?", (applicant,)).fetchone() == (0,)
        return int(connection.execute("PRAGMA freelist_count").fetchone()[0])


def test_the_log_is_not_rewritten_because_an_id_stands_in_a_number_by_chance(tmp_path: Path) -> None:
    assert erased(tmp_path, "123456") > 0
