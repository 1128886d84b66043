"""An address to a file on this machine: the mirror first, then the cache, then the address itself."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote, urlsplit

from creditrisk.contract import Source
from creditrisk.data.reading.local import first_bytes
from creditrisk.errors import SourceError, nearest
from creditrisk.progress import bar

MIRROR = "DATA_MIRROR"
"""Environment variable: a folder or URL prefix where files are looked up by their SHA-256 before their address."""
_PIECE = 1 << 20
_EXTRAS = {"http": "http", "https": "http", "s3": "s3", "s3a": "s3"}


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, as 64 hexadecimal digits.

    Raises:
        SourceError: the file is not there or cannot be read.
    """
    first_bytes(path)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fetch(source: Source, cache: Path, base: Path) -> Path:
    """Bring a source's file to this machine; a stated checksum holds for every file that is returned.

    Args:
        source: of a contract, with a url.
        cache: folder where what was downloaded is kept, by digest.
        base: folder that relative paths start from (the project's root).

    Raises:
        SourceError: the file is not there, its server cannot be reached, a package for it is missing, it cannot be
            written here, or it is not the file that the contract names (both digests are given).
    """
    if source.url is None:
        raise SourceError("The source is a simulation; there is no file to fetch.")
    mirrored = from_mirror(source, cache, base)
    if mirrored is not None:
        return mirrored
    local = local_path(source.url, base)
    if local is not None:
        first_bytes(local)
        if source.sha256 is not None:
            _check(sha256_of(local), source.sha256, str(local))
        return local
    kept = _kept(cache, source.sha256) if source.sha256 else None
    return kept or _download(source.url, cache, source.sha256)


def local_path(url: str, base: Path) -> Path | None:
    """The file that an address without a protocol (or ``file://``) means; None for any other address."""
    if url.startswith("file://"):
        return Path(unquote(urlsplit(url).path))
    return None if "://" in url else base / url


def check_address(url: str) -> None:
    """See that every protocol in an address is a known one; nothing is looked up there.

    Raises:
        SourceError: naming the one that is not, and the nearest one.
    """
    if "://" not in url:
        return
    from fsspec import available_protocols

    for part in url.split("::"):
        protocol, mark, _ = part.partition("://")
        if mark and protocol not in available_protocols():
            raise _unknown_protocol(url, protocol)


def shown(url: str) -> str:
    """An address without what may be secret in it: user, password, query."""
    return re.sub(r"//[^/@]*@", "//", url).split("?", 1)[0]


def _check(found: str, stated: str, where: str) -> None:
    if found != stated:
        raise SourceError(
            f"{where}: it is not the file that the contract names. SHA-256 stated: {stated}, found: {found}. Where the "
            "table was meant to change, write the new digest into the contract (main.py contract pin, for a local one)."
        )


def _kept(cache: Path, digest: str) -> Path | None:
    """The cached file of a digest; one that was damaged since is removed."""
    for path in sorted((cache / digest).glob("*")):
        if path.is_file() and not path.name.startswith("."):
            if sha256_of(path) == digest:
                return path
            path.unlink()
    return None


def _download(url: str, cache: Path, stated: str | None) -> Path:
    """Download into the cache under the digest; a wrong or unfinished file is not kept."""
    where = shown(url)
    draft: Path | None = None
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=cache, prefix=".download-", delete=False) as file:
            draft = Path(file.name)
            found = _copy(url, file)
        if stated is not None:
            _check(found, stated, where)
        place = cache / found / _file_name(url)
        place.parent.mkdir(exist_ok=True)
        draft.replace(place)
        return place
    except OSError as error:
        raise SourceError(f"{where}: cannot be kept in {cache}: {error.strerror or error}.") from None
    finally:
        if draft is not None:
            draft.unlink(missing_ok=True)


def _copy(url: str, file: IO[bytes]) -> str:
    """Copy an address's bytes into a file and return their digest."""
    digest, count = hashlib.sha256(), 0
    with _opened(url) as (stream, size), bar(f"fetching {_file_name(url)}", size) as progress:
        while piece := _read(stream, url):
            file.write(piece)
            digest.update(piece)
            count += len(piece)
            progress.advance(len(piece), "bytes")
    if size is not None and count < size:
        raise SourceError(f"{shown(url)}: the transfer was cut off after {count:,} of {size:,} bytes; run again.")
    return digest.hexdigest()


@contextmanager
def _opened(url: str) -> Iterator[tuple[IO[bytes], int | None]]:
    """An open stream and its size, where the server says it."""
    from fsspec.core import url_to_fs

    web = url.startswith(("http://", "https://"))
    try:
        files, path = url_to_fs(url, **(_web_options() if web else {}))
        size = files.info(path).get("size")
        stream = files.open(path, "rb", **({"block_size": 0} if web else {}))  # 0: one request, no seeking
    except Exception as error:  # each protocol has errors of its own
        raise _unreachable(url, error) from None
    with closing(stream):  # and `files` stays alive: an archive closes with its file system
        yield stream, int(size) if size else None


