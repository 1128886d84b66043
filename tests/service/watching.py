"""Helpers for tests of a service that follows the registry."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

from lender import Lender
from service.running import APPLICATION, Running, serving

from creditrisk.paths import Project
from creditrisk.service.following.pointer import CHAMPION_FILE, Pointer, write_pointer

MODEL = "CreditRiskModel-small"


@contextlib.contextmanager
def following(bank: Project, state: Path, ready: bool = True, **environment: str) -> Iterator[Running]:
    """A server on the bank's registry, which looks at it twice a second."""
    given = {"CREDITRISK_SERVICE_WATCH_SECONDS": "0.5"} | environment
    with serving(state, root=bank.root, ready=ready, asgi=False, **cast(Any, given)) as running:
        yield running


def until(running: Running, wanted: Callable[[dict[str, Any]], bool], seconds: float = 120.0) -> dict[str, Any]:
    """Wait until /health/ready shows what is wanted."""
    limit = time.monotonic() + seconds
    content: dict[str, Any] = {}
    with running.client() as client:
        while time.monotonic() < limit:
            content = client.get("/health/ready").json()
            if wanted(content):
                return content
            time.sleep(0.2)
    raise AssertionError(f"not seen in {seconds:.0f} s: {content}; the server said: {running.said()}")


def seen(content: dict[str, Any]) -> bool:
    """Whether the watch has looked at the registry."""
    return bool(content.get("registry", {}).get("since"))


def answers(version: str) -> Callable[[dict[str, Any]], bool]:
    """Whether the model that answers is this version."""
    return lambda content: content.get("model", {}).get("version") == version


def score(running: Running, **changes: Any) -> dict[str, Any]:
    """One application's answer."""
    with running.client() as client:
        found = client.post("/v1/score", json={"application": APPLICATION | changes})
        assert found.status_code == 200, found.text
        answer: dict[str, Any] = found.json()
        return answer


def point(state: Path, lender: Lender, name: str, version: str, pointer_file: str = CHAMPION_FILE) -> Path:
    """Do by hand what the watch does: copy a bundle and point at it; returns the copy."""
    digest = lender.manifest(name).digest
    pointer = Pointer(MODEL, version, digest, "small", None, f"made {version}")
    folder = pointer.folder(state)
    if not folder.exists():
        shutil.copytree(lender.bundle(name), folder)
    write_pointer(state / pointer_file, pointer)
    return folder
