"""The gate: a request is let in by its key, the key's scopes and rate. A change of keys counts within a second.

It is open only where there was no file of keys when it was made and none has appeared since: a file that goes away or
is damaged must neither open it nor lock everybody out.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from creditrisk.errors import ServiceError
from creditrisk.service.access.keys import Caller, KeyStore, Scope
from creditrisk.service.problem import Problem

LOOK_SECONDS = 1.0
KEPT = "Until then the keys that were known last are valid."
NOBODY = "A key is asked for, and there is none, so nobody is let in. main.py keys create makes one."
NO_HASH = hashlib.sha256(b"").digest()
_FORM = re.compile(rb"cr_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")


class Limiter(Protocol):
    """What counts requests (see ``creditrisk.service.access.rates``)."""

    def take(self, place: int, limit: int) -> int:
        """Count one; 0, or the seconds to wait where there were too many. Raises OSError where it cannot be counted."""
        ...


class Gate:
    """Lets a request in by its key and the key's rate.

    Args:
        store: the keys.
        required: whether a key is asked for even while none was ever made.
        clock: a monotonic time in seconds.
        per_minute: requests in one minute of a key that has no limit of its own.

    Raises:
        ServiceError: there is a file of keys, and it is damaged.
    """

    def __init__(
        self,
        store: KeyStore,
        required: bool,
        clock: Callable[[], float] = time.monotonic,
        per_minute: int | None = None,
    ) -> None:
        self._store, self._clock = store, clock
        self._per_minute = per_minute
        self.rates: Limiter | None = None
        """What counts requests; nothing is limited before there is one."""
        self.trouble: str | None = None
        """What is wrong with the file of keys, in words."""
        self._stamp, self._looked = _stamp(store.path), clock()
        kept = store.kept()
        self._required = required or kept is not None
        self._take(kept or {})

    @property
    def closed(self) -> bool:
        """Whether a key is needed."""
        return self._required

    @property
    def has_keys(self) -> bool:
        """Whether there is a key that is not revoked."""
        return any(caller.revoked is None for caller in self._keys.values())

    def demand(self) -> None:
        """Ask for a key from now on, whatever the settings say: somebody came from beyond the loopback address."""
        self._required = True

    def admit(self, authorization: bytes | None, api_key: bytes | None, scope: Scope) -> Caller | None:
        """Who asks; None where no key is needed.

        Raises:
            Problem: 401 without a valid key, 403 where its scope does not suffice, 429 where it asks too often, 503
                where that cannot be counted.
        """
        if self._clock() - self._looked > LOOK_SECONDS:
            self.look()
        if not self._required:
            return None
        text = api_key
        if text is None and authorization is not None and authorization[:7].lower() == b"bearer ":
            text = authorization[7:].strip()
        caller = self._known(text)
        if caller is None:
            detail = "Send a valid API key as Authorization: Bearer KEY, or as X-API-Key."
            raise Problem(401, "unauthorized", detail, headers={"WWW-Authenticate": "Bearer"})
        if scope not in caller.scopes and "admin" not in caller.scopes:
            raise Problem(403, "forbidden", f"This key lacks the scope {scope!r}.")
        limit = caller.per_minute or self._per_minute
        if limit is not None and self.rates is not None:
            try:
                wait = self.rates.take(self._places[caller.id], limit)
            except OSError:
                detail = "This key's requests cannot be counted, since the disk is full; try again later."
                raise Problem(503, "not-counted", detail, headers={"Retry-After": "5"}) from None
            if wait:
                detail = f"This key may ask {limit:,} times a minute; ask again in {wait} seconds."
                raise Problem(429, "too-many-requests", detail, headers={"Retry-After": str(wait)})
        return caller

    def _take(self, keys: dict[str, Caller]) -> None:
        self._keys = keys
        self._places = {identifier: place for place, identifier in enumerate(keys)}

    def _known(self, text: bytes | None) -> Caller | None:
        match = _FORM.fullmatch(text) if text is not None else None
        found = self._keys.get(match[1].decode()) if match else None
        digest = hashlib.sha256(match[2]).digest() if match else NO_HASH
        right = hmac.compare_digest(digest, bytes.fromhex(found.sha256) if found else NO_HASH)
        return found if right and found is not None and found.revoked is None else None

    def look(self) -> None:
        """Read the keys again where the file has changed; the last known ones stay where it cannot be read."""
        self._looked, stamp = self._clock(), _stamp(self._store.path)
        if stamp == self._stamp:
            self.trouble = NOBODY if stamp is None and self._required else None
            return
        self._required = True
        try:
            kept = self._store.kept()
        except ServiceError as error:
            self.trouble = f"{error} {KEPT}"
            return
        if kept is None:
            self.trouble = f"{self._store.path}: the file of keys is gone. Restore it from a copy. {KEPT}"
            return
        self._take(kept)
        self._stamp, self.trouble = stamp, None


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
