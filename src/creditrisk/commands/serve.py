"""``main.py serve``: run the scoring service."""

from __future__ import annotations

import os
import socket
import tempfile
from argparse import Namespace
from typing import Any

from pydantic import ValidationError

from creditrisk.commands.context import Context
from creditrisk.errors import ServiceError
from creditrisk.service.access.exposure import check_keys
from creditrisk.service.access.keys import KeyStore
from creditrisk.service.log.sqlite import connect
from creditrisk.service.postgres.database import plain_url
from creditrisk.service.settings import ServiceSettings
from creditrisk.service.telemetry.output import take_over
from creditrisk.settings import explain

GRACE_SECONDS = 30
"""How long a stop waits for clients that do not take their answers."""

SPARE_FILES = 256


def command_serve(context: Context, arguments: Namespace) -> None:
    """Run workers until told to stop; the hot path lies in the protocol, so it is uvicorn's with ours inside."""
    import uvicorn

    given = {
        name: getattr(arguments, name)
        for name in ("host", "port", "workers", "portfolio", "bundle", "audit")
        if getattr(arguments, name) is not None
    }
    environment = dict(os.environ)
    base = ServiceSettings.from_environment(context.project, environment)
    settings = _checked(base.model_dump() | given)
    _allow_files(settings.max_connections)
    os.umask(0o077)  # what is kept of applicants is this user's alone
    preflight(settings)
    store = KeyStore(settings.state / "keys.json")
    check_keys(settings, store.usable())
    if store.path.exists():  # a worker that is started again must not take a file that has gone for one that never was
        settings = settings.model_copy(update={"keys": "required"})
    take_over(settings.log == "info")
    os.environ |= settings.to_environment() | {"CREDITRISK_ROOT": str(context.project.root)}
    try:
        uvicorn.run(
            "app:app",
            app_dir=str(context.project.root / "6.production"),
            host=settings.host,
            port=settings.port,
            workers=settings.workers,
            http="creditrisk.service.http.protocol:HotProtocol",
            loop="uvloop",
            ws="none",
            proxy_headers=False,
            server_header=False,
            date_header=False,
            access_log=False,
            log_config=None,
            log_level="warning",
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
    except SystemExit as error:  # uvicorn has said why; a wrong set-up ends with 1 everywhere here
        raise SystemExit(1 if error.code else 0) from None


def preflight(settings: ServiceSettings) -> None:
    """Look at what no worker could start without, so that it is said once, in a sentence, before there are any.

    Raises:
        ServiceError: the folder, the log, the database's address or the port. BundleError: the bundle.
    """
    if settings.audit == "postgres" or settings.database_url:
        plain_url(settings.database_url)
    if settings.bundle is not None:
        from creditrisk.model.bundle import verify  # pulls Polars in, of which workers of a champion have their own

        verify(settings.bundle)
    try:
        settings.state.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=settings.state):
            pass
    except OSError as error:
        raise ServiceError(
            f"{settings.state}: cannot be written to: {error.strerror}. Make it writable, or set "
            "CREDITRISK_SERVICE_STATE."
        ) from None
    if settings.audit == "sqlite":
        connect(settings.state / "decisions.db").close()
    _try_port(settings.host, settings.port)


def _try_port(host: str, port: int) -> None:
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as found:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            found.bind(address)
    except OSError as error:
        raise ServiceError(
            f"{host} port {port}: cannot listen there: {error.strerror}. Choose another --port."
        ) from None


def _allow_files(connections: int) -> None:
    """Let each worker have as many files open as it may have connections."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + SPARE_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _checked(values: dict[str, Any]) -> ServiceSettings:
    try:
        return ServiceSettings.model_validate(values)
    except ValidationError as error:
        raise ServiceError(explain(error, "main.py serve")) from None
