import asyncio
import gc
import json
from pathlib import Path
from typing import Any

import pytest

from creditrisk.paths import Project
from creditrisk.service.app import create
from creditrisk.service.http.front import Front
from creditrisk.service.settings import ServiceSettings


def make(tmp_path: Path, **settings: Any) -> Front:
    return create(ServiceSettings(state=tmp_path, **settings), Project(tmp_path))


async def ask(front: Front, path: str, server: Any, method: str = "GET", body: bytes = b"") -> tuple[int, Any]:
    """One request by hand, to an address of this machine."""
    scope: dict[str, Any] = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method}
    scope |= {"path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "", "server": server}
    scope["headers"] = [(b"content-type", b"application/json")]
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await front(scope, receive, send)
    return sent[0]["status"], json.loads(sent[1]["body"])


async def started(front: Front) -> tuple[Any, Any]:
    """Send start and stop; what came back, and the tasks of the worker in between."""
    messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    sent: list[Any] = []

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    await front({"type": "lifespan"}, receive, send)
    return sent, front.service


@pytest.mark.parametrize("server", [("127.0.0.1", 80), ("::1", 80), None, ("/run/api.sock", None)])
def test_no_key_is_asked_for_on_this_machine(tmp_path: Path, server: Any) -> None:
    assert asyncio.run(ask(make(tmp_path), "/v1/model", server))[0] == 503


def test_a_request_from_beyond_makes_keys_compulsory_for_good(tmp_path: Path) -> None:
    front = make(tmp_path)
    assert asyncio.run(ask(front, "/v1/model", ("192.0.2.7", 80)))[0] == 401
    assert asyncio.run(ask(front, "/v1/model", ("127.0.0.1", 80)))[0] == 401


def test_a_start_that_fails_says_its_sentence(tmp_path: Path) -> None:
    sent, _ = asyncio.run(started(make(tmp_path, host="0.0.0.0")))
    (failed,) = sent
    assert failed["type"] == "lifespan.startup.failed"
    assert "there is no API key" in failed["message"]


def test_a_fault_of_ours_at_the_start_ends_it_and_says_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    front = make(tmp_path)

    async def broken() -> None:
        raise NameError("somebody's income")

    monkeypatch.setattr(front.service, "start", broken)
    sent, _ = asyncio.run(started(front))
    assert sent[0]["type"] == "lifespan.startup.failed"
    assert sent[0]["message"].startswith("The service cannot start: NameError at test_front.py:")
    assert "income" not in sent[0]["message"]


def test_start_and_stop(tmp_path: Path) -> None:
    sent, service = asyncio.run(started(make(tmp_path)))
    assert [message["type"] for message in sent] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert (service.metrics_folder / "0.json").is_file()


def test_a_worker_looks_for_cycles_seldom_and_not_in_what_stays(tmp_path: Path) -> None:
    async def main() -> tuple[tuple[int, int, int], int]:
        service = make(tmp_path).service
        await service.start()
        found = gc.get_threshold(), gc.get_freeze_count()
        await service.stop()
        return found

    before = gc.get_threshold()
    (often, *_), kept = asyncio.run(main())
    assert often > before[0]
    assert kept > 10_000
    assert (gc.get_threshold(), gc.get_freeze_count()) == (before, 0)


def test_a_fault_of_ours_costs_one_answer_and_says_nothing(
    tmp_path: Path, small_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from creditrisk.service.scoring.live import Live

    def fails(*_: Any) -> None:
        raise RuntimeError("Zebedee's income is 17")

    async def main() -> tuple[int, Any]:
        front = make(tmp_path, bundle=small_bundle)
        await front.service.start()
        monkeypatch.setattr(Live, "answer", fails)
        found = await ask(front, "/v1/score", None, "POST", b'{"application": {}}')
        await front.service.stop()
        return found

    status, problem = asyncio.run(main())
    assert (status, problem["type"]) == (500, "urn:creditrisk:problem:internal")
    assert "Zebedee" not in json.dumps(problem)
    assert problem["request_id"]
