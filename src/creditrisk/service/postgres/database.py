"""Connections to PostgreSQL; psycopg is imported only where one is opened."""

from __future__ import annotations

import re
import socket
from types import ModuleType
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from creditrisk.errors import ServiceError

if TYPE_CHECKING:
    from psycopg import Connection

SCHEMA = "creditrisk"
_OPTIONS: dict[str, Any] = {
    "connect_timeout": 5,
    "application_name": "creditrisk",
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
"""A server that vanished without a word must be noticed; what DATABASE_URL itself says comes first."""
_EXPECTED = "Expected postgresql://USER:PASSWORD@HOST:5432/NAME."


def driver() -> ModuleType:
    """The module psycopg.

    Raises:
        ServiceError: it is not installed.
    """
    try:
        import psycopg
    except ImportError:
        raise ServiceError("PostgreSQL needs psycopg: uv sync --extra postgres installs it.") from None
    return psycopg


def node() -> str:
    """The name of this machine in the records."""
    return socket.gethostname()


def plain_url(url: str | None) -> str:
    """The address as libpq takes it.

    Raises:
        ServiceError: there is none, or it names no PostgreSQL.
    """
    if not url:
        raise ServiceError(f"DATABASE_URL is not set, and records shall go to PostgreSQL. {_EXPECTED}")
    plain = re.sub(r"^postgres(?:ql)?(?:\+\w+)?://", "postgresql://", url)
    if not plain.startswith("postgresql://"):
        raise ServiceError(f"DATABASE_URL names no PostgreSQL database. {_EXPECTED}")
    return plain


def connect(url: str | None) -> Connection[tuple[Any, ...]]:
    """Open a connection in autocommit; a commit that it reports is on the server's disk.

    Raises:
        ServiceError: the address is wrong or the driver is not installed.
        psycopg.OperationalError: the server does not answer or lets nobody in.
    """
    plain = plain_url(url)
    psycopg = driver()
    try:
        options = _OPTIONS | psycopg.conninfo.conninfo_to_dict(plain)
    except psycopg.ProgrammingError:
        raise ServiceError(f"DATABASE_URL cannot be understood. {_EXPECTED}") from None
    connection: Connection[tuple[Any, ...]] = psycopg.connect(autocommit=True, **options)
    connection.execute(
        "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
    )
    return connection


def check(url: str | None) -> None:
    """See that PostgreSQL could be asked; nothing is connected, so the service starts while the database is away.

    Raises:
        ServiceError: there is no address, or no driver.
    """
    plain_url(url)
    driver()


def sentence(error: BaseException, url: str | None) -> str:
    """What a database said, on one line and without the password."""
    text = " ".join(str(error).split())[:300] or type(error).__name__
    for secret in _secrets(url or ""):
        text = text.replace(secret, "***")
    return text.rstrip(".")


def _secrets(url: str) -> list[str]:
    found = [match[1] for match in re.finditer(r"[?&]password=([^&]+)", url)]
    try:
        found += [password] if (password := urlsplit(url).password) else []
    except ValueError:
        found += [url]
    return [secret for one in found for secret in (one, unquote(one)) if secret]


def text(value: str | None) -> str | None:
    """A text as PostgreSQL can hold it: it knows no NUL."""
    return value.replace("\0", "\ufffd") if value else value
