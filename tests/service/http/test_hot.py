import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import httpx
import pytest
from service.running import APPLICATION, Running

from creditrisk.model.scorer import Scorer
from creditrisk.service.access.gate import Gate
from creditrisk.service.access.keys import KeyStore
from creditrisk.service.http.border import unanswered
from creditrisk.service.http.hot import Header, Hot
from creditrisk.service.log.sqlite import connect
from creditrisk.service.record import Group, NotWrittenError, Off
from creditrisk.service.scoring.live import Live
from creditrisk.service.telemetry.counts import Counts


def post(client: httpx.Client, body: Any, **headers: str) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return client.post("/v1/score", content=content, headers={"content-type": "application/json"} | headers)


def test_an_application_gets_the_scorers_own_answer_and_a_record(
    client: httpx.Client, running: Running, small_bundle: Path
) -> None:
    found = post(client, {"application": APPLICATION, "applicant_id": "A-1"})
    assert found.status_code == 200
    answer = found.json()
    expected = Scorer.load(small_bundle).score_row(APPLICATION)
    assert (answer["pd"], answer["score"], answer["decision"]) == (expected.pd, expected.score, expected.decision)
    given = [(r["characteristic"], r["text"], r["contribution"]) for r in answer["reasons"]]
    assert given == [tuple(reason) for reason in expected.reasons]
    connection = connect(running.state / "decisions.db", read_only=True)
    query = "SELECT applicant_id, status, answer FROM events WHERE id = ?"
    assert connection.execute(query, (answer["decision_id"],)).fetchone() == (
        "A-1",
        expected.decision,
        found.content,
    )
    connection.close()


def test_every_wrong_field_is_named_in_one_answer(client: httpx.Client) -> None:
    wrong = APPLICATION | {"income": "much", "amount": -5, "months": 1.5, "purpos": "car"}
    found = post(client, {"application": wrong})
    assert found.status_code == 422
    assert found.headers["content-type"] == "application/problem+json"
    errors = {error["field"]: error["expected"] for error in found.json()["errors"]}
    assert set(errors) == {"income", "amount", "months", "purpos"}
    assert "Did you mean 'purpose'?" in errors["purpos"]


def test_wrong_fields_beside_the_application_hide_none_within(client: httpx.Client) -> None:
    application = APPLICATION | {"income": "much", "amount": [1], "purpos": {"a": 1}}
    body = {
        "purpose": "x",
        "applicant_id": 5,
        "application_date": "31.12.2024",
        "aplicant": 1,
        "protected": {"sex": []},
    }
    found = post(client, body | {"application": application})
    assert (found.status_code, found.json()["type"]) == (422, "urn:creditrisk:problem:invalid-request")
    assert [(error["field"], error["value"], error["expected"]) for error in found.json()["errors"]] == [
        ("applicant_id", "5", "1 to 200 characters without control characters or null"),
        ("purpose", "x", "one of decision, simulation"),
        (
            "aplicant",
            None,
            "one of application, applicant_id, application_date, purpose, protected. Did you mean 'applicant_id'?",
        ),
        ("application_date", "31.12.2024", "a date such as 2024-01-31"),
        ("amount", "[1]", "a number, a text, true, false or null"),
        ("purpos", None, "a column of the contract small. Did you mean 'purpose'?"),
        ("income", "much", "a number, not written as a text"),
        ("sex", "[]", "a number, a text, true, false or null"),
    ]


@pytest.mark.parametrize("beside", [{"application_date": "2024-02-30"}, {"purpose": "x"}, {"applicant_id": ""}])
def test_one_wrong_field_beside_the_application_hides_none_within(client: httpx.Client, beside: Any) -> None:
    found = post(client, {"application": APPLICATION | {"amount": -5, "months": 1.5}} | beside)
    assert [error["field"] for error in found.json()["errors"]] == [*beside, "amount", "months"]


def test_what_is_no_application_is_named_with_what_was_given(client: httpx.Client) -> None:
    (error,) = post(client, {"application": [1]}).json()["errors"]
    assert (error["field"], error["value"], error["expected"]) == ("application", "[1]", "an object")
    (error,) = post(client, {}).json()["errors"]
    assert (error["field"], error["rule"]) == ("application", "required")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"\xff\xfe", 400),
        (b"[]", 422),
        (b'{"application": 1}', 422),
        (b'{"application": {"income": [1]}}', 422),
        (b'{"application": {}, "aplicant_id": "x"}', 422),
        (b'{"application": {}, "application_date": "31.12.2024"}', 422),
        (b"[" * 100_000, 413),
        (b'{"application": ' + b"[" * 20_000, 422),
    ],
)
def test_a_body_that_is_no_request_gets_a_problem(client: httpx.Client, body: bytes, status: int) -> None:
    found = post(client, body)
    assert (found.status_code, found.headers["content-type"]) == (status, "application/problem+json")


