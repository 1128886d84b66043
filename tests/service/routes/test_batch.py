import json
from typing import Any

import httpx
from service.conftest import Guarded
from service.running import APPLICATION, Running

from creditrisk.service.log.sqlite import connect

GOOD = {"application": APPLICATION}
WRONG = {"application": APPLICATION | {"income": "much"}}


def post(client: httpx.Client, body: Any, **headers: str) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return client.post("/v1/score/batch", content=content, headers={"content-type": "application/json"} | headers)


def count(running: Running) -> int:
    connection = connect(running.state / "decisions.db", read_only=True)
    try:
        return int(connection.execute("SELECT COUNT(*) FROM events").fetchone()[0])
    finally:
        connection.close()


def test_each_application_gets_its_answer_or_its_problem_in_its_place(client: httpx.Client, running: Running) -> None:
    before = count(running)
    dear = {"application": APPLICATION | {"months": 6}, "applicant_id": "B-1"}
    found = post(client, [GOOD, WRONG, dear, 3, {"aplication": {}}])
    assert found.status_code == 200
    first, wrong, second, number, unknown = found.json()
    assert [first["pd"], second["pd"]] == [score(client, item)["pd"] for item in (GOOD, dear)]
    assert [item["status"] for item in (wrong, number, unknown)] == [422] * 3
    assert wrong["errors"][0]["field"] == "income"
    assert [error["field"] for error in unknown["errors"]] == ["application", "aplication"]
    assert count(running) == before + 4, "two of the list and the two scored alone"


def score(client: httpx.Client, body: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = client.post("/v1/score", json=body).json()
    return found


def test_more_than_one_slice_keeps_the_order(client: httpx.Client) -> None:
    items = [{"application": APPLICATION | {"months": 1 + number}} for number in range(90)]
    found = post(client, items).json()
    single = [score(client, items[number])["pd"] for number in (0, 30, 89)]
    assert [found[number]["pd"] for number in (0, 30, 89)] == single
    assert len({item["decision_id"] for item in found}) == 90


def test_a_repeated_list_gets_the_first_answers_and_leaves_no_record(client: httpx.Client, running: Running) -> None:
    first = post(client, [GOOD, WRONG], **{"idempotency-key": "list"})
    there = count(running)
    again = post(client, [GOOD, WRONG], **{"idempotency-key": "list"})
    other = post(client, [GOOD], **{"idempotency-key": "list"})
    single = client.post("/v1/score", json=GOOD, headers={"idempotency-key": "list"})
    assert again.content == first.content
    assert again.headers["idempotency-replayed"] == "true"
    assert (other.status_code, single.status_code) == (409, 409)
    assert count(running) == there


def test_a_list_of_which_nothing_was_scored_is_not_remembered(client: httpx.Client, running: Running) -> None:
    assert post(client, [WRONG], **{"idempotency-key": "nothing"}).json()[0]["status"] == 422
    connection = connect(running.state / "decisions.db", read_only=True)
    assert connection.execute("SELECT COUNT(*) FROM idempotency WHERE key = 'nothing'").fetchone() == (0,)
    connection.close()
    assert "decision_id" in post(client, [GOOD], **{"idempotency-key": "nothing"}).json()[0]


def test_lists_that_cannot_be_taken(client: httpx.Client) -> None:
    assert post(client, []).status_code == 422
    assert post(client, b"[{").status_code == 400
    assert post(client, GOOD).status_code == 422
    assert post(client, b'[{"application": {}}' + b',{"application": {}}' * 1_000 + b"]").status_code == 413
    assert post(client, b"[" + b" " * 4_194_304 + b"]").status_code == 413
    assert client.post("/v1/score/batch", content=b"[]").status_code == 415


def test_a_list_that_is_refused_by_its_size_is_counted_as_one(client: httpx.Client) -> None:
    line = 'creditrisk_requests_total{route="/v1/score/batch",status="413"}'

    def count() -> float:
        found = [one for one in client.get("/metrics").text.splitlines() if one.startswith(line)]
        return float(found[0].rpartition(" ")[2]) if found else 0.0

    before = count()
    assert post(client, b"[" + b" " * 4_194_304 + b"]").status_code == 413
    assert count() == before + 1


def test_a_key_needs_the_scope_batch(guarded: Guarded) -> None:
    with guarded.client("score") as client:
        assert post(client, [GOOD]).status_code == 403
    with guarded.client("all") as client:
        assert post(client, [GOOD]).status_code == 200
