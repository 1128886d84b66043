"""API keys: who may ask for what. Only hashes are kept; the text of a key is shown once, when it is made."""

from __future__ import annotations

import datetime as dt
import fcntl
import hashlib
import json
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal, get_args

import msgspec

from creditrisk.errors import ServiceError, nearest

Scope = Literal["score", "batch", "read", "outcomes", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
MAX_KEYS = 4_096
"""Keys that may ever be made, revoked ones among them: each has a row in the rate limits' file."""
MAX_NAME = 100
_REMEDY = "Restore it from a copy."


class Caller(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A key as it is kept: never the secret itself."""

    id: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{12}\Z")]
    name: str
    sha256: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
    scopes: tuple[str, ...]
    created: str
    per_minute: int | None = None
    revoked: str | None = None


_decode = msgspec.json.Decoder(list[Caller]).decode


class KeyStore:
    """The file of keys, ``keys.json`` in the service's folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> dict[str, Caller]:
        """Every key by its id, revoked ones too; none where there is no file.

        Raises:
            ServiceError: the file is damaged.
        """
        return self.kept() or {}

    def kept(self) -> dict[str, Caller] | None:
        """As ``read``, but None where there is no file.

        Raises:
            ServiceError: the file is damaged.
        """
        try:
            listed = _decode(self.path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:  # msgspec's are ValueErrors, and quote no value
            raise ServiceError(f"{self.path}: cannot be read as a list of keys: {error}. {_REMEDY}") from None
        found = {caller.id: caller for caller in listed}
        if len(found) < len(listed):  # one of them may be revoked
            raise ServiceError(f"{self.path}: cannot be read as a list of keys: an id stands twice. {_REMEDY}")
        return found

    def usable(self) -> bool:
        """Whether there is a key that is not revoked.

        Raises:
            ServiceError: the file is damaged.
        """
        return any(caller.revoked is None for caller in self.read().values())

    def create(self, name: str, scopes: tuple[str, ...], per_minute: int | None = None) -> tuple[Caller, str]:
        """Make a key; returns it and its text, which is kept nowhere.

        Raises:
            ServiceError: an unknown scope, a name or rate that cannot be, or too many keys.
        """
        if not name.isprintable() or not 0 < len(name) <= MAX_NAME:
            raise ServiceError(f"--name {name!r}: give 1 to {MAX_NAME} printable characters.")
        if per_minute is not None and per_minute < 1:
            raise ServiceError(f"--per-minute {per_minute}: give a whole number from 1 on, or leave it out.")
        for scope in scopes:
            if scope not in SCOPES:
                raise ServiceError(f"--scope {scope}: unknown.{nearest(scope, SCOPES)} Known: {', '.join(SCOPES)}.")
        identifier, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
        digest = hashlib.sha256(secret.encode()).hexdigest()
        now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        caller = Caller(identifier, name, digest, tuple(dict.fromkeys(scopes)), now, per_minute)

        def change(keys: dict[str, Caller]) -> dict[str, Caller]:
            if len(keys) >= MAX_KEYS:
                raise ServiceError(
                    f"{self.path}: {MAX_KEYS:,} keys were made, the most there can be; start a new file."
                )
            return keys | {identifier: caller}

        self._change(change)
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
            return keys | {identifier: msgspec.structs.replace(keys[identifier], revoked=now)}

        return self._change(change)[identifier]

    def _change(self, change: Callable[[dict[str, Caller]], dict[str, Caller]]) -> dict[str, Caller]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.with_suffix(".lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            keys = change(self.read())
            draft = self.path.with_name(f".{self.path.name}.{os.getpid()}")
            handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump([msgspec.structs.asdict(caller) for caller in keys.values()], file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self.path)
        return keys