def _web_options() -> dict[str, Any]:
    import aiohttp

    patience = aiohttp.ClientTimeout(total=None, sock_connect=30, sock_read=60)
    # Packed in transit, a file would not have the digest that was stated.
    return {"client_kwargs": {"timeout": patience, "trust_env": True, "headers": {"Accept-Encoding": "identity"}}}


def _read(stream: IO[bytes], url: str) -> bytes:
    try:
        return stream.read(_PIECE)
    except Exception as error:
        raise _unreachable(url, error) from None


def _unreachable(url: str, error: Exception) -> SourceError:
    where, protocol = shown(url), url.split("://", 1)[0]
    if isinstance(error, ImportError):
        extra = _EXTRAS.get(protocol)
        how = f"uv sync --extra {extra}" if extra else f"uv pip install {getattr(error, 'name', None) or 'it'}"
        return SourceError(f"{where}: a package for {protocol}:// is not installed ({error}); add it with: {how}.")
    cause = error.__cause__
    if isinstance(error, FileNotFoundError) and isinstance(cause, Exception):
        error = cause  # fsspec says so of every server that does not answer
    status = getattr(error, "status", None)
    if isinstance(error, FileNotFoundError) or status in (404, 410):
        return SourceError(f"{where}: there is no such file; check source.url.")
    if isinstance(error, ValueError) and "rotocol" in str(error):
        return _unknown_protocol(url, protocol)
    said = str(error).replace(url, where).split("\n", 1)[0]
    why = f"the server answers {status}" if isinstance(status, int) else f"{type(error).__name__}: {said}"
    return SourceError(
        f"{where}: cannot be read ({why}). Check the address and the network, or put the file "
        f"into a folder and name that in {MIRROR}."
    )


def _unknown_protocol(url: str, protocol: str) -> SourceError:
    from fsspec import available_protocols

    return SourceError(
        f"{shown(url)}: the protocol {protocol!r} is not known.{nearest(protocol, available_protocols())} Correct "
        "source.url."
    )


def _file_name(url: str) -> str:
    """The last part of an address, fit to be a file's name."""
    last = unquote(shown(url).rstrip("/").rsplit("/", 1)[-1])
    return re.sub(r"[^\w.\-]", "_", last).lstrip(".")[:100] or "table"


def from_mirror(source: Source, cache: Path, base: Path) -> Path | None:
    """The source's file from the mirror; None where no mirror is named or it does not hold the file.

    Raises:
        SourceError: the mirror is a folder that is not there.
    """
    mirror = os.environ.get(MIRROR)
    if not mirror or source.sha256 is None or source.url is None:
        return None
    if "://" not in mirror:
        return _in_folder(_folder(mirror, base), _file_name(source.url), source.sha256, cache)
    kept = _kept(cache, source.sha256)
    if kept is not None:
        return kept
    for name in (source.sha256, _file_name(source.url)):
        with suppress(SourceError):  # not there, or another file of that name: the address itself is asked next
            return _download(f"{mirror.rstrip('/')}/{name}", cache, source.sha256)
    return None


def _folder(mirror: str, base: Path) -> Path:
    """A relative mirror stands below the project's root, or else below the working folder."""
    for folder in (base / mirror, Path(mirror)):
        if folder.is_dir():
            return folder
    raise SourceError(f"{MIRROR} is {mirror!r}: no such folder; correct the variable, or remove it.")


def _in_folder(folder: Path, likely: str, digest: str, cache: Path) -> Path | None:
    """The folder's file with a digest. Digests are remembered by path, size and time of change."""
    memory = cache / "mirror.json"
    known = _remembered(memory)
    files = sorted((p for p in folder.iterdir() if p.is_file()), key=lambda p: (p.name not in (likely, digest), p.name))
    for path in files:
        stat = path.stat()
        stamp = [stat.st_size, stat.st_mtime_ns]
        entry = known.get(str(path.resolve()), [])
        if entry[:2] != stamp:
            entry = [*stamp, sha256_of(path) if stat.st_size else ""]
            known[str(path.resolve())] = entry
            _remember(memory, known)
        if entry[2] == digest:
            return path
    return None


def _remembered(memory: Path) -> dict[str, list[Any]]:
    try:
        value = json.loads(memory.read_text(encoding="utf-8"))
        return {k: v for k, v in value.items() if isinstance(v, list) and len(v) == 3}
    except (OSError, ValueError, AttributeError):
        return {}


def _remember(memory: Path, known: dict[str, list[Any]]) -> None:
    with suppress(OSError):  # it only saves time
        memory.parent.mkdir(parents=True, exist_ok=True)
        draft = memory.with_name(f".{memory.name}.{os.getpid()}")
        draft.write_text(json.dumps(known), encoding="utf-8")
        draft.replace(memory)
