"""The gate: a request is let in by its key, the key's scopes and rate. A change of keys counts within a second."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from creditrisk.errors import ServiceError
from creditrisk.service.keys import Caller, KeyStore, Scope
from creditrisk.service.problem import Problem

LOOK_SECONDS = 1.0
NO_HASH = hashlib.sha256(b"").digest()
_FORM = re.compile(rb"cr_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")


class Limiter(Protocol):
    """What counts requests (see ``creditrisk.service.rates``)."""

    def take(self, place: int, limit: int) -> int:
        """Count one; 0, or the seconds to wait where there were too many."""
        ...


class Gate:
    """Lets a request in by its key and the key's rate.

    Args:
        store: the keys.
        required: whether a key is asked for even while none was ever made.
        clock: a monotonic time in seconds.
        per_minute: requests in one minute of a key that has no limit of its own.
    """

    def __init__(
        self,
        store: KeyStore,
        required: bool,
        clock: Callable[[], float] = time.monotonic,
        per_minute: int | None = None,
    ) -> None:
        self._store, self._required, self._clock = store, required, clock
        self._per_minute = per_minute
        self.rates: Limiter | None = None
        """What counts requests; nothing is limited before there is one."""
        self._take(store.read())
        self._stamp = _stamp(store.path)
        self._looked = clock()

    @property
    def closed(self) -> bool:
        """Whether a key is needed."""
        return self._required or bool(self._keys)

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
            Problem: 401 without a valid key, 403 where its scope does not suffice, 429 where it asks too often.
        """
        if self._clock() - self._looked > LOOK_SECONDS:
            self._look()
        if not self._required and not self._keys:
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
            wait = self.rates.take(self._places[caller.id], limit)
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

    def _look(self) -> None:
        """Read the keys again where the file has changed."""
        self._looked = self._clock()
        stamp = _stamp(self._store.path)
        if stamp != self._stamp:
            with contextlib.suppress(ServiceError):  # a damaged file must neither open nor close the gate
                self._take(self._store.read())
                self._stamp = stamp


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
