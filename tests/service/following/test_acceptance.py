from pathlib import Path

import pytest
from bank import make_narrow
from lender import Lender
from service.events import fill
from service.running import APPLICATION

from creditrisk.service.following.acceptance import objection
from creditrisk.service.http.hot import encode, event_of
from creditrisk.service.scoring.live import Live
from creditrisk.service.scoring.schema import Request

IDENTIFIER = "0190a000-0000-7000-8000-000000000000"


@pytest.fixture(scope="module")
def fair(lender: Lender) -> Live:
    return Live.load(lender.bundle("fair"), "M", "1")


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Live:
    return Live.load(make_narrow(tmp_path_factory.mktemp("narrow") / "bundle"), "M", "2")


def recorded(path: Path, live: Live, application: dict[str, bool | int | float | str | None]) -> None:
    request = Request(application)
    answer = live.answer(request, IDENTIFIER)
    event = event_of(live, request, answer, encode(answer), None, 1_700_000_000_000_000_000)
    assert fill(path, [([event], None)]) == [None]


def test_one_that_takes_all_that_was_valid_may_take_over(fair: Live, lender: Lender, tmp_path: Path) -> None:
    good = Live.load(lender.bundle("good"), "M", "2")
    path = tmp_path / "decisions.db"
    assert objection(fair, good, path) is None
    assert not path.exists()
    recorded(path, fair, APPLICATION)
    assert objection(fair, good, path) is None


def test_a_narrower_contract_is_named_and_a_wider_one_is_not(fair: Live, narrow: Live, tmp_path: Path) -> None:
    said = objection(fair, narrow, tmp_path / "decisions.db")
    assert said == (
        "version 2 is refused, version 1 stays: its contract refuses applications that are valid now: "
        "months must be at most 60 now."
    )
    assert objection(narrow, fair, tmp_path / "decisions.db") is None


def test_golden_rows_and_recent_applications_are_evidence_of_their_own(
    fair: Live, narrow: Live, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("creditrisk.service.following.acceptance.refusals", lambda _old, _new: [])
    path = tmp_path / "decisions.db"
    assert "golden row" in (objection(fair, narrow, path) or "")
    monkeypatch.setattr("creditrisk.service.following.acceptance._golden", lambda _: iter(()))
    assert objection(fair, narrow, path) is None
    recorded(path, fair, APPLICATION | {"months": 100})
    assert objection(fair, narrow, path) == (
        f"version 2 is refused, version 1 stays: it refuses the application of decision {IDENTIFIER}: months."
    )
    path.write_bytes(b"no database" * 1_000)
    assert objection(fair, narrow, path) is None


def test_one_that_fails_on_what_the_present_one_answers_is_refused(
    fair: Live, lender: Lender, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, path = Live.load(lender.bundle("good"), "M", "2"), tmp_path / "decisions.db"
    recorded(path, fair, APPLICATION)

    def fails(*_: object) -> None:
        raise KeyError("Quuxfeather")

    monkeypatch.setattr(type(good.scorer), "score_row", fails)
    assert (objection(fair, good, path) or "").endswith(" of the present bundle: KeyError.")
    monkeypatch.setattr("creditrisk.service.following.acceptance._golden", lambda _: iter(()))
    assert (objection(fair, good, path) or "").endswith(f"decision {IDENTIFIER}: KeyError.")
