import json
import logging

from service.conftest import Guarded
from service.running import APPLICATION

from creditrisk.service.telemetry.journal import Journal, JsonLines

NAME = "Zebedee Quuxfeather"
MARK = "Quuxfeather"


def test_the_log_has_a_line_for_each_request_and_no_word_of_an_applicant(guarded: Guarded) -> None:
    good = {"application": APPLICATION | {"purpose": MARK, "loan": NAME}, "applicant_id": NAME}
    good |= {"protected": {"name": NAME}}
    wrong = [
        {"application": APPLICATION | {"income": NAME}},
        {"application": APPLICATION | {NAME: 1}},
        {"application": APPLICATION, "application_date": MARK},
        {NAME: 1},
    ]
    with guarded.client("all") as client:
        answered = client.post("/v1/score", json=good, headers={"x-request-id": "of-the-good-one"})
        statuses = [client.post("/v1/score", json=item).status_code for item in wrong]
        client.post("/v1/score", content=NAME.encode(), headers={"content-type": "application/json"})
        client.post("/v1/score/batch", json=[good, *wrong], headers={"x-request-id": "of-the-list"})
        client.get(f"/v1/{MARK}?name={MARK}", headers={"user-agent": MARK, "x-request-id": MARK + "!"})
        form = {"content-type": "multipart/form-data; boundary=xx"}
        broken = client.post("/v1/score/file", content=f"--{MARK}\r\n{MARK}".encode(), headers=form)
        client.get("/v1/model", params={"name": MARK}, headers={"idempotency-key": MARK})
    assert (answered.status_code, statuses, broken.status_code) == (200, [422] * 4, 400)
    said = guarded.running.said()
    assert MARK.lower() not in said.lower()
    lines = [json.loads(line) for line in said.splitlines()]
    by_id = {line.get("request_id"): line for line in lines}
    hot = by_id["of-the-good-one"]
    assert hot["decision_id"] == answered.json()["decision_id"]
    assert (hot["route"], hot["status"], len(hot["key_id"])) == ("/v1/score", 200, 12)
    assert by_id["of-the-list"]["route"] == "/v1/score/batch"
    refused = [line for line in lines if line.get("problem") == "invalid-application"]
    assert refused
    assert all(line["level"] == "warning" and line["request_id"] and line["key_id"] for line in refused)


def test_one_in_so_many_answers_gets_a_line() -> None:
    assert [Journal(3).due(), Journal().due()] == [False, False]
    every = Journal(3)
    assert [every.due() for _ in range(7)] == [False, False, True, False, False, True, False]


def test_an_exceptions_text_is_left_out() -> None:
    try:
        float(NAME)
    except ValueError as error:
        record = logging.LogRecord("n", logging.ERROR, "p", 1, "failed", (), (ValueError, error, error.__traceback__))
    line = json.loads(JsonLines().format(record))
    assert line["error"].startswith("ValueError at test_journal.py:")
    assert MARK not in json.dumps(line)
