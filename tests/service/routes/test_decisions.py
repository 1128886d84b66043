from __future__ import annotations

import json
import threading
from typing import Any

import httpx
import polars as pl
import pytest
from service.events import local_rows, until
from service.running import APPLICATION, Running
from support import small_table

from creditrisk.service.records.read import Status


def scored(client: httpx.Client, **request: Any) -> dict[str, Any]:
    found = client.post("/v1/score", json={"application": APPLICATION} | request)
    assert found.status_code == 200, found.text
    answer: dict[str, Any] = found.json()
    return answer


def decided(client: httpx.Client, decision: str, **request: Any) -> dict[str, Any]:
    """A decision of the wanted kind: the instalment is raised until it comes."""
    for income in (9_000, 6_000, 4_500, 3_500, 3_000, 2_500, 2_000, 1_500, 1_200, 1_000, 500, 100, 10):
        application = APPLICATION | {"income": float(income)} | ({"purpose": "travel"} if income < 1_500 else {})
        if scored(client, application=application, purpose="simulation")["decision"] == decision:
            return scored(client, application=application, **request)
    raise AssertionError(f"no {decision}")


def listed(client: httpx.Client, **query: Any) -> dict[str, Any]:
    found = client.get("/v1/decisions", params=query)
    assert found.status_code == 200, found.text
    page: dict[str, Any] = found.json()
    return page


def ids(page: dict[str, Any]) -> list[str]:
    return [one["decision_id"] for one in page["decisions"]]


def review(client: httpx.Client, decision_id: str, verdict: str = "approve", **headers: str) -> httpx.Response:
    body = {"verdict": verdict, "who": "M. Officer", "why": "The income was proved"}
    return client.post(f"/v1/decisions/{decision_id}/review", json=body, headers=headers)


def test_a_decision_can_be_read_again_with_its_record(client: httpx.Client) -> None:
    given = scored(client, applicant_id="reader")
    found = client.get(f"/v1/decisions/{given['decision_id']}").json()
    assert found["answer"] == given
    assert found["request"]["application"] == APPLICATION
    assert (found["applicant_id"], found["decision"], found["pd"]) == ("reader", given["decision"], given["pd"])
    assert (found["reviews"], found["outcomes"], found["verdict"], found["complete"]) == ([], [], None, True)


def test_a_declined_applicant_gets_an_explanation_and_an_approved_one_none(client: httpx.Client) -> None:
    declined = decided(client, "decline")
    explained = client.get(f"/v1/decisions/{declined['decision_id']}").json()["explanation"]
    assert explained["reasons"] == [reason["text"] for reason in declined["reasons"]]
    assert explained["text"].count(explained["reasons"][0]) == 1
    assert "declined by a statistical model" in explained["text"]
    approved = decided(client, "approve")
    assert client.get(f"/v1/decisions/{approved['decision_id']}").json()["explanation"] is None


def test_a_refer_is_pending_until_a_person_reviews_it(client: httpx.Client) -> None:
    referred = decided(client, "refer", applicant_id="reviewed")["decision_id"]
    assert ids(listed(client, status="pending", limit=1)) == [referred]
    first = review(client, referred, "decline")
    assert first.status_code == 201
    assert referred not in ids(listed(client, status="pending"))
    assert ids(listed(client, status="reviewed", limit=1)) == [referred]
    explained = client.get(f"/v1/decisions/{referred}").json()["explanation"]
    assert "declined by a person" in explained["text"]
    second = review(client, referred, "approve")
    found = client.get(f"/v1/decisions/{referred}").json()
    assert found["reviews"] == [first.json(), second.json()]
    assert (found["decision"], found["verdict"], found["explanation"]) == ("refer", "approve", None)
    assert found["reviews"][0]["who"] == "M. Officer"


def test_only_a_referred_application_is_reviewed(client: httpx.Client) -> None:
    assert review(client, decided(client, "approve")["decision_id"]).status_code == 409
    assert review(client, decided(client, "refer", purpose="simulation")["decision_id"]).status_code == 409


