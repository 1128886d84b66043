"""API keys: who may ask for what. Only hashes are kept; a change of the file counts within a second."""

from __future__ import annotations

import contextlib
import datetime as dt
import fcntl
import hashlib
import hmac
import json
import os
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, get_args

from creditrisk.errors import ServiceError, nearest
from creditrisk.service.problem import Problem

Scope = Literal["score", "batch", "read", "outcomes", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
_FORM = re.compile(rb"cr_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")
LOOK_SECONDS = 1.0
NO_HASH = hashlib.sha256(b"").digest()


@dataclass(frozen=True)
class Caller:
    """A key as it is kept: never the secret itself."""

    id: str
    name: str
    sha256: str
    scopes: tuple[str, ...]
    created: str
    per_minute: int | None = None
    revoked: str | None = None


class KeyStore:
    """The file of keys, ``keys.json`` in the service's folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> dict[str, Caller]:
        """Every key by its id, revoked ones too.

        Raises:
            ServiceError: the file is damaged.
        """
        try:
            listed = json.loads(self.path.read_text(encoding="utf-8"))
            return {item["id"]: Caller(**(item | {"scopes": tuple(item["scopes"])})) for item in listed}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise ServiceError(f"{self.path}: cannot be read: {error}. Restore it from a copy.") from None

    def create(self, name: str, scopes: tuple[str, ...], per_minute: int | None = None) -> tuple[Caller, str]:
        """Make a key; returns it and its text, which is kept nowhere.

        Raises:
            ServiceError: an unknown scope.
        """
        for scope in scopes:
            if scope not in SCOPES:
                raise ServiceError(f"--scope {scope}: unknown.{nearest(scope, SCOPES)} Known: {', '.join(SCOPES)}.")
        identifier, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
        digest = hashlib.sha256(secret.encode()).hexdigest()
        now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        caller = Caller(identifier, name, digest, tuple(scopes), now, per_minute)
        self._change(lambda keys: keys | {identifier: caller})
        return caller, f"cr_{identifier}_{secret}"

    def revoke(self, identifier: str) -> Caller:
        """Make a key invalid from now on; it stays in the file, since records name it.

        Raises:
            ServiceError: there is none of this id.
        """
        now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")

        def change(keys: dict[str, Caller]) -> dict[str, Caller]:
            if identifier not in keys:
                raise ServiceError(f"No key {identifier!r}.{nearest(identifier, keys)} main.py keys list shows them.")
            return keys | {identifier: Caller(**(asdict(keys[identifier]) | {"revoked": now}))}

        return self._change(change)[identifier]

    def _change(self, change: Callable[[dict[str, Caller]], dict[str, Caller]]) -> dict[str, Caller]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.with_suffix(".lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            keys = change(self.read())
            draft = self.path.with_name(f".{self.path.name}.{os.getpid()}")
            handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump([asdict(caller) for caller in keys.values()], file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self.path)
        return keys


class Gate:
    """Lets a request in by its key and the key's rate.

    Args:
        store: the keys.
        required: whether a key is asked for even while none was ever made.
        clock: a monotonic time in seconds.
    """

    def __init__(self, store: KeyStore, required: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self._store, self._required, self._clock = store, required, clock
        self._keys = store.read()
        self._stamp = _stamp(store.path)
        self._looked = clock()

    @property
    def closed(self) -> bool:
        """Whether a key is needed."""
        return self._required or bool(self._keys)

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
        return caller

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
                self._keys = self._store.read()
                self._stamp = stamp


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
