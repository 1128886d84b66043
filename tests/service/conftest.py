"""Served scorecards of the small lender, shared by the tests that leave them as they are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from service.running import Running, serving

from creditrisk.service.access.keys import SCOPES, KeyStore


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory, small_bundle: Path) -> Iterator[Running]:
    """A server with the small lender's scorecard, no keys, one worker."""
    with serving(tmp_path_factory.mktemp("service"), "--bundle", str(small_bundle)) as found:
        yield found


@pytest.fixture
def client(running: Running) -> Iterator[httpx.Client]:
    """A client of that server."""
    with running.client() as found:
        yield found


@dataclass
class Guarded:
    """A server with keys, and the texts of its keys by name."""

    running: Running
    keys: dict[str, str]

    def client(self, name: str, **options: Any) -> httpx.Client:
        """A client with a key."""
        return self.running.client(headers={"authorization": f"Bearer {self.keys[name]}"}, **options)


@pytest.fixture(scope="session")
def guarded(tmp_path_factory: pytest.TempPathFactory, small_bundle: Path) -> Iterator[Guarded]:
    """A server with keys (``all`` but admin, ``score``, ``slow`` of one request a minute), a log line each answer."""
    state = tmp_path_factory.mktemp("guarded")
    store = KeyStore(state / "keys.json")
    every = tuple(scope for scope in SCOPES if scope != "admin")
    keys = {
        "all": store.create("all", every)[1],
        "score": store.create("score", ("score",))[1],
        "slow": store.create("slow", ("score", "read"), 1)[1],
    }
    with serving(state, "--bundle", str(small_bundle), CREDITRISK_SERVICE_LOG_EVERY="1") as found:
        yield Guarded(found, keys)
