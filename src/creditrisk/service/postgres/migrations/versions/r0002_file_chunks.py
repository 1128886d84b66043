"""Scored files' records, for machines whose disk is not to be relied on."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from creditrisk.errors import ServiceError

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

SCHEMA = "creditrisk"
ID = sa.Text(collation="C")


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "file_chunks",
        sa.Column("file_id", ID, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("first_row", sa.BigInteger, nullable=False),
        sa.Column("last_row", sa.BigInteger, nullable=False),
        sa.Column("records", sa.LargeBinary, nullable=False, comment="Parquet"),
        sa.Column("protected", sa.LargeBinary, comment="Parquet, protected attributes, for fairness audits alone"),
        schema=SCHEMA,
    )


def downgrade() -> None:
    """Records are not dropped by a program."""
    raise ServiceError("The records' tables are never dropped by a migration; drop the schema by hand if you mean it.")
