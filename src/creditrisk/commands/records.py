"""``main.py records``: the records' tables, erasure and retention."""

from __future__ import annotations

import getpass
from argparse import Namespace

import msgspec

from creditrisk.commands.context import Context
from creditrisk.errors import ServiceError
from creditrisk.service.processes.private import private
from creditrisk.service.settings import ServiceSettings


def command_migrate(context: Context, arguments: Namespace) -> None:
    """Make the tables in PostgreSQL, or bring them to this version's form."""
    from creditrisk.service.postgres.migrate import migrate

    settings = ServiceSettings.from_environment(context.project)
    context.show({"revision": migrate(settings.database_url)})


@private()
def command_erase(context: Context, arguments: Namespace) -> None:
    """Remove every record of an applicant."""
    from creditrisk.service.records.erasure import erase, was_copied

    settings = ServiceSettings.from_environment(context.project)
    context.show(msgspec.structs.asdict(erase(settings, arguments.applicant, _user())))
    if settings.database_url is None and was_copied(settings):
        raise ServiceError(
            "The applicant was erased on this machine alone: its records were copied to PostgreSQL, and DATABASE_URL "
            "is not set here. Set it as the service has it and repeat this, unless that database is gone."
        )


@private()
def command_prune(context: Context, arguments: Namespace) -> None:
    """Remove what is older than the retention time."""
    from creditrisk.service.records import retention
    from creditrisk.service.records.erasure import NAME

    settings = ServiceSettings.from_environment(context.project)
    days = arguments.days or settings.retention_days
    if not days or days < 1:
        raise ServiceError(
            "How old may a record be? Set CREDITRISK_SERVICE_RETENTION_DAYS, or say --days N (1 or more)."
        )
    limit = retention.oldest(days)
    url = settings.database_url
    here = retention.prune_here(settings.state, settings.state / NAME, limit, copied_only=url is not None)
    found = {"removed here": here.here, "files' records removed": here.files}
    if url is not None:
        found["removed in PostgreSQL"] = retention.prune_database(url, limit)
    context.show({name.replace(" ", "_").replace("'", ""): count for name, count in found.items()})


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
