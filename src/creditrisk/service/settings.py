"""How the service is set up: environment variables, read once at the start, unknown ones refused by name."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError

from creditrisk.errors import ServiceError, nearest
from creditrisk.paths import Project
from creditrisk.settings import Frozen

PREFIX = "CREDITRISK_SERVICE_"
BARE = {"AUDIT": "audit", "DATABASE_URL": "database_url"}
"""Variables without the prefix; the same settings may be set with it."""


class ServiceSettings(Frozen):
    """One worker's settings. Each is an environment variable of the same name in capitals after the prefix."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65_535)] = 8000
    workers: Annotated[int, Field(ge=1, le=256)] = 1
    portfolio: str | None = None
    """The portfolio whose champion is served; that of params.yaml where absent."""
    bundle: Path | None = None
    """A bundle's folder in place of the registry's champion."""
    state: Path
    """Where the decision log, keys and the last verified copy of the champion lie."""
    audit: Literal["sqlite", "postgres", "off"] = "sqlite"
    """Where a record must be durable before its answer leaves; off is for measurements alone."""
    database_url: str | None = None
    keys: Literal["auto", "required"] = "auto"
    """auto: asked for wherever one was ever made or the address is not loopback."""
    max_body_bytes: Annotated[int, Field(ge=1_024)] = 65_536
    max_list: Annotated[int, Field(ge=1)] = 1_000
    max_list_bytes: Annotated[int, Field(ge=1_024)] = 4_194_304
    max_upload_bytes: Annotated[int, Field(ge=1_024)] = 4_294_967_296
    min_upload_rate: Annotated[int, Field(ge=1)] = 1_000
    """Bytes in a second; an upload that falls behind by ``request_seconds`` is refused and gives its place back."""
    max_file_memory_bytes: Annotated[int, Field(ge=268_435_456)] = 2_147_483_648
    """Memory that the work on one uploaded file may take; a compressed bomb ends there."""
    max_files: Annotated[int, Field(ge=1)] = 4
    """Uploaded files that one worker scores at once; beyond, 503 says to come back."""
    max_waiting: Annotated[int, Field(ge=1)] = 4_096
    """Requests that may wait for the disk at once; beyond, 503 says to come back."""
    max_connections: Annotated[int, Field(ge=1)] = 4_096
    """Of one worker; beyond, a connection is refused with 503."""
    request_seconds: Annotated[float, Field(gt=0)] = 10.0
    rate_per_minute: Annotated[int, Field(ge=1)] | None = None
    """Requests of one key in a minute over all workers, where the key has no limit of its own."""
    watch_seconds: Annotated[float, Field(gt=0)] = 15.0
    """How often the registry's champion alias is looked at."""
    shadow: bool = False
    """Whether the challenger is scored beside the champion, recorded and never answered."""
    log: Literal["info", "warning"] = "info"
    """info: a line for each request but the hot ones; warning: for errors alone."""
    log_every: Annotated[int, Field(ge=1)] | None = None
    """Of the applications answered, one in so many gets a line in the log; none where absent. Errors always do."""
    retention_days: Annotated[int, Field(ge=1)] | None = None

    @classmethod
    def from_environment(cls, project: Project, environment: Mapping[str, str] | None = None) -> Self:
        """Read the environment; an empty variable is as good as none.

        Raises:
            ServiceError: a variable is unknown, its value is not what it must be, or two names of one setting differ.
        """
        values: dict[str, str] = {}
        names: dict[str, str] = {}
        for name, value in sorted((os.environ if environment is None else environment).items()):
            if name not in BARE and not name.startswith(PREFIX):
                continue
            setting = BARE.get(name) or name.removeprefix(PREFIX).lower()
            if setting not in cls.model_fields:
                raise ServiceError(f"{name}: unknown setting.{nearest(setting, cls.model_fields)}")
            if value and values.setdefault(setting, value) != value:
                raise ServiceError(f"{names[setting]} and {name} say different things; set one of them.")
            if value:
                names[setting] = name
        values.setdefault("state", str(project.root / "6.production" / "state"))
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            where = {field: name for name, field in BARE.items()}
            first = error.errors()[0]
            field = str(first["loc"][0]) if first["loc"] else ""
            name = where.get(field, f"{PREFIX}{field.upper()}")
            raise ServiceError(f"{name}: {first['msg']}, found {first.get('input')!r}.") from None

    def to_environment(self) -> dict[str, str]:
        """The variables that say the same, for worker processes."""
        plain = {field: str(value) for field, value in self.model_dump(mode="json", exclude_none=True).items()}
        named = {f"{PREFIX}{field.upper()}": value for field, value in plain.items()}
        return named | {name: plain[field] for name, field in BARE.items() if field in plain}

    @property
    def loopback(self) -> bool:
        """Whether the service can be reached from this machine alone."""
        return is_loopback(self.host)


def is_loopback(host: str) -> bool:
    """Whether an address can be reached from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