def test_values_that_are_no_scalars_are_all_named(client: httpx.Client) -> None:
    body = b'{"application": {"income": [1], "amount": 9e999, "months": 36, "purpose": {"a": "b"}}, '
    body += b'"protected": {"x": []}}'
    errors = post(client, body).json()["errors"]
    assert [(error["field"], error["value"]) for error in errors] == [
        ("income", "[1]"),
        ("amount", "9e999"),
        ("purpose", '{"a": "b"}'),
        ("x", "[]"),
    ]
    assert [error["expected"] for error in errors[:2]] == [
        "a number, a text, true, false or null",
        "a number that a double can hold",
    ]


@pytest.mark.parametrize("name", ["", "a" * 201, "a\0b", "line\n"])
def test_an_applicants_id_has_limits_that_are_said_in_words(client: httpx.Client, name: str) -> None:
    found = post(client, {"application": APPLICATION, "applicant_id": name})
    assert found.status_code == 422
    assert "1 to 200 characters" in found.json()["errors"][0]["expected"]


def test_thousands_of_unknown_fields_get_a_short_answer(client: httpx.Client) -> None:
    body = {"application": APPLICATION | {f"f{number}": 1 for number in range(5_000)} | {"income": "much"}}
    found = post(client, body)
    assert found.status_code == 422
    assert len(found.content) < 20_000
    errors = {error["field"]: error for error in found.json()["errors"]}
    assert errors["application"]["value"] == "4,950 further fields"
    assert "income" in errors, "the contract's own fields are always looked at"


def test_protected_attributes_are_kept_apart_and_change_nothing(client: httpx.Client, running: Running) -> None:
    plain = post(client, {"application": APPLICATION}).json()
    inside = post(client, {"application": APPLICATION | {"age": 40}, "protected": {"sex": "f"}}).json()
    assert (inside["pd"], inside["reasons"]) == (plain["pd"], plain["reasons"])
    connection = connect(running.state / "decisions.db", read_only=True)
    ((request,),) = connection.execute("SELECT request FROM events WHERE id = ?", (inside["decision_id"],)).fetchall()
    ((kept,),) = connection.execute("SELECT attributes FROM protected WHERE id = ?", (inside["decision_id"],))
    connection.close()
    assert json.loads(kept) == {"age": 40, "sex": "f"}
    assert "age" not in json.loads(request)["application"]
    assert json.loads(request)["protected"] is None


def test_a_repeated_request_gets_the_first_answer_byte_for_byte(client: httpx.Client) -> None:
    body = {"application": APPLICATION}
    first = post(client, body, **{"idempotency-key": "same"})
    again = post(client, body, **{"idempotency-key": "same"})
    other = post(client, {"application": APPLICATION | {"months": 12}}, **{"idempotency-key": "same"})
    assert again.content == first.content
    assert again.headers["idempotency-replayed"] == "true"
    assert other.status_code == 409


def test_another_media_type_is_refused(client: httpx.Client) -> None:
    found = client.post("/v1/score", content=b"a=b", headers={"content-type": "application/x-www-form-urlencoded"})
    assert found.status_code == 415


@pytest.mark.parametrize(
    "body",
    [
        b'{"protected": {"sex": "marker"}, "protected": null, "application": %s}',
        b'{"\\u0070rotected": {"sex": "marker"}, "protected": null, "application": %s}',
        b'{"application": {"age": "marker"}, "application": %s}',
    ],
)
def test_a_field_that_comes_twice_brings_nothing_protected_into_the_record(
    client: httpx.Client, running: Running, body: bytes
) -> None:
    found = post(client, body % json.dumps(APPLICATION).encode())
    assert found.status_code == 200, found.text
    connection = connect(running.state / "decisions.db", read_only=True)
    query = "SELECT request FROM events WHERE id = ?"
    ((request,),) = connection.execute(query, (found.json()["decision_id"],)).fetchall()
    connection.close()
    assert b"marker" not in request
    assert json.loads(request)["application"] == APPLICATION


class Held(Off):
    """A log that keeps what it is given."""

    def __init__(self) -> None:
        self.groups: list[Group] = []

    def submit(self, group: Group) -> bool:
        self.groups.append(group)
        return True


def test_a_request_that_had_its_answer_before_its_record_failed_is_counted_once(
    tmp_path: Path, small_bundle: Path
) -> None:
    log, counts, given = Held(), Counts(), list[int]()
    hot = Hot(log, Gate(KeyStore(tmp_path / "keys.json"), False), counts, Live.load(small_bundle, "small", "local"))

    def respond(status: int, headers: Iterable[Header], body: bytes) -> bool:
        given.append(status)
        return len(given) == 1

    headers = [(b"content-type", b"application/json")]
    hot.handle(headers, json.dumps({"application": APPLICATION}).encode(), respond)
    hot.refuse(unanswered(1.0), None, respond, time.perf_counter())
    log.groups[0].done(NotWrittenError("TimeoutError"))
    assert given == [503, 503]
    assert counts.requests == {("/v1/score", 503): 1}
