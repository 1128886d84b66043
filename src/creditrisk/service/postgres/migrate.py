"""Make the tables in PostgreSQL, or bring them to this version's form (Alembic)."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from creditrisk.errors import ServiceError
from creditrisk.service.postgres.database import SCHEMA, connect, plain_url, sentence

if TYPE_CHECKING:
    from alembic.config import Config
    from psycopg import Connection

HEAD = "0002"
"""The newest migration: looked at without importing Alembic."""
LOCK = 7_346_502
"""Advisory lock: of two that start at once, the second waits and finds everything done."""
VERSION_TABLE = "version"


def config() -> Config:
    """Alembic's settings, for its own commands as well."""
    from alembic.config import Config

    found = Config()
    found.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    found.set_main_option("path_separator", "os")
    return found


def migrate(url: str | None) -> str:
    """Bring the tables to this version's form; returns the revision they have then.

    Raises:
        ServiceError: the database does not answer, or refuses.
    """
    plain = plain_url(url)
    try:
        import sqlalchemy as sa
        from alembic import command
    except ImportError:
        raise ServiceError("PostgreSQL needs Alembic: uv sync --extra postgres installs it.") from None
    settings = config()
    try:
        engine = sa.create_engine(plain.replace("postgresql:", "postgresql+psycopg:", 1), poolclass=sa.NullPool)
        with engine.begin() as connection:
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
            if SCHEMA not in sa.inspect(connection).get_schema_names():
                connection.execute(sa.schema.CreateSchema(SCHEMA))
            settings.attributes["connection"] = connection
            command.upgrade(settings, "head")
            return str(connection.scalar(sa.text(f"SELECT version_num FROM {SCHEMA}.{VERSION_TABLE}")))
    except (sa.exc.SQLAlchemyError, ValueError) as error:
        said = sentence(getattr(error, "orig", None) or error, url)
        raise ServiceError(
            f"DATABASE_URL: the tables cannot be made: {said}. Check that the database answers and that its user may "
            f"create the schema {SCHEMA!r}."
        ) from None


def current(connection: Connection[tuple[Any, ...]]) -> bool:
    """Whether the tables have this version's form, or a later one's."""
    table = f"{SCHEMA}.{VERSION_TABLE}"
    found = connection.execute("SELECT to_regclass(%s) IS NOT NULL", (table,)).fetchone()
    if not found or not found[0]:
        return False
    version = connection.execute(f"SELECT version_num FROM {table}".encode()).fetchone()
    return version is not None and str(version[0]) >= HEAD


def opened(url: str | None) -> Connection[tuple[Any, ...]]:
    """A connection to a database that has the tables.

    Raises:
        ServiceError: as ``connect`` and ``migrate``; psycopg.OperationalError: the server does not answer.
    """
    connection = connect(url)
    try:
        ensure(connection, url)
    except BaseException:
        connection.close()
        raise
    return connection


def ensure(connection: Connection[tuple[Any, ...]], url: str | None) -> None:
    """Migrate where it is needed, in a process of its own: a worker does not take in Alembic and SQLAlchemy.

    Raises:
        ServiceError: as ``migrate``.
    """
    import os
    import subprocess

    if current(connection):
        return
    given = os.environ | {"DATABASE_URL": plain_url(url)}
    done = subprocess.run(
        [sys.executable, "-m", "creditrisk.service.postgres.migrate"],
        env=given,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ServiceError(done.stderr.strip().rpartition("\n")[2] or "The tables in PostgreSQL cannot be made.")


if __name__ == "__main__":
    import os

    try:
        migrate(os.environ.get("DATABASE_URL"))
    except ServiceError as failed:
        sys.exit(str(failed))
