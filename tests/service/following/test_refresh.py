import json
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from bank import MLFLOWS_OWN, SMALL, copy_bank, make_servable
from lender import Lender
from service.running import APPLICATION, Running
from service.watching import answers, following, point, score, seen, until

from creditrisk.model.scorer import Scorer
from creditrisk.paths import Project
from creditrisk.tracking.register import register

pytestmark = [pytest.mark.slow, *(pytest.mark.filterwarnings(each) for each in MLFLOWS_OWN)]
NEVER = "86400"


@pytest.fixture(autouse=True)
def _surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_TRACKING_URI", "LEDGER_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def bank(tmp_path: Path, promoted: Project) -> Project:
    return make_servable(copy_bank(promoted, tmp_path / "bank"))


def gone(pid: int) -> bool:
    """Whether a process has ended, buried or not."""
    try:
        return "Z" in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        return False


def test_promotion_and_rollback_over_the_api_change_the_model_that_answers(
    bank: Project, lender: Lender, tmp_path: Path
) -> None:
    register(bank, SMALL, lender.bundle("good"))
    with following(bank, tmp_path / "state") as running, running.client() as client:
        found = until(running, seen)
        assert found["model"]["version"] == "1"
        assert (found["registry"]["reachable"], found["alerts"]) == (True, {})
        before = score(running)
        assert before["model"]["digest"] == lender.manifest("fair").digest

        outcome = client.post("/v1/models/2/promote", json={"reason": "better"}, timeout=300).json()
        assert (outcome["promoted"], outcome["champion"], outcome["former"]) == (True, "2", "1")
        assert outcome["verdict"]["gates"]
        assert str(tmp_path) not in json.dumps(outcome)
        until(running, answers("2"))
        after = score(running)
        assert after["pd"] == Scorer.load(lender.bundle("good")).score_row(APPLICATION).pd != before["pd"]

        listed = until_listed(client, "2")
        assert [item["version"] for item in listed["versions"]] == ["2", "1"]
        assert (listed["champion"], listed["versions"][0]["aliases"]) == ("2", ["champion"])

        assert client.get("/v1/model").json()["evidence"]["gates"] == listed["versions"][0]["gates"]

        refused = client.post("/v1/models/2/promote", json={}, timeout=300).json()
        assert (refused["promoted"], refused["champion"]) == (False, "2")
        for path, status in (("2/rollback", 409), ("9/promote", 404), ("x/promote", 404), ("9/rollback", 404)):
            wrong = client.post(f"/v1/models/{path}", json={}, timeout=300)
            assert (wrong.status_code, wrong.headers["content-type"]) == (status, "application/problem+json"), path
            assert str(tmp_path) not in wrong.text
        for body, status in ((b"", 415), (b"{", 400), (b'{"reasons": ""}', 422), (b'{"reason": "\\u0000"}', 422)):
            headers = {"content-type": "application/json"} if body else {}
            assert client.post("/v1/models/1/rollback", content=body, headers=headers).status_code == status

        back = client.post("/v1/models/1/rollback", json={"reason": "complaints"}, timeout=300).json()
        assert (back["promoted"], back["champion"]) == (True, "1")
        until(running, answers("1"))
        assert score(running)["pd"] == before["pd"]
    assert all("message" in line for line in running.lines())


def until_listed(client: Any, champion: str) -> dict[str, Any]:
    limit = time.monotonic() + 60
    while True:
        found: dict[str, Any] = client.get("/v1/models").json()
        if found["champion"] == champion or time.monotonic() > limit:
            return found
        time.sleep(0.2)


