"""A file on this machine: what it holds, and how it is packed."""

from __future__ import annotations

import gzip
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from lzma import LZMAError
from pathlib import Path, PurePosixPath
from typing import IO, Literal

from creditrisk.contract import Format
from creditrisk.errors import SourceError, nearest

Kind = Literal["csv", "parquet", "excel"]
Packing = Literal["none", "gzip", "zip"]

_SUFFIXES: dict[str, Kind] = {".parquet": "parquet", ".pq": "parquet"}
_SUFFIXES |= dict.fromkeys((".xlsx", ".xlsm", ".xlsb", ".xls", ".ods"), "excel")
SAID = 200
"""Characters of a library's message that are passed on; one of a damaged archive may quote all of it."""
_OLD_EXCEL = b"\xd0\xcf\x11\xe0"
_DAMAGED = (EOFError, zlib.error, LZMAError, zipfile.BadZipFile, RuntimeError, NotImplementedError, OSError)


@dataclass(frozen=True)
class LocalFile:
    """A table in a file, and how to read its bytes."""

    path: Path
    kind: Kind
    packing: Packing = "none"
    member: str | None = None

    @property
    def where(self) -> str:
        """What messages call it."""
        return f"{self.path}, member {self.member}" if self.member else str(self.path)

    @contextmanager
    def stream(self) -> Iterator[tuple[IO[bytes], Callable[[], int]]]:
        """Its bytes, unpacked, and a function that says how many bytes of the file itself were read by then.

        Raises:
            SourceError: the file cannot be read, or its packing is damaged or encrypted.
        """
        try:
            with self.path.open("rb") as file:
                if self.packing == "gzip":
                    with gzip.open(file) as plain:
                        yield plain, file.tell  # type: ignore[misc]
                elif self.packing == "zip" and self.member:
                    with zipfile.ZipFile(file) as archive, archive.open(self.member) as plain:
                        yield plain, file.tell
                else:
                    yield file, file.tell
        except _DAMAGED as error:
            if self.packing == "none":
                raise
            raise SourceError(
                f"{self.where}: cannot be unpacked ({str(error)[:SAID]}); the file is damaged, cut off or encrypted. "
                "Fetch it again."
            ) from None


def inspect(path: Path, layout: Format) -> LocalFile:
    """Find out what a file is, by the contract's format first, then its first bytes, then its name.

    Raises:
        SourceError: there is no such file, it cannot be read, is empty, is not what the format says, or is an archive
            of several files and the format does not say which.
    """
    start = first_bytes(path)
    if start.startswith(b"\x1f\x8b"):
        inner = path.name.removesuffix(".gz")
        return LocalFile(path, _kind(inner, b"", layout, path), "gzip")
    if start.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _archive(path, layout)
    if layout.member:
        raise SourceError(f"{path}: source.format.member is {layout.member!r}, but the file is no zip archive.")
    return LocalFile(path, _kind(path.name, start, layout, path))


def first_bytes(path: Path) -> bytes:
    """The first bytes of a file.

    Raises:
        SourceError: there is no such file, it cannot be read, or it is empty.
    """
    try:
        with path.open("rb") as file:
            start = file.read(64)
    except FileNotFoundError:
        beside = [item.name for item in path.parent.iterdir() if item.is_file()] if path.parent.is_dir() else []
        hint = nearest(path.name, beside)
        raise SourceError(f"{path}: no such file.{hint}") from None
    except IsADirectoryError:
        raise SourceError(f"{path}: a folder; expected the file of a table.") from None
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {error.strerror}.") from None
    if not start:
        raise SourceError(f"{path}: the file is empty; expected a table.")
    return start


def _kind(name: str, start: bytes, layout: Format, path: Path) -> Kind:
    seen: Kind | None = "parquet" if start.startswith(b"PAR1") else "excel" if start.startswith(_OLD_EXCEL) else None
    if layout.kind != "auto":
        if start and ((seen and seen != layout.kind) or (layout.kind == "parquet" and seen is None)):
            raise SourceError(
                f"{path}: source.format.kind says {layout.kind}, but the file begins with {start[:8]!r}, as "
                f"{seen or 'no Parquet file'} does; correct format.kind, or fetch the file again."
            )
        return layout.kind
    return seen or _SUFFIXES.get(Path(name).suffix.lower(), "csv")


def _is_litter(name: str) -> bool:
    """Whether a file in an archive is one of those that systems leave in folders, which nobody put there."""
    return name.startswith("__MACOSX/") or PurePosixPath(name).name in (".DS_Store", "Thumbs.db", "desktop.ini")


def _archive(path: Path, layout: Format) -> LocalFile:
    try:
        with zipfile.ZipFile(path) as archive:
            names = [item.filename for item in archive.infolist() if not item.is_dir()]
    except _DAMAGED as error:
        raise SourceError(f"{path}: cannot be unpacked ({str(error)[:SAID]}); fetch it again.") from None
    if any(name.startswith("xl/workbook.") or name == "content.xml" for name in names):
        if layout.kind not in ("auto", "excel"):
            raise SourceError(f"{path}: source.format.kind says {layout.kind}, but it is a spreadsheet.")
        return LocalFile(path, "excel")
    names = [name for name in names if not _is_litter(name)]
    member = layout.member
    if member is None:
        if len(names) != 1:
            listed = ", ".join(names[:20]) or "no file at all"
            raise SourceError(
                f"{path}: the archive holds {len(names)} files; give the table's file alone, or name a contract's own "
                f"table under source.format.member: {listed}."
            )
        member = names[0]
    if member not in names:
        raise SourceError(
            f"{path}: the archive has no member {member!r}.{nearest(member, names)} It has: {', '.join(names[:20])}."
        )
    return LocalFile(path, _kind(member, b"", layout, path), "zip", member)
