"""Run by Alembic: the migrations go over the connection that ``creditrisk.service.postgres.migrate`` has opened."""

from __future__ import annotations

from alembic import context

from creditrisk.service.postgres.database import SCHEMA
from creditrisk.service.postgres.migrate import VERSION_TABLE
from creditrisk.service.postgres.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    version_table=VERSION_TABLE,
    version_table_schema=SCHEMA,
)
with context.begin_transaction():
    context.run_migrations()
