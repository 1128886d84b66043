import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from creditrisk.paths import Project
from creditrisk.service.app import create
from creditrisk.service.routes import models
from creditrisk.service.settings import ServiceSettings


async def ask(tmp_path: Path, path: str, body: Any) -> httpx.Response:
    """One request to a service that follows a registry, which is not asked."""
    front = create(ServiceSettings(state=tmp_path), Project(tmp_path))
    refresh: Any = SimpleNamespace(changing=asyncio.Lock(), environment={})
    front.service.refresh = refresh
    transport: Any = httpx.ASGITransport(front)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        return await client.post(path, json=body)


def test_a_promotion_cannot_be_forced_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []

    async def run(command: list[str], _: dict[str, str]) -> dict[str, Any]:
        asked.append(command)
        return {"status": 200, "answer": {}}

    monkeypatch.setattr(models, "_run", run)
    found = asyncio.run(ask(tmp_path, "/v1/models/2/promote", {"reason": 1, "force": True}))
    assert found.status_code == 422
    assert [(error["field"], error["rule"]) for error in found.json()["errors"]] == [
        ("reason", "type"),
        ("force", "unknown"),
    ]
    assert not asked
    assert asyncio.run(ask(tmp_path, "/v1/models/1/rollback", {"force": True})).status_code == 200
    assert asyncio.run(ask(tmp_path, "/v1/models/2/promote", {"reason": "better"})).status_code == 200
    assert [command[-1] for command in asked] == ["--force", "--reason=better"]
