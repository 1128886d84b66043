"""Alembic's environment and the migrations of the records' tables in PostgreSQL."""