def test_a_repeated_review_is_one(client: httpx.Client) -> None:
    referred = decided(client, "refer")["decision_id"]
    first = review(client, referred, **{"idempotency-key": f"review-{referred}"})
    again = review(client, referred, **{"idempotency-key": f"review-{referred}"})
    other = review(client, referred, "decline", **{"idempotency-key": f"review-{referred}"})
    assert (again.content, again.status_code) == (first.content, 201)
    assert again.headers["idempotency-replayed"] == "true"
    assert other.status_code == 409
    assert len(client.get(f"/v1/decisions/{referred}").json()["reviews"]) == 1


def test_outcomes_are_recorded_one_or_many_and_none_is_overwritten(client: httpx.Client) -> None:
    one, two = scored(client)["decision_id"], scored(client)["decision_id"]
    good = {"decision_id": one, "outcome": "good", "observed_on": "2026-01-31"}
    bad = good | {"outcome": "bad", "observed_on": "2026-02-28"}
    assert client.post("/v1/outcomes", json=good).status_code == 201
    many = client.post("/v1/outcomes", json=[bad, good | {"decision_id": two}])
    assert [item["decision_id"] for item in many.json()["recorded"]] == [one, two]
    outcomes = client.get(f"/v1/decisions/{one}").json()["outcomes"]
    assert [(o["outcome"], o["observed_on"]) for o in outcomes] == [("good", "2026-01-31"), ("bad", "2026-02-28")]


UNKNOWN = "01890000-0000-7000-8000-000000000000"


def test_a_list_may_hold_as_many_outcomes_as_the_limit_says(client: httpx.Client) -> None:
    outcome = {"decision_id": scored(client)["decision_id"], "outcome": "good", "observed_on": "2026-01-31"}
    assert client.post("/v1/outcomes", json=[outcome] * 1_000).status_code == 201
    assert client.post("/v1/outcomes", json=[outcome] * 1_001).status_code == 422


def test_an_outcome_is_observed_on_a_day_that_can_be(client: httpx.Client) -> None:
    outcome = {"decision_id": scored(client)["decision_id"], "outcome": "good"}
    for day in ("0001-01-01", "1899-12-31", "2999-01-01"):
        found = client.post("/v1/outcomes", json=outcome | {"observed_on": day})
        assert found.status_code == 422
        expected = "a date, not before 1900-01-01 and not after tomorrow"
        assert found.json()["errors"] == [
            {"field": "observed_on", "value": day, "rule": "range", "expected": expected},
        ]
    schema = client.get("/openapi.json").json()["paths"]["/v1/outcomes"]["post"]["requestBody"]
    assert "not after tomorrow" in json.dumps(schema)


def test_every_wrong_field_of_every_outcome_is_named(client: httpx.Client) -> None:
    good = {"decision_id": UNKNOWN, "outcome": "good", "observed_on": "2026-01-31"}
    wrong = [good | {"outcome": "fair", "observed_on": "0001-01-01"}, good, 7, {"outcome": 1, "seen": True}]
    found = client.post("/v1/outcomes", json=wrong)
    assert found.status_code == 422
    assert [(error["field"], error["value"], error["rule"]) for error in found.json()["errors"]] == [
        ("[0].outcome", "fair", "type"),
        ("[0].observed_on", "0001-01-01", "range"),
        ("[2]", "7", "type"),
        ("[3].decision_id", None, "required"),
        ("[3].outcome", "1", "type"),
        ("[3].observed_on", None, "required"),
        ("[3].seen", None, "unknown"),
    ]
    assert found.json()["errors"][0]["expected"] == "one of bad, good"
    many = client.post("/v1/outcomes", json=[1] * 2_000)
    assert [error["field"] for error in many.json()["errors"]] == ["the body"]


@pytest.mark.parametrize("name", ["who", "why"])
def test_a_review_says_who_and_why(client: httpx.Client, name: str) -> None:
    one = decided(client, "refer")["decision_id"]
    said = {"verdict": "approve", "who": "Ada", "why": "known well"}
    found = client.post(f"/v1/decisions/{one}/review", json=said | {name: " \t\n"})
    assert found.status_code == 422
    (error,) = found.json()["errors"]
    assert (error["field"], error["value"]) == (name, " \t\n")
    assert "not all blank" in error["expected"]


