from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import sqlalchemy as sa
import urllib3.util.connection

from creditrisk.errors import TrackingError
from creditrisk.params import Params
from creditrisk.paths import Project
from creditrisk.tracking import experiments
from creditrisk.tracking.experiments import preflight
from creditrisk.tracking.store import connected

Answer = Callable[[str, str], tuple[int, dict[str, Any] | str]]


@contextmanager
def answering(answer: Answer) -> Iterator[str]:
    """A server that answers each (method, path) as told."""

    class Handler(BaseHTTPRequestHandler):
        def _say(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, body = answer(self.command, self.path)
            text = body if isinstance(body, str) else json.dumps(body)
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        do_GET = do_POST = do_PATCH = do_DELETE = _say  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def test_preflight_makes_the_experiment_with_a_place_of_its_own(project: Project, params: Params) -> None:
    first = preflight(project, params)
    assert preflight(project, params) == first
    with connected(project) as client:
        found = client.get_experiment(first)
    assert found.name == "credit-risk"
    assert found.artifact_location == (project.experiments / "mlruns").as_uri()
    assert [path.name for path in (project.experiments / "mlruns").iterdir()] == []


@pytest.mark.slow
def test_preflight_makes_the_store_where_there_is_none(bare: Project, params: Params) -> None:
    preflight(bare, params)
    assert sorted(path.name for path in bare.experiments.iterdir()) == ["mlflow.db", "mlruns"]


def test_files_that_cannot_be_written_are_noticed_before_the_first_stage(project: Project, params: Params) -> None:
    (project.experiments / "mlruns").write_text("a file where the folder should be")
    with pytest.raises(TrackingError, match=r"mlruns: the tracking store keeps its files there"):
        preflight(project, params)


def test_a_deleted_experiment_is_said_so(project: Project, params: Params) -> None:
    identifier = preflight(project, params)
    with connected(project) as client:
        client.delete_experiment(identifier)
    with pytest.raises(TrackingError, match="the experiment 'credit-risk' was deleted"):
        preflight(project, params)


def test_an_unreachable_server_is_said_so_at_once(
    bare: Project, params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = f"http://127.0.0.1:{free_port()}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    tried = []
    connect = urllib3.util.connection.create_connection

    def counted(address: tuple[str, int], *rest: Any, **options: Any) -> socket.socket:
        tried.append(address)
        return connect(address, *rest, **options)

    monkeypatch.setattr(urllib3.util.connection, "create_connection", counted)
    with pytest.raises(TrackingError, match=f"tracking store {uri}: no answer. Is the server running"):
        preflight(bare, params)
    assert tried == [("127.0.0.1", int(uri.rpartition(":")[2]))], "once, and not again and again"


def test_a_server_that_accepts_and_never_answers_is_given_up(
    bare: Project, params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(experiments, "ANSWER_SECONDS", 0.2)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(TrackingError, match="no answer"):
            preflight(bare, params)


def _experiment() -> dict[str, Any]:
    return {
        "experiment": {
            "experiment_id": "1",
            "name": "credit-risk",
            "artifact_location": "mlflow-artifacts:/1",
            "lifecycle_stage": "active",
        }
    }


def test_a_read_only_server_is_said_so(bare: Project, params: Params, monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(method: str, path: str) -> tuple[int, dict[str, Any] | str]:
        if method == "GET":
            return 200, _experiment()
        return 403, {"error_code": "PERMISSION_DENIED", "message": "read only"}

    with answering(answer) as uri:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        with pytest.raises(TrackingError, match=r"it refused us \(403\): not allowed to read or write"):
            preflight(bare, params)


def test_a_server_that_wants_to_know_who_we_are_is_said_so(
    bare: Project, params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    with answering(lambda method, path: (401, "You are not authenticated.")) as uri:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        with pytest.raises(TrackingError, match=r"it refused us \(401\).* MLFLOW_TRACKING_USERNAME"):
            preflight(bare, params)


def test_something_else_that_answers_there_is_said_so(
    bare: Project, params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    with answering(lambda method, path: (404, "<html>nothing here</html>")) as uri:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        with pytest.raises(TrackingError, match="404"):
            preflight(bare, params)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("postgresql://lender:secret@127.0.0.1:1/mlflow", "no answer. Is the server running"),
        ("postgresql+psycopg://lender:secret@127.0.0.1:1/mlflow", "no answer. Is the server running"),
    ],
)
def test_a_database_that_does_not_answer_is_said_so_at_once(
    address: str, said: str, bare: Project, params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("psycopg")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    monkeypatch.setattr("mlflow.store.tracking.sqlalchemy_store.SqlAlchemyStore", None)  # MLflow would try for minutes
    with pytest.raises(TrackingError, match=said) as caught:
        preflight(bare, params)
    assert "secret" not in str(caught.value)


@pytest.mark.slow
def test_a_database_that_refuses_us_is_said_so(
    database: str, bare: Project, params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", database)
    preflight(bare, params)
    engine = sa.create_engine(database.replace("postgresql:", "postgresql+psycopg:"), poolclass=sa.NullPool)
    with engine.begin() as connection:
        for right in ("CREATE ROLE reader LOGIN", "GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader"):
            connection.execute(sa.text(right))
    for address, said in {
        database.replace(
            "lender@", "reader@"
        ): r"may not be written to with this account \(permission denied for table",
        database.replace("lender@", "nobody@"): 'refused us: role "nobody" does not exist',
        re.sub(r"/test_\w+", "/absent", database): 'refused us: database "absent" does not exist',
    }.items():
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        with pytest.raises(TrackingError, match=said) as caught:
            preflight(bare, params)
        assert "SQL:" not in str(caught.value)
