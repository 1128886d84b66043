"""Whether others can reach the service: then there must be a key before it starts."""

from __future__ import annotations

import os
import sys
from itertools import pairwise
from pathlib import Path

from creditrisk.errors import ServiceError
from creditrisk.service.settings import ServiceSettings, is_loopback


def check_keys(settings: ServiceSettings, has_keys: bool) -> None:
    """Refuse to listen to others without a key.

    Raises:
        ServiceError: what to do.
    """
    host = settings.host if not settings.loopback else uvicorn_host(sys.argv)
    if host is not None and not is_loopback(host) and not has_keys:
        raise ServiceError(
            f"host {host}: others can reach this address and there is no API key. Make one first with main.py keys "
            "create --scope score --name NAME, or listen on 127.0.0.1."
        )


def uvicorn_host(argv: list[str]) -> str | None:
    """The address given to uvicorn's own command line, which no setting of ours says; None where another runs."""
    if not argv or "uvicorn" not in Path(argv[0]).parts[-2:]:
        return None
    words = [part for word in argv[1:] for part in (word.split("=", 1) if word.startswith("--") else [word])]
    return dict(pairwise(words)).get("--host") or os.environ.get("UVICORN_HOST")
