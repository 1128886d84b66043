"""A served scorecard of the small lender, shared by the tests that leave it as it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from service.running import Running, serving


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