def test_what_is_unknown_is_a_404_and_nothing_of_a_list_is_kept(client: httpx.Client) -> None:
    known = scored(client)["decision_id"]
    assert client.get(f"/v1/decisions/{UNKNOWN}").status_code == 404
    assert client.get("/v1/decisions/nonsense").status_code == 404
    assert review(client, UNKNOWN).status_code == 404
    outcome = {"outcome": "good", "observed_on": "2026-01-31"}
    found = client.post("/v1/outcomes", json=[outcome | {"decision_id": known}, outcome | {"decision_id": UNKNOWN}])
    assert found.status_code == 404
    assert [error["field"] for error in found.json()["errors"]] == ["[1].decision_id"]
    assert client.get(f"/v1/decisions/{known}").json()["outcomes"] == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"decision_id": UNKNOWN, "outcome": "fair", "observed_on": "2026-01-31"}, "outcome"),
        ({"decision_id": UNKNOWN, "outcome": "good", "observed_on": "31.1.2026"}, "observed_on"),
        ([{"decision_id": UNKNOWN, "outcome": "good"}], "[0].observed_on"),
        ([], "the body"),
    ],
)
def test_a_malformed_outcome_names_its_field(client: httpx.Client, body: Any, field: str) -> None:
    found = client.post("/v1/outcomes", json=body)
    assert (found.status_code, found.headers["content-type"]) == (422, "application/problem+json")
    assert [error["field"] for error in found.json()["errors"]] == [field]


@pytest.mark.parametrize(
    ("name", "value"),
    [("from", "yesterday"), ("to", "2024-13-01"), ("status", "maybe"), ("limit", "0"), ("limit", "x"), ("cursor", "x")],
)
def test_a_malformed_query_names_its_field(client: httpx.Client, name: str, value: str) -> None:
    found = client.get("/v1/decisions", params={name: value})
    assert (found.status_code, found.headers["content-type"]) == (422, "application/problem+json")
    assert [error["field"] for error in found.json()["errors"]] == [name]


def test_pages_hold_every_decision_once_newest_first(client: httpx.Client) -> None:
    mine = [scored(client)["decision_id"] for _ in range(7)]
    found: list[str] = []
    cursor = ""
    while len(found) < 7:
        page = listed(client, limit=3, **({"cursor": cursor} if cursor else {}))
        found += ids(page)
        cursor = page["cursor"]
    assert found[:7] == sorted(mine, reverse=True)


def test_a_list_ends_without_a_cursor_and_keeps_to_its_times(client: httpx.Client) -> None:
    scored(client)
    assert listed(client, **{"from": "2999-01-01"}) == {"decisions": [], "cursor": None, "complete": True}
    assert listed(client, to="2020-01-01T00:00:00Z")["decisions"] == []
    assert listed(client, **{"from": "2020-01-01"}, limit=1)["decisions"]


@pytest.mark.parametrize("status", ["approve", "refer", "decline"])
def test_a_list_holds_only_the_wanted_status(client: httpx.Client, status: Status) -> None:
    decided(client, status)
    assert {one["decision"] for one in listed(client, status=status)["decisions"]} == {status}


def test_a_scored_files_row_is_found_by_its_decision_id(client: httpx.Client) -> None:
    table = small_table(20).drop("outcome").with_columns(pl.lit("of a file").alias("applicant_id"))
    answers = client.post("/v1/score/file", content=table.write_csv().encode(), headers={"content-type": "text/csv"})
    name = pl.read_csv(answers.content)["decision_id"][3]
    found = client.get(f"/v1/decisions/{name}").json()
    assert (found["decision_id"], found["applicant_id"]) == (name, "of a file")
    assert found["answer"]["application_date"] is None, "this lender's applications have no day"
    outcome = {"decision_id": name, "outcome": "bad", "observed_on": "2026-01-31"}
    assert client.post("/v1/outcomes", json=outcome).status_code == 201
    assert len(client.get(f"/v1/decisions/{name}").json()["outcomes"]) == 1


