"""The ledger: who promoted what, when and on which evidence, in a table that only grows.

Each row carries the hash of the one before it and its own over both. The hash of the predecessor is unique in a
chain, so inserting a row is the compare-and-set: of two writers who saw the same head, one loses. Triggers refuse
updates and deletes; an edit made round them no longer fits its hash.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from creditrisk.errors import LedgerError
from creditrisk.paths import Project
from creditrisk.tracking.chain import Action, Row, linked
from creditrisk.tracking.store import shown

_METADATA = sa.MetaData()
LEDGER = sa.Table(
    "ledger",
    _METADATA,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("chain", sa.String(64), nullable=False),
    sa.Column("previous_hash", sa.String(64), nullable=False),
    sa.Column("hash", sa.String(64), nullable=False, unique=True),
    sa.Column("model", sa.String(255), nullable=False),
    sa.Column("action", sa.String(16), nullable=False),
    sa.Column("version", sa.String(32), nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("former", sa.String(32)),
    sa.Column("who", sa.String(255), nullable=False),
    sa.Column("at", sa.String(40), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("evidence", sa.Text, nullable=False),
    sa.UniqueConstraint("chain", "previous_hash", name="ledger_one_successor"),
)
_REFUSAL = "the ledger is append-only"
_TRIGGERS = {
    "sqlite": [
        f"CREATE TRIGGER IF NOT EXISTS ledger_no_{verb.lower()} BEFORE {verb} ON ledger "
        f"BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END"
        for verb in ("UPDATE", "DELETE")
    ],
    "postgresql": [
        "CREATE OR REPLACE FUNCTION ledger_refuse() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{_REFUSAL}'; END $$",
        "CREATE OR REPLACE TRIGGER ledger_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger "
        "FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse()",
    ],
}


class Ledger:
    """A ledger in SQLite or PostgreSQL, which holds the chains of several models."""

    def __init__(self, url: str) -> None:
        self.url = url
        driver = url.replace("postgresql://", "postgresql+psycopg://", 1)
        # No pool: a file that lies open would keep a swapped ledger from being noticed.
        self._engine = sa.create_engine(driver, poolclass=NullPool)

    @classmethod
    def open(cls, project: Project) -> Ledger:
        """The one named by LEDGER_URL, else ``3.experiments/ledger.db``; made where it does not exist.

        Raises:
            LedgerError: it cannot be opened or made.
        """
        url = os.environ.get("LEDGER_URL") or f"sqlite:///{project.experiments / 'ledger.db'}"
        with contextlib.suppress(OSError):
            project.experiments.mkdir(parents=True, exist_ok=True)
        ledger = cls(url)
        ledger.make()
        return ledger

    def make(self) -> None:
        """Make table and triggers where they are missing; a lost trigger comes back."""
        with self._connected() as connection:
            if connection.dialect.name == "postgresql":  # two first users at once
                connection.execute(sa.text("SELECT pg_advisory_xact_lock(7346501)"))
            _METADATA.create_all(connection)
            for statement in _TRIGGERS.get(connection.dialect.name, []):
                connection.execute(sa.text(statement))

    def chains(self) -> list[str]:
        """The chains that it holds, in the order in which they were begun."""
        with self._connected() as connection:
            query = sa.select(LEDGER.c.chain).group_by(LEDGER.c.chain).order_by(sa.func.min(LEDGER.c.id))
            return list(connection.execute(query).scalars())

    def rows(self, chain: str) -> list[Row]:
        """A chain from its first row to its head, each hash checked.

        Raises:
            LedgerError: naming the row that was edited, or the place where the chain is broken.
        """
        with self._connected() as connection:
            query = sa.select(LEDGER).where(LEDGER.c.chain == chain).order_by(LEDGER.c.id)
            found = connection.execute(query).mappings().all()
        return linked([dict(record) for record in found], shown(self.url))

    def count_elsewhere(self, model: str, chain: str) -> int:
        """How many rows of a model stand in other chains; their hashes are ``rows``' concern."""
        with self._connected() as connection:
            query = sa.select(sa.func.count()).where(LEDGER.c.model == model, LEDGER.c.chain != chain)
            return int(connection.execute(query).scalar_one())

    def append(
        self,
        chain: str,
        previous_hash: str,
        *,
        model: str,
        action: Action,
        version: str,
        digest: str,
        former: str | None,
        who: str,
        reason: str,
        evidence: Mapping[str, Any],
    ) -> Row:
        """Write one row after the head that the writer saw.

        Args:
            previous_hash: the hash of that head, GENESIS for the first row.

        Raises:
            LedgerError: somebody else wrote after that head first, or the ledger cannot be written to.
        """
        at = dt.datetime.now(dt.UTC).isoformat(timespec="microseconds")
        text = json.dumps(evidence, sort_keys=True, default=str)
        row = Row(chain, previous_hash, model, action, version, digest, former, who, at, reason, text)
        try:
            with self._connected() as connection:
                connection.execute(LEDGER.insert().values(**asdict(row), hash=row.hash))
        except IntegrityError:
            raise LedgerError(
                f"ledger {shown(self.url)}: somebody else changed the champion of {model} at the same time, so this "
                f"{action} of version {version} was not made. Look at main.py history and try again."
            ) from None
        return row

    @contextlib.contextmanager
    def _connected(self) -> Iterator[sa.Connection]:
        try:
            with self._engine.begin() as connection:
                yield connection
        except IntegrityError:
            raise
        except SQLAlchemyError as error:
            raise LedgerError(_sentence(shown(self.url), error)) from error


def _sentence(where: str, error: SQLAlchemyError) -> str:
    text = " ".join(str(getattr(error, "orig", None) or error).split())
    if _REFUSAL in text:
        return f"ledger {where}: it only grows; a row can be neither changed nor removed."
    if "readonly" in text or "unable to open" in text:
        return f"ledger {where}: cannot be written to ({text}). Make it and its folder writable, or set LEDGER_URL."
    return f"ledger {where}: {text[:500]}. Check LEDGER_URL and that the database answers."
