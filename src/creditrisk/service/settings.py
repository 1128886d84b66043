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
"""Variables without the prefix."""


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
        """Read the environment.

        Raises:
            ServiceError: a variable is unknown or its value is not what it must be.
        """
        given = dict(os.environ if environment is None else environment)
        values: dict[str, str] = {field: given[name] for name, field in BARE.items() if given.get(name)}
        for name, value in given.items():
            if name.startswith(PREFIX):
                field = name.removeprefix(PREFIX).lower()
                if field not in cls.model_fields:
                    raise ServiceError(f"{name}: unknown setting.{nearest(field, cls.model_fields)}")
                values[field] = value
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
        bare = {field: name for name, field in BARE.items()}
        plain = self.model_dump(mode="json", exclude_none=True)
        return {bare.get(field, f"{PREFIX}{field.upper()}"): str(value) for field, value in plain.items()}

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
