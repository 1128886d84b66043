import contextlib
import json
import os
import signal
import stat
import time
from pathlib import Path

import httpx
import pytest
from service.conftest import Guarded
from service.running import APPLICATION, Running, serving

from creditrisk.errors import ServiceError
from creditrisk.service.access import keys
from creditrisk.service.access.keys import KeyStore


def test_hashes_alone_are_kept_and_nobody_else_may_read_them(tmp_path: Path) -> None:
    store = KeyStore(tmp_path / "keys.json")
    caller, text = store.create("shop", ("score", "batch", "score"), 60)
    kept = store.path.read_text()
    assert text.rpartition("_")[2] not in kept
    assert text not in kept
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600
    assert json.loads(kept)[0]["scopes"] == ["score", "batch"]
    assert store.read() == {caller.id: caller}


@pytest.mark.parametrize(
    ("name", "scopes", "per_minute", "said"),
    [
        ("shop", ("scor",), None, "Did you mean 'score'"),
        ("", ("score",), None, "1 to 100 printable"),
        ("a\nb", ("score",), None, "1 to 100 printable"),
        ("shop", ("score",), 0, "from 1 on"),
    ],
)
def test_a_key_that_cannot_be_is_refused_with_a_sentence(
    tmp_path: Path, name: str, scopes: tuple[str, ...], per_minute: int | None, said: str
) -> None:
    with pytest.raises(ServiceError, match=said):
        KeyStore(tmp_path / "keys.json").create(name, scopes, per_minute)
    assert not (tmp_path / "keys.json").exists()


def test_there_is_an_end_to_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "MAX_KEYS", 1)
    store = KeyStore(tmp_path / "keys.json")
    store.create("first", ("score",))
    with pytest.raises(ServiceError, match="the most there can be"):
        store.create("second", ("score",))


def test_a_revoked_key_stays_named_and_is_not_usable(tmp_path: Path) -> None:
    store = KeyStore(tmp_path / "keys.json")
    caller, _ = store.create("shop", ("score",))
    assert store.usable()
    assert store.revoke(caller.id).revoked is not None
    assert not store.usable()
    assert list(store.read()) == [caller.id]
    with pytest.raises(ServiceError, match="No key"):
        store.revoke("none")


GOOD = {"id": "0" * 12, "name": "n", "sha256": "0" * 64, "scopes": ["score"], "created": "2024-01-01"}


@pytest.mark.parametrize(
    "content",
    ["", "[{", "{}", "null", "[1]", *(json.dumps(found) for found in (
        [GOOD | {"sha256": "none"}], [GOOD | {"id": 1}], [GOOD | {"scopes": "score"}], [GOOD | {"expires": "soon"}],
        [{"id": "0" * 12}], [GOOD, GOOD],
    ))],
)  # fmt: skip
def test_a_damaged_file_is_said(tmp_path: Path, content: str) -> None:
    (tmp_path / "keys.json").write_text(content)
    with pytest.raises(ServiceError, match=r"keys\.json: cannot be read as a list of keys: .*Restore it"):
        KeyStore(tmp_path / "keys.json").read()


def test_keys_that_are_removed_while_it_runs_stay_and_somebody_is_told(tmp_path: Path, small_bundle: Path) -> None:
    store = KeyStore(tmp_path / "keys.json")
    _, text = store.create("shop", ("read",))
    with serving(tmp_path, "--bundle", str(small_bundle)) as running, running.client() as client:
        assert client.get("/v1/decisions").status_code == 401
        assert client.get("/health/ready").json()["alerts"] == {}
        store.path.unlink()
        assert "the file of keys is gone" in client.get("/health/ready").json()["alerts"]["keys"]
        assert client.get("/v1/decisions").status_code == 401
        key = {"x-api-key": text}
        assert client.get("/v1/decisions", headers=key).status_code == 200
        assert 'creditrisk_alert{alert="keys"} 1.0' in client.get("/metrics", headers=key).text


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for workers where Linux lists processes")
def test_a_worker_that_is_started_again_after_the_keys_went_away_lets_nobody_in(
    tmp_path: Path, small_bundle: Path
) -> None:
    store = KeyStore(tmp_path / "keys.json")
    store.create("shop", ("read",))
    with serving(tmp_path, "--bundle", str(small_bundle), "--workers", "2") as running:
        store.path.unlink()
        before = workers(running)
        assert len(before) == 2
        for worker in before:
            os.kill(worker, signal.SIGKILL)
        limit = time.monotonic() + 60
        while not (alerts := said_of_keys(running)):
            assert time.monotonic() < limit
            time.sleep(0.1)
        assert "nobody is let in" in alerts
        assert not set(before) & set(workers(running))
        with running.client() as client:
            assert client.get("/v1/decisions").status_code == 401


def said_of_keys(running: Running) -> str:
    """The alert about keys; nothing while there is none, or no worker."""
    with contextlib.suppress(httpx.TransportError), running.client() as client:
        return str(client.get("/health/ready").json().get("alerts", {}).get("keys", ""))
    return ""


def workers(running: Running) -> list[int]:
    """The processes of a server that answer."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parent = path.joinpath("stat").read_text().rpartition(")")[2].split()[1]
            if int(parent) == running.process.pid and b"spawn_main" in path.joinpath("cmdline").read_bytes():
                found.append(int(path.name))
    return found


def test_without_a_key_or_with_a_wrong_one_there_is_no_answer(guarded: Guarded) -> None:
    right = guarded.keys["score"]
    forged = right[:-1] + ("A" if right[-1] != "A" else "B")
    with guarded.running.client() as client:
        for headers in ({}, {"x-api-key": "x"}, {"x-api-key": forged}, {"authorization": f"Basic {right}"}):
            found = client.post("/v1/score", json={"application": APPLICATION}, headers=headers)
            assert (found.status_code, found.headers["www-authenticate"]) == (401, "Bearer")
        for headers in ({"x-api-key": right}, {"authorization": f"bearer {right}"}):
            assert client.post("/v1/score", json={"application": APPLICATION}, headers=headers).status_code == 200


@pytest.mark.parametrize("path", ["/v1/model", "/v1/contract", "/metrics"])
def test_reading_needs_its_scope(guarded: Guarded, path: str) -> None:
    with guarded.client("score") as client:
        assert client.get(path).status_code == 403
    with guarded.client("all") as client:
        assert client.get(path).status_code == 200


@pytest.mark.parametrize("path", ["/health/live", "/health/ready", "/docs", "/openapi.json"])
def test_some_addresses_need_no_key(guarded: Guarded, path: str) -> None:
    with guarded.running.client() as client:
        assert client.get(path).status_code == 200


def test_a_server_for_others_does_not_start_without_a_key(tmp_path: Path, small_bundle: Path) -> None:
    arguments = ("--host", "0.0.0.0", "--bundle", str(small_bundle))
    with pytest.raises(AssertionError, match="there is no API key") as failed, serving(tmp_path, *arguments):
        pass
    assert "Traceback" not in str(failed.value)
    KeyStore(tmp_path / "keys.json").create("shop", ("score",))
    with serving(tmp_path, *arguments) as running, running.client() as client:
        assert client.post("/v1/score", json={"application": APPLICATION}).status_code == 401
