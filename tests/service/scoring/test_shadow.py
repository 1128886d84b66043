import asyncio
import json
from pathlib import Path
from typing import NoReturn

import msgspec
import pytest
from bank import MLFLOWS_OWN, SMALL, copy_bank, make_servable
from lender import Lender
from service.running import APPLICATION
from service.watching import following, score, until

from creditrisk.model.scorer import Scorer
from creditrisk.paths import Project
from creditrisk.service.log.sqlite import connect
from creditrisk.service.record import Event, Group
from creditrisk.service.scoring.live import Live
from creditrisk.service.scoring.schema import Request
from creditrisk.service.scoring.shadow import LIMIT, Shadow
from creditrisk.service.telemetry.counts import Counts
from creditrisk.tracking.register import register

IDENTIFIER = "0190a000-0000-7000-8000-000000000000"


class Kept:
    """A log in a list."""

    waiting = failures = 0
    unwritten = False
    waited = commit_seconds = 0.0

    def __init__(self) -> None:
        self.events: list[Event] = []

    def submit(self, group: Group) -> bool:
        self.events += group.events
        group.done(None)
        return True

    async def ready(self) -> None:
        """Nothing to wait for."""

    async def close(self) -> None:
        """Nothing to close."""


@pytest.fixture
def champion(lender: Lender) -> Live:
    return Live.load(lender.bundle("fair"), "M", "1")


@pytest.fixture
def challenger(lender: Lender) -> Live:
    return Live.load(lender.bundle("good"), "M", "2")


async def settled(counts: Counts, count: int) -> None:
    while sum(counts.shadow.values()) < count:
        await asyncio.sleep(0.001)


def test_a_fault_of_the_challenger_costs_its_answer_and_none_after_it(
    champion: Live, challenger: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, counts, score_row = Kept(), Counts(), challenger.scorer.score_row

    def once(*_: object) -> NoReturn:
        monkeypatch.setattr(challenger.scorer, "score_row", score_row)
        raise ZeroDivisionError

    async def offered() -> None:
        shadow = Shadow(challenger, log, asyncio.get_running_loop(), counts)
        monkeypatch.setattr(challenger.scorer, "score_row", once)
        for count in (1, 2):
            request = msgspec.convert({"application": APPLICATION}, Request)
            shadow.offer(request, champion.answer(request, IDENTIFIER), "key")
            async with asyncio.timeout(30):
                await settled(counts, count)
        shadow.close()

    asyncio.run(offered())
    assert counts.shadow == {"dropped": 1, "scored": 1}
    assert len(log.events) == 1


def test_the_challengers_score_is_recorded_under_the_decision(champion: Live, challenger: Live) -> None:
    log, counts = Kept(), Counts()

    async def offered() -> None:
        shadow = Shadow(challenger, log, asyncio.get_running_loop(), counts)
        for purpose in ("decision", "simulation"):
            request = msgspec.convert({"application": APPLICATION, "applicant_id": "A", "purpose": purpose}, Request)
            shadow.offer(request, champion.answer(request, IDENTIFIER), "key")
        await settled(counts, 1)
        shadow.close()

    asyncio.run(offered())
    (event,) = log.events
    assert counts.shadow == {"scored": 1}
    assert (event.kind, event.subject, event.applicant_id, event.key_id) == ("shadow", IDENTIFIER, "A", "key")
    assert (event.version, event.request) == (challenger.label, b"{}")
    expected = challenger.scorer.score_row(APPLICATION)
    said = json.loads(event.answer)
    assert (said["pd"], said["score"], said["decision"]) == (expected.pd, expected.score, expected.decision)
    assert event.status == expected.decision


def test_what_the_challenger_would_refuse_is_recorded_as_refused(champion: Live, challenger: Live) -> None:
    log, counts = Kept(), Counts()

    async def offered() -> None:
        shadow = Shadow(challenger, log, asyncio.get_running_loop(), counts)
        request = Request(APPLICATION)
        answer = champion.answer(request, IDENTIFIER)
        shadow.offer(Request(APPLICATION | {"months": 500}), answer, None)
        await settled(counts, 1)
        shadow.close()

    asyncio.run(offered())
    (event,) = log.events
    assert event.status == "refused"
    assert json.loads(event.answer)["refused"] == ["months"]


def test_what_waits_too_long_or_comes_too_thick_is_dropped_and_counted(
    champion: Live, challenger: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, counts = Kept(), Counts()
    monkeypatch.setattr("creditrisk.service.scoring.shadow.LATE_SECONDS", -1.0)

    async def offered() -> None:
        shadow = Shadow(challenger, log, asyncio.get_running_loop(), counts)
        request = Request(APPLICATION)
        answer = champion.answer(request, IDENTIFIER)
        shadow._queue.put(None)  # its thread ends, so that the queue fills up
        shadow._thread.join()
        for _ in range(LIMIT + 5):
            shadow.offer(request, answer, None)
        assert (shadow.waiting, counts.shadow) == (LIMIT, {"dropped": 5})
        shadow._queue.put(None)
        shadow._work()
        await settled(counts, LIMIT + 5)

    asyncio.run(offered())
    assert (counts.shadow, log.events) == ({"dropped": LIMIT + 5}, [])


@pytest.mark.slow
@pytest.mark.filterwarnings(MLFLOWS_OWN[0])
@pytest.mark.filterwarnings(MLFLOWS_OWN[1])
def test_a_challenger_in_shadow_is_recorded_and_never_answered(
    promoted: Project, lender: Lender, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("MLFLOW_TRACKING_URI", "LEDGER_URL"):
        monkeypatch.delenv(name, raising=False)
    bank = make_servable(copy_bank(promoted, tmp_path / "bank"))
    register(bank, SMALL, lender.bundle("good"))
    state = tmp_path / "state"
    with following(bank, state, CREDITRISK_SERVICE_SHADOW="true") as running:
        until(running, lambda content: content.get("shadow", {}).get("model", {}).get("version") == "2")
        given = [score(running, income=1_000.0 + number) for number in range(20)]
        until(running, lambda content: sum(content["shadow"].get(key, 0) for key in ("scored", "dropped")) == 20)
    fair, good = Scorer.load(lender.bundle("fair")), Scorer.load(lender.bundle("good"))
    connection = connect(state / "decisions.db", read_only=True)
    rows = connection.execute("SELECT subject, answer FROM events WHERE kind = 'shadow'").fetchall()
    connection.close()
    recorded = {subject: json.loads(answer)["pd"] for subject, answer in rows}
    assert recorded
    for number, answer in enumerate(given):
        application = APPLICATION | {"income": 1_000.0 + number}
        assert (answer["model"]["version"], answer["pd"]) == ("1", fair.score_row(application).pd)
        expected = good.score_row(application).pd
        assert recorded.get(answer["decision_id"], expected) == expected
