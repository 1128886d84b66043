"""Decisions whose records lie in PostgreSQL, behind a real server with keys."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import psycopg
import pytest
from postgres import Postgres
from service.events import local_rows, remote_rows, until
from service.routes.test_decisions import decided, ids, listed, review, scored
from service.running import serving
from support import small_table

from creditrisk.service.access.keys import KeyStore
from creditrisk.service.identifiers import lowest
from creditrisk.service.log.sqlite import connect
from creditrisk.service.records.retention import prune_remotely

pytestmark = pytest.mark.slow


def test_with_audit_postgres_no_answer_leaves_before_its_record_and_none_while_it_is_away(
    tmp_path: Path, small_bundle: Path, database: str, postgres: Postgres
) -> None:
    arguments = ("--bundle", str(small_bundle), "--audit", "postgres", "--workers", "2")
    with serving(tmp_path, *arguments, DATABASE_URL=database) as running, running.client() as client:
        given = [scored(client, applicant_id="A")["decision_id"] for _ in range(5)]
        found = remote_rows(database, "SELECT id FROM creditrisk.events ORDER BY id")
        assert [name for (name,) in found] == sorted(given)
        assert ids(listed(client)) == sorted(given, reverse=True)
        postgres.stop()
        away = client.post("/v1/score", json={"application": {"income": 1.0, "amount": 2.0, "months": 12}})
        reading = client.get("/v1/decisions")
        postgres.start()
        assert (away.status_code, away.headers["content-type"]) == (503, "application/problem+json")
        assert reading.status_code == 503
        until(lambda: client.post("/v1/score", json={"application": {"income": 1.0}}).status_code in (200, 422))
        referred = decided(client, "refer")["decision_id"]
        assert review(client, referred).status_code == 201
        assert client.delete("/v1/applicants/A").json()["decisions"] == 5
        assert client.get(f"/v1/decisions/{given[0]}").status_code == 404


def test_with_audit_postgres_a_refused_file_gives_its_key_back(
    tmp_path: Path, small_bundle: Path, database: str
) -> None:
    headers = {"content-type": "text/csv", "idempotency-key": "corrected"}
    arguments = ("--bundle", str(small_bundle), "--audit", "postgres")
    with serving(tmp_path, *arguments, DATABASE_URL=database) as running, running.client() as client:
        assert client.post("/v1/score/file", content=b"a,b\n1,2\n", headers=headers).status_code == 422
        right = small_table(30).drop("outcome").write_csv().encode()
        found = client.post("/v1/score/file", content=right, headers=headers)
        assert found.status_code == 200, found.text
        assert client.post("/v1/score/file", content=b"a,b\n1,2\n", headers=headers).status_code == 409
        links = remote_rows(database, "SELECT id FROM creditrisk.idempotency_events")
        assert links == [(found.headers["x-file-id"],)]


def test_with_audit_postgres_a_files_records_are_there_before_its_answers(
    tmp_path: Path, small_bundle: Path, database: str, postgres: Postgres
) -> None:
    rows = small_table(300).drop("outcome").with_columns(applicant_id=pl.Series([f"P{n % 100}" for n in range(300)]))
    content, headers = rows.write_csv().encode(), {"content-type": "text/csv"}
    arguments = ("--bundle", str(small_bundle), "--audit", "postgres")
    with serving(tmp_path, *arguments, DATABASE_URL=database) as running, running.client() as client:
        given = client.post("/v1/score/file", content=content, headers=headers)
        assert given.status_code == 200
        answers = pl.read_csv(given.content)
        assert not (running.state / "files").exists(), "nothing relies on this machine's disk"
        ((records,),) = remote_rows(database, "SELECT records FROM creditrisk.file_chunks")
        assert pl.read_parquet(records)["_decision_id"].to_list() == answers["decision_id"].to_list()
        kept = client.get(f"/v1/decisions/{answers['decision_id'][7]}").json()
        assert kept["answer"]["pd"] == answers["pd"][7]
        assert client.get(f"/v1/decisions/{given.headers['x-file-id']}.301").status_code == 404
        with elsewhere(tmp_path / "elsewhere", small_bundle, database) as other:
            assert other.get(f"/v1/decisions/{answers['decision_id'][7]}").json()["answer"] == kept["answer"]
        assert client.delete("/v1/applicants/P7").json()["file_rows"] == 3
        assert client.get(f"/v1/decisions/{answers['decision_id'][7]}").status_code == 404
        assert client.get(f"/v1/decisions/{answers['decision_id'][8]}").status_code == 200
        postgres.stop()
        away = client.post("/v1/score/file", content=content, headers=headers)
        postgres.start()
        assert (away.status_code, away.headers["content-type"]) == (503, "application/problem+json")
    with psycopg.connect(database, autocommit=True) as connection:
        prune_remotely(connection, lowest(time.time_ns() // 1_000_000 + 1))
        assert connection.execute("SELECT count(*) FROM creditrisk.file_chunks").fetchone() == (0,)


@contextmanager
def elsewhere(folder: Path, bundle: Path, database: str) -> Iterator[httpx.Client]:
    """A client of a machine that keeps its own records and forwards them."""
    with serving(folder, "--bundle", str(bundle), DATABASE_URL=database) as running, running.client() as client:
        yield client


def forwarder(client: httpx.Client) -> dict[str, Any]:
    return client.get("/health/ready").json()["forwarder"] or {"seq": 0, "error": None}


def test_records_move_from_the_machine_and_are_found_where_they_are(
    tmp_path: Path, small_bundle: Path, database: str, postgres: Postgres
) -> None:
    path = tmp_path / "decisions.db"
    with (
        serving(tmp_path, "--bundle", str(small_bundle), DATABASE_URL=database) as running,
        running.client() as client,
    ):
        first = scored(client, applicant_id="A")["decision_id"]
        until(lambda: forwarder(client)["seq"] >= 1)
        table = small_table(5).drop("outcome").write_csv().encode()
        scored_file = client.post("/v1/score/file", content=table, headers={"content-type": "text/csv"})
        row = pl.read_csv(scored_file.content)["decision_id"][0]
        until(lambda: forwarder(client)["seq"] >= 3)
        postgres.stop()
        second = scored(client)["decision_id"]
        assert client.get(f"/v1/decisions/{row}").json()["decision_id"] == row, "it lies on this machine's disk"
        assert listed(client)["complete"] is False
        assert client.get(f"/v1/decisions/{second}").json()["complete"] is False
        assert client.get("/v1/decisions/01890000-0000-7000-8000-000000000000").status_code == 503
        assert client.delete("/v1/applicants/A").status_code == 503
        assert client.get(f"/v1/decisions/{first}").status_code == 200
        until(lambda: forwarder(client)["error"] is not None)
        said = forwarder(client)["error"]
        assert "records wait on this machine" in said, "and no word of the database's host and user"
        postgres.start()
        until(lambda: forwarder(client)["seq"] >= 4)
        connection = connect(path)
        connection.execute("DELETE FROM events WHERE id = ?", (first,))  # old, and pruned on this machine
        connection.close()
        assert client.get(f"/v1/decisions/{first}").json()["applicant_id"] == "A"
        assert ids(listed(client)) == [second, first]
    query = "SELECT id FROM creditrisk.events WHERE kind = 'decision' ORDER BY seq"
    assert remote_rows(database, query) == [(first,), (second,)]
    assert local_rows(path, "SELECT seq FROM forwarded") == [(4,)]


def test_each_route_asks_for_its_scope(tmp_path: Path, small_bundle: Path) -> None:
    store = KeyStore(tmp_path / "keys.json")
    texts = {scope: store.create(scope, (scope,))[1] for scope in ("score", "read", "outcomes", "admin")}
    asked: dict[str, tuple[str, str]] = {
        "read": ("GET", "/v1/decisions"),
        "outcomes": ("POST", "/v1/outcomes"),
        "admin": ("DELETE", "/v1/applicants/nobody"),
    }
    with serving(tmp_path, "--bundle", str(small_bundle)) as running, running.client() as client:

        def status(scope: str, method: str, url: str) -> int:
            headers = {"X-API-Key": texts[scope]} if scope else {}
            found: httpx.Response = client.request(method, url, headers=headers)
            return found.status_code

        for needed, (method, url) in asked.items():
            assert status("", method, url) == 401
            assert status("score", method, url) == 403
            assert status(needed, method, url) not in (401, 403)
            assert status("admin", method, url) not in (401, 403)
