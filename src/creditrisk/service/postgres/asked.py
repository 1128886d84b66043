"""An erasure as other machines and running work learn of it, and the lock that parts writing from erasing."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import msgspec

from creditrisk.service.postgres.database import SCHEMA, text

if TYPE_CHECKING:
    from psycopg import Connection

WRITING = f"LOCK TABLE {SCHEMA}.events IN ROW EXCLUSIVE MODE".encode()
"""Whoever writes takes it first: an erasure waits for them, or they see it."""
ERASURES = f"""SELECT coalesce(hashtextextended(string_agg(id, ' ' ORDER BY id), 0), 0)
FROM {SCHEMA}.erasures""".encode()
"""One number for all that are known; to count them would not do, since old ones are forgotten as new ones come."""
_ASKED = f"SELECT id, at, salt, digest FROM {SCHEMA}.erasures ORDER BY id".encode()


class Asked(msgspec.Struct, frozen=True):
    """An erasure that was asked for on another machine: whom it concerns is known by a salted hash alone."""

    id: str
    at: int
    salt: bytes
    digest: bytes

    def concerns(self, applicant_id: str | None) -> bool:
        """Whether it is this applicant's."""
        return applicant_id is not None and digest_of(self.salt, applicant_id) == self.digest


def asked_for(connection: Connection[tuple[Any, ...]]) -> list[Asked]:
    """All erasures that were asked for, on whatever machine."""
    return [Asked(*row) for row in connection.execute(_ASKED)]


def digest_of(salt: bytes, applicant_id: str) -> bytes:
    """What stands for an applicant who is to be forgotten."""
    return hashlib.sha256(salt + (text(applicant_id) or "").encode()).digest()
