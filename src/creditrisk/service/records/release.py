"""An idempotency key given back: the file that took it was refused, and nothing of it is on record."""

from __future__ import annotations

from pathlib import Path

from creditrisk.errors import ServiceError
from creditrisk.service.postgres.database import SCHEMA, connect, driver, sentence
from creditrisk.service.record import Idempotency
from creditrisk.service.records import local
from creditrisk.service.settings import ServiceSettings

_KEY = f"DELETE FROM {SCHEMA}.idempotency WHERE key_id = %s AND key = %s AND answer = %s".encode()
_LINK = f"DELETE FROM {SCHEMA}.idempotency_events WHERE id = %s AND key_id = %s AND key = %s".encode()


def release(settings: ServiceSettings, path: Path, taken: Idempotency) -> None:
    """Forget that a file took its key; where another has it by now, that one keeps it.

    Args:
        path: the machine's log.
        taken: the key, whose answer is the file's id.

    Raises:
        ServiceError: the database cannot be written to.
    """
    key = (taken.key_id, taken.key, taken.answer)
    link = (taken.answer.decode(), taken.key_id, taken.key)
    if settings.audit == "sqlite":
        with local.opened(path) as log, local.transaction(log, path):
            log.execute("DELETE FROM idempotency WHERE key_id = ? AND key = ? AND answer = ?", key)
            log.execute("DELETE FROM idempotency_events WHERE id = ? AND key_id = ? AND key = ?", link)
    elif settings.audit == "postgres":
        try:
            with connect(settings.database_url) as connection, connection.transaction():
                connection.execute(_KEY, key)
                connection.execute(_LINK, link)
        except driver().Error as error:
            raise ServiceError(f"PostgreSQL says: {sentence(error, settings.database_url)}.") from None
