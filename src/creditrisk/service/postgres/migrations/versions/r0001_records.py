"""The records' first tables.

A later version's tables are made by a later migration; this one stays as it is.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from creditrisk.errors import ServiceError

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SCHEMA = "creditrisk"
ID = sa.Text(collation="C")


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "events",
        sa.Column("id", ID, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("subject", ID),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("key_id", sa.Text),
        sa.Column("applicant_id", sa.Text),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("request", sa.LargeBinary, nullable=False),
        sa.Column("answer", sa.LargeBinary, nullable=False),
        sa.Column("node", sa.Text, nullable=False, comment="the machine that answered"),
        sa.Column("seq", sa.BigInteger, comment="place in that machine's own log; null where committed here first"),
        schema=SCHEMA,
    )
    for column, where in {
        "subject": "subject IS NOT NULL",
        "applicant_id": "applicant_id IS NOT NULL",
        "id": "status = 'refer'",
    }.items():
        name = {"subject": "events_subject", "applicant_id": "events_applicant", "id": "events_refer"}[column]
        op.create_index(name, "events", [column], schema=SCHEMA, postgresql_where=sa.text(where))
    op.create_index("events_node", "events", ["node", "seq"], schema=SCHEMA)
    op.create_table(
        "protected",
        sa.Column("id", ID, primary_key=True),
        sa.Column("attributes", sa.LargeBinary, nullable=False),
        schema=SCHEMA,
        comment="protected attributes, for fairness audits alone; grant it apart",
    )
    op.create_table(
        "idempotency",
        sa.Column("key_id", sa.Text, primary_key=True),
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("answer", sa.LargeBinary, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        schema=SCHEMA,
    )
    op.create_table(
        "idempotency_events",
        sa.Column("id", ID, primary_key=True),
        sa.Column("key_id", sa.Text, primary_key=True),
        sa.Column("key", sa.Text, primary_key=True),
        schema=SCHEMA,
    )
    op.create_table(
        "erasures",
        sa.Column("id", ID, primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("salt", sa.LargeBinary, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        schema=SCHEMA,
        comment="who was erased, as a salted hash, until every machine has erased them from its own log",
    )


def downgrade() -> None:
    """Records are not dropped by a program."""
    raise ServiceError("The records' tables are never dropped by a migration; drop the schema by hand if you mean it.")