def test_outcomes_of_a_files_rows_come_as_one_list(client: httpx.Client) -> None:
    table = small_table(1_000).drop("outcome").write_csv().encode()
    answers = pl.read_csv(client.post("/v1/score/file", content=table, headers={"content-type": "text/csv"}).content)
    good = {"outcome": "good", "observed_on": "2026-01-31"}
    listed = [{"decision_id": name} | good for name in answers["decision_id"]]
    assert client.post("/v1/outcomes", json=listed).status_code == 201
    assert len(client.get(f"/v1/decisions/{listed[-1]['decision_id']}").json()["outcomes"]) == 1


def test_a_files_row_that_could_not_be_scored_has_no_decision_and_no_outcome(client: httpx.Client) -> None:
    text = b"loan,income,amount,months,purpose\nA,1000,500,12,car\nC,1000,minus,12,car\n"
    answers = client.post("/v1/score/file", content=text, headers={"content-type": "text/csv"})
    good, refused = pl.read_csv(answers.content)["decision_id"].to_list()
    found = client.get(f"/v1/decisions/{refused}").json()
    assert (found["decision"], found["pd"], found["explanation"]) == (None, None, None)
    assert found["answer"]["verdict"].startswith("amount")
    said = [{"decision_id": name, "outcome": "good", "observed_on": "2026-01-31"} for name in (good, refused)]
    answer = client.post("/v1/outcomes", json=said)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (409, "[1].decision_id")
    assert client.get(f"/v1/decisions/{good}").json()["outcomes"] == []
    assert review(client, refused).status_code == 409


def test_an_erased_applicant_is_nowhere(client: httpx.Client, running: Running) -> None:
    who = "erase/me über"
    one = decided(client, "refer", applicant_id=who)["decision_id"]
    assert review(client, one).status_code == 201
    kept = scored(client, applicant_id="somebody else")["decision_id"]
    found = client.delete("/v1/applicants/erase%2Fme%20%C3%BCber")
    assert found.status_code == 200, found.text
    assert found.json()["decisions"] == 1
    assert found.json()["others"] == 1
    assert client.get(f"/v1/decisions/{one}").status_code == 404
    assert client.get(f"/v1/decisions/{kept}").status_code == 200
    assert one.encode() not in (running.state / "decisions.db").read_bytes()


def test_nothing_that_is_said_meanwhile_is_left_of_an_erased_applicant(client: httpx.Client, running: Running) -> None:
    for number in range(5):
        who = f"meanwhile-{number}"
        decisions = [scored(client, applicant_id=who)["decision_id"] for _ in range(4)]
        stop = threading.Event()
        statuses: set[int] = set()

        def say(decisions: list[str], stop: threading.Event, statuses: set[int]) -> None:
            with running.client() as other:
                while not stop.is_set():
                    for one in decisions:
                        body = {"decision_id": one, "outcome": "good", "observed_on": "2024-01-01"}
                        statuses.add(other.post("/v1/outcomes", json=body).status_code)

        threads = [threading.Thread(target=say, args=(decisions, stop, statuses)) for _ in range(3)]
        for thread in threads:
            thread.start()
        until(lambda statuses=statuses: 201 in statuses)  # type: ignore[misc]
        assert client.delete(f"/v1/applicants/{who}").status_code == 200
        until(lambda statuses=statuses: 404 in statuses)  # type: ignore[misc]
        stop.set()
        for thread in threads:
            thread.join()
        assert statuses == {201, 404}
        left = local_rows(running.state / "decisions.db", f"SELECT kind FROM events WHERE applicant_id = '{who}'")
        assert left == []


def test_an_erasure_names_somebody(client: httpx.Client) -> None:
    found = client.delete("/v1/applicants/")
    assert (found.status_code, found.json()["errors"][0]["field"]) == (422, "applicant_id")
