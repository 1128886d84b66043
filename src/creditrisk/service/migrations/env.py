"""Run by Alembic: the migrations go over the connection that ``creditrisk.service.records.migrate`` has opened."""

from __future__ import annotations

from alembic import context

from creditrisk.service.records.database import SCHEMA
from creditrisk.service.records.migrate import VERSION_TABLE
from creditrisk.service.records.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    version_table=VERSION_TABLE,
    version_table_schema=SCHEMA,
)
with context.begin_transaction():
    context.run_migrations()