def test_it_starts_from_its_copy_when_the_registry_is_gone_and_the_watch_ends_with_its_worker(
    bank: Project, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    with following(bank, state) as running:
        until(running, seen)
        first = score(running)
        watch = json.loads((state / "registry.json").read_text())["pid"]
        assert not gone(watch)
        running.process.send_signal(signal.SIGKILL)
        running.process.wait()
        limit = time.monotonic() + 60
        while not gone(watch):
            assert time.monotonic() < limit, "the watch has outlived its worker"
            time.sleep(0.1)
    (bank.experiments / "mlflow.db").rename(tmp_path / "away.db")
    with following(bank, state) as running:
        assert score(running)["model"] == first["model"]
        found = until(running, lambda content: seen(content) and not content["registry"]["reachable"])
        assert found["status"] == "ready"
        assert "the file is not there" in found["registry"]["error"]
        assert found["alerts"]["registry"] == found["registry"]["error"]
        assert str(tmp_path) not in json.dumps(found)
        assert all("message" in line for line in running.lines())
        (tmp_path / "away.db").rename(bank.experiments / "mlflow.db")
        assert not until(running, lambda content: content["registry"]["reachable"])["alerts"]


def test_it_waits_for_a_first_champion_alive_and_says_why(bank: Project, migrated: Path, tmp_path: Path) -> None:
    away = (bank.experiments / "mlflow.db").rename(tmp_path / "away.db")
    with following(bank, tmp_path / "state", ready=False) as running, running.client() as client:
        assert client.get("/health/live").status_code == 200
        assert client.get("/health/ready").status_code == 503
        until(running, lambda content: "main.py run" in content["detail"])
        assert client.post("/v1/score", json={"application": APPLICATION}).status_code == 503
        away.rename(bank.experiments / "mlflow.db")
        until(running, answers("1"))


def test_a_bad_version_is_refused_and_the_old_one_stays(bank: Project, lender: Lender, tmp_path: Path) -> None:
    state = tmp_path / "state"
    with following(bank, state, CREDITRISK_SERVICE_WATCH_SECONDS=NEVER) as running:
        until(running, seen)
        before = score(running)
        good = point(state, lender, "good", "2")  # in the place of the watch, which would not have pointed at it
        until(running, answers("2"))
        twin = point(tmp_path / "elsewhere", lender, "twin", "3")
        (twin / "policy.json").write_text("{}")
        twin.rename(state / "bundles" / twin.name)
        point(state, lender, "twin", "3")
        found = until(running, lambda content: bool(content["alerts"]))
        assert "policy.json: its SHA-256 is" in found["alerts"]["swap"]
        assert str(tmp_path) not in json.dumps(found)
        assert (found["status"], found["model"]["version"]) == ("ready", "2")
        assert score(running)["pd"] != before["pd"]
        assert good.is_dir()
        point(state, lender, "fair", "4")
        assert not until(running, answers("4"))["alerts"]


def test_no_answer_fails_or_mixes_models_while_the_champion_changes_ten_times(
    bank: Project, lender: Lender, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    expected = {name: Scorer.load(lender.bundle(name)) for name in ("fair", "good", "poor", "twin")}
    digests = {lender.manifest(name).digest: scorer for name, scorer in expected.items()}
    with following(bank, state, CREDITRISK_SERVICE_WATCH_SECONDS=NEVER) as running:
        until(running, seen)
        ends = [False]
        with ThreadPoolExecutor(64) as clients:
            tasks = [clients.submit(ask, running, number, ends) for number in range(64)]
            try:
                for change in range(10):
                    point(state, lender, ("good", "poor", "twin", "fair")[change % 4], str(change + 2))
                    until(running, answers(str(change + 2)))
            finally:
                ends[0] = True
            found = [answer for task in tasks for answer in task.result()]
    assert {answer["model"]["version"] for _, answer in found} >= {str(change + 2) for change in range(9)}
    for income, answer in found:
        right = digests[answer["model"]["digest"]].score_row(APPLICATION | {"income": income})
        given = [(r["characteristic"], r["text"], r["contribution"]) for r in answer["reasons"]]
        assert (answer["pd"], answer["score"], answer["decision"]) == (right.pd, right.score, right.decision)
        assert given == [tuple(reason) for reason in right.reasons]


def ask(running: Running, number: int, ends: list[bool]) -> list[tuple[float, dict[str, Any]]]:
    """Applications one after the other until the end; every one must be answered."""
    found: list[tuple[float, dict[str, Any]]] = []
    with running.client() as client:
        while not ends[0]:
            income = 500.0 + 50.0 * number + len(found) % 50
            answer = client.post("/v1/score", json={"application": APPLICATION | {"income": income}})
            assert answer.status_code == 200, answer.text
            found.append((income, answer.json()))
            time.sleep(0.01)
    return found


def test_a_watch_that_is_killed_is_started_again(bank: Project, tmp_path: Path) -> None:
    with following(bank, tmp_path / "state") as running:
        until(running, seen)
        report = tmp_path / "state" / "registry.json"
        watch = json.loads(report.read_text())["pid"]
        os.kill(watch, signal.SIGKILL)
        limit = time.monotonic() + 120
        while json.loads(report.read_text())["pid"] == watch:
            assert time.monotonic() < limit, "it was not started again"
            time.sleep(0.2)
        until(running, lambda content: not content["alerts"])


def test_a_watch_that_was_stopped_is_said_and_started_again(bank: Project, tmp_path: Path) -> None:
    with following(bank, tmp_path / "state") as running:
        until(running, seen)
        watch = json.loads((tmp_path / "state" / "registry.json").read_text())["pid"]
        os.kill(watch, signal.SIGSTOP)
        found = until(running, lambda content: "watch" in content["alerts"], 30)
        assert "ended with -9; started anew" in found["alerts"]["watch"]
        until(running, lambda content: not content["alerts"])
        assert json.loads((tmp_path / "state" / "registry.json").read_text())["pid"] != watch
