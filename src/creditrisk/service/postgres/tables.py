"""The tables in PostgreSQL, in a schema of their own: the database may be shared."""

from __future__ import annotations

import sqlalchemy as sa

from creditrisk.service.postgres.database import SCHEMA

METADATA = sa.MetaData(schema=SCHEMA)
_ID = sa.Text(collation="C")
"""Identifiers sort by time, byte by byte."""

EVENTS = sa.Table(
    "events",
    METADATA,
    sa.Column("id", _ID, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("subject", _ID),
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
    sa.Index("events_subject", "subject", postgresql_where=sa.text("subject IS NOT NULL")),
    sa.Index("events_applicant", "applicant_id", postgresql_where=sa.text("applicant_id IS NOT NULL")),
    sa.Index("events_refer", "id", postgresql_where=sa.text("status = 'refer'")),
    sa.Index("events_node", "node", "seq"),
)
PROTECTED = sa.Table(
    "protected",
    METADATA,
    sa.Column("id", _ID, primary_key=True),
    sa.Column("attributes", sa.LargeBinary, nullable=False),
    comment="protected attributes, for fairness audits alone; grant it apart",
)
IDEMPOTENCY = sa.Table(
    "idempotency",
    METADATA,
    sa.Column("key_id", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("digest", sa.LargeBinary, nullable=False),
    sa.Column("answer", sa.LargeBinary, nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),
)
IDEMPOTENCY_EVENTS = sa.Table(
    "idempotency_events",
    METADATA,
    sa.Column("id", _ID, primary_key=True),
    sa.Column("key_id", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
)
ERASURES = sa.Table(
    "erasures",
    METADATA,
    sa.Column("id", _ID, primary_key=True),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("salt", sa.LargeBinary, nullable=False),
    sa.Column("digest", sa.LargeBinary, nullable=False),
    comment="who was erased, as a salted hash, until every machine has erased them from its own log",
)
FILE_CHUNKS = sa.Table(
    "file_chunks",
    METADATA,
    sa.Column("file_id", _ID, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("first_row", sa.BigInteger, nullable=False),
    sa.Column("last_row", sa.BigInteger, nullable=False),
    sa.Column("records", sa.LargeBinary, nullable=False, comment="Parquet"),
    sa.Column("protected", sa.LargeBinary, comment="Parquet, protected attributes, for fairness audits alone"),
)
