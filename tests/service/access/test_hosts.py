import time
from pathlib import Path

import httpx
import pytest
from service.conftest import Guarded
from service.raw import BODY, connected, score
from service.running import APPLICATION, Running, serving

from creditrisk.service.access.hosts import is_here
from creditrisk.service.access.keys import KeyStore

HERE = [
    "localhost",
    "LocalHost:8000",
    "127.0.0.1",
    "127.0.0.1:8000",
    "127.9.8.7:1",
    "[::1]",
    "[::1]:8000",
    "localhost:",
]
ELSEWHERE = [
    "evil.example",
    "evil.example:8000",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "192.0.2.7",
    "[::2]:80",
    "::1",
    "localhost@evil.example",
    "localhost:80:80",
    "0.0.0.0",
    "\xe4",
]
READ = ["/v1/decisions", "/v1/decisions/x", "/v1/model", "/v1/contract", "/metrics"]
FILE = {"file": ("loans.csv", b"loan,income,amount,months,purpose\nA,1000,500,12,car\n")}


@pytest.mark.parametrize("host", HERE)
def test_this_machine_has_these_names(host: str) -> None:
    assert is_here(host.encode())


@pytest.mark.parametrize("host", ELSEWHERE)
def test_every_other_name_is_another_machine(host: str) -> None:
    assert not is_here(host.encode("latin-1"))


@pytest.mark.parametrize("path", READ)
def test_a_page_whose_name_was_given_this_address_reads_nothing(client: httpx.Client, path: str) -> None:
    found = client.get(path, headers={"host": "evil.example"})
    assert (found.status_code, found.headers["content-type"]) == (421, "application/problem+json")
    assert "keys create" in found.json()["detail"]
    assert client.get(path, headers={"host": "localhost:9"}).status_code != 421


@pytest.mark.parametrize("asgi", [False, True], ids=["protocol", "asgi"])
def test_an_application_for_another_name_is_refused(tmp_path: Path, small_bundle: Path, asgi: bool) -> None:
    with (
        serving(tmp_path, asgi=asgi, CREDITRISK_SERVICE_BUNDLE=str(small_bundle)) as running,
        running.client() as client,
    ):
        for host, status in (("evil.example", 421), ("LOCALHOST", 200), ("[::1]:80", 200)):
            found = client.post("/v1/score", json={"application": APPLICATION}, headers={"host": host})
            assert found.status_code == status
        key = KeyStore(running.state / "keys.json").create("one", ("score", "read"))[1]
        headers = {"host": "evil.example", "x-api-key": key}
        for _ in range(100):  # a new key counts within a second
            found = client.post("/v1/score", json={"application": APPLICATION}, headers=headers)
            if found.status_code == 200:
                break
            time.sleep(0.05)
        assert client.get("/v1/model", headers=headers).status_code == 200


def test_a_request_without_a_host_is_let_through(running: Running) -> None:
    with connected(running.port) as client:
        client.send(score(BODY, version="1.0").replace(b"host: localhost\r\n", b""))
        assert client.answer().status == 200
    with connected(running.port) as client:
        client.send(b"GET /v1/model HTTP/1.0\r\n\r\n")
        assert client.answer().status == 200


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({}, True),
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "none"}, True),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"sec-fetch-site": "same-site"}, False),
        ({"origin": "https://evil.example"}, False),
        ({"origin": "null"}, False),
        ({"origin": "http://127.0.0.1:1"}, False),
    ],
)
def test_another_sites_page_scores_no_file(client: httpx.Client, headers: dict[str, str], allowed: bool) -> None:
    found = client.post("/v1/score/file", files=FILE, headers=headers)
    assert found.status_code == (200 if allowed else 403), found.text
    text = client.post("/v1/score/file", content=FILE["file"][1], headers={"content-type": "text/plain"} | headers)
    assert text.status_code == found.status_code


def test_a_page_of_the_services_own_may_write(client: httpx.Client, running: Running) -> None:
    assert client.post("/v1/score/file", files=FILE, headers={"origin": running.url}).status_code == 200


@pytest.mark.parametrize("path", ["/v1/outcomes", "/v1/decisions/x/review", "/v1/score/batch", "/v1/models/1/promote"])
def test_another_sites_page_writes_nowhere(client: httpx.Client, path: str) -> None:
    headers = {"sec-fetch-site": "cross-site"}
    assert client.post(path, json={}, headers=headers).status_code == 403
    assert client.delete("/v1/applicants/somebody", headers=headers).status_code == 403


def test_with_keys_a_service_may_be_called_by_any_name(guarded: Guarded) -> None:
    with guarded.client("all") as client:
        headers = {"host": "scores.example", "origin": "https://shop.example", "sec-fetch-site": "cross-site"}
        assert client.post("/v1/score", json={"application": APPLICATION}, headers=headers).status_code == 200
        assert client.post("/v1/score/file", files=FILE, headers=headers).status_code == 200
