"""Pointer files: which verified copy of a version is to be served, written atomically beside the copies themselves."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import msgspec

from creditrisk.errors import ServiceError

CHAMPION_FILE, CHALLENGER_FILE = "champion.json", "challenger.json"
COPIES = "bundles"
Digest = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
Stamp = tuple[int, int, int]


class Pointer(msgspec.Struct, frozen=True):
    """A version of a registered model whose bundle lies in the service's folder, verified."""

    name: str
    version: str
    digest: Digest
    portfolio: str
    ledger_hash: str | None
    at: str
    """When it was written, UTC, ISO."""
    previous: Digest | None = None
    """The bundle that was pointed at before, which is kept as well."""

    def folder(self, state: Path) -> Path:
        """Where the copy lies."""
        return state / COPIES / self.digest


def read_pointer(path: Path) -> Pointer | None:
    """The pointer; None where there is none.

    Raises:
        ServiceError: the file is damaged.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Pointer)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ServiceError(f"{path.name}: cannot be read: {error}. It is written anew from the registry.") from None


def write_pointer(path: Path, pointer: Pointer) -> None:
    """Put a pointer in place, durable before it is seen; its ``folder`` is there for people."""
    content = msgspec.to_builtins(pointer) | {"folder": f"{COPIES}/{pointer.digest}"}
    write_atomically(path, msgspec.json.format(msgspec.json.encode(content), indent=1))


def write_atomically(path: Path, content: bytes) -> None:
    """Replace a file as a whole: whoever reads it sees the old content or the new."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with draft.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    sync(path.parent)


def sync(place: Path) -> None:
    """Make a file's content, or a folder's names, durable."""
    handle = os.open(place, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def stamp_of(path: Path) -> Stamp | None:
    """What changes when a file is replaced; None where there is no file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
