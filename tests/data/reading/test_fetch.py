"""Fetching: mirror, cache, download, checksums, and what goes wrong with them."""

from __future__ import annotations

import errno
import hashlib
import io
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import nullcontext
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO

import fsspec
import pytest

from creditrisk.contract import Source
from creditrisk.data.reading import fetch as module
from creditrisk.data.reading.fetch import fetch, sha256_of, shown
from creditrisk.errors import SourceError

TABLE = b"a,b\n1,2\n"
DIGEST = hashlib.sha256(TABLE).hexdigest()


class Quiet(SimpleHTTPRequestHandler):
    asked: list[str] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        super().do_GET()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    folder = tmp_path / "site"
    folder.mkdir()
    Quiet.asked.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", folder
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def _no_mirror(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATA_MIRROR", raising=False)


def kept(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.rglob("*") if path.is_file())


def test_a_local_file_stays_where_it_is(tmp_path: Path) -> None:
    path = tmp_path / "loans.csv"
    path.write_bytes(TABLE)
    assert fetch(Source(url="loans.csv"), tmp_path / "cache", tmp_path) == path
    assert fetch(Source(url=f"file://{path}", sha256=DIGEST), tmp_path / "cache", Path("/")) == path
    assert not (tmp_path / "cache").exists()


def test_a_local_file_with_another_checksum_names_both(tmp_path: Path) -> None:
    (tmp_path / "loans.csv").write_bytes(b"other")
    with pytest.raises(SourceError) as caught:
        fetch(Source(url="loans.csv", sha256=DIGEST), tmp_path / "cache", tmp_path)
    assert DIGEST in str(caught.value)
    assert hashlib.sha256(b"other").hexdigest() in str(caught.value)


def test_a_missing_file_suggests_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "loans.csv").write_bytes(TABLE)
    with pytest.raises(SourceError, match=r"loan\.csv: no such file\. Did you mean 'loans\.csv'\?"):
        fetch(Source(url="loan.csv"), tmp_path / "cache", tmp_path)


def test_a_download_is_kept_by_digest_and_fetched_once(site: tuple[str, Path], tmp_path: Path) -> None:
    address, folder = site
    (folder / "my loans.csv").write_bytes(TABLE)
    source = Source(url=f"{address}/my%20loans.csv?key=1", sha256=DIGEST)
    path = fetch(source, tmp_path / "cache", tmp_path)
    assert path == tmp_path / "cache" / DIGEST / "my_loans.csv"
    assert path.read_bytes() == TABLE
    Quiet.asked.clear()
    assert fetch(source, tmp_path / "cache", tmp_path) == path
    assert not Quiet.asked


def test_a_cached_file_that_was_damaged_is_fetched_again(site: tuple[str, Path], tmp_path: Path) -> None:
    address, folder = site
    (folder / "loans.csv").write_bytes(TABLE)
    source = Source(url=f"{address}/loans.csv", sha256=DIGEST)
    fetch(source, tmp_path / "cache", tmp_path).write_bytes(b"damaged")
    assert fetch(source, tmp_path / "cache", tmp_path).read_bytes() == TABLE


def test_a_download_with_another_checksum_is_not_kept(site: tuple[str, Path], tmp_path: Path) -> None:
    address, folder = site
    (folder / "loans.csv").write_bytes(b"other")
    with pytest.raises(SourceError) as caught:
        fetch(Source(url=f"{address}/loans.csv", sha256=DIGEST), tmp_path / "cache", tmp_path)
    assert DIGEST in str(caught.value)
    assert hashlib.sha256(b"other").hexdigest() in str(caught.value)
    assert kept(tmp_path / "cache") == []


def test_without_a_checksum_the_newest_is_taken(site: tuple[str, Path], tmp_path: Path) -> None:
    address, folder = site
    for content in (b"one", b"two"):
        (folder / "loans.csv").write_bytes(content)
        assert fetch(Source(url=f"{address}/loans.csv"), tmp_path / "cache", tmp_path).read_bytes() == content


def test_what_the_server_does_not_have(site: tuple[str, Path], tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"/loans\.csv: there is no such file; check source\.url"):
        fetch(Source(url=f"{site[0]}/loans.csv"), tmp_path / "cache", tmp_path)
    assert kept(tmp_path / "cache") == []


def test_an_unreachable_server_and_no_secret_in_the_message(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(SourceError, match=r"cannot be read .*Check the address and the network") as caught:
        fetch(Source(url=f"http://me:secret@127.0.0.1:{port}/loans.csv?token=hidden"), tmp_path / "cache", tmp_path)
    assert "secret" not in str(caught.value)
    assert "hidden" not in str(caught.value)
    assert shown("https://u:p@host/a.csv?x=1") == "https://host/a.csv"


def test_other_protocols_go_through_fsspec(tmp_path: Path) -> None:
    with fsspec.open("memory://bucket/loans.csv", "wb") as file:
        file.write(TABLE)
    assert fetch(Source(url="memory://bucket/loans.csv", sha256=DIGEST), tmp_path, tmp_path).read_bytes() == TABLE
    with pytest.raises(SourceError, match="the protocol 'nonsense' is not known"):
        fetch(Source(url="nonsense://x/loans.csv"), tmp_path, tmp_path)


def test_a_missing_package_names_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(SourceError, match=r"s3:// is not installed .*uv sync --extra s3"):
        fetch(Source(url="s3://bucket/loans.csv"), tmp_path, tmp_path)


def test_a_full_disk_keeps_nothing(site: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    address, folder = site
    (folder / "loans.csv").write_bytes(TABLE)

    def full(url: str, file: IO[bytes]) -> str:
        file.write(b"begun")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module, "_copy", full)
    with pytest.raises(SourceError, match=r"cannot be kept in .*No space left on device"):
        fetch(Source(url=f"{address}/loans.csv"), tmp_path / "cache", tmp_path)
    assert kept(tmp_path / "cache") == []


def test_a_transfer_cut_off_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_opened", lambda url: nullcontext((io.BytesIO(TABLE[:3]), len(TABLE))))
    with pytest.raises(SourceError, match="cut off after 3 of 8 bytes"):
        fetch(Source(url="http://127.0.0.1/loans.csv"), tmp_path / "cache", tmp_path)


def test_a_mirror_folder_is_searched_by_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    (mirror / "another name.csv").write_bytes(TABLE)
    (mirror / "loans.csv").write_bytes(b"an older version")
    monkeypatch.setenv("DATA_MIRROR", "mirror")
    source = Source(url="http://127.0.0.1:9/loans.csv", sha256=DIGEST)
    assert fetch(source, tmp_path / "cache", tmp_path) == mirror / "another name.csv"
    hashed: list[Path] = []

    def note(path: Path) -> str:
        hashed.append(path)
        return ""

    monkeypatch.setattr(module, "sha256_of", note)
    assert fetch(source, tmp_path / "cache", tmp_path) == mirror / "another name.csv"
    assert hashed == []


def test_a_mirror_without_the_file_leaves_it_to_the_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "loans.csv").write_bytes(TABLE)
    monkeypatch.setenv("DATA_MIRROR", str(tmp_path / "empty"))
    assert fetch(Source(url="loans.csv", sha256=DIGEST), tmp_path / "cache", tmp_path) == tmp_path / "loans.csv"


def test_a_mirror_that_is_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATA_MIRROR", "nowhere")
    with pytest.raises(SourceError, match="DATA_MIRROR is 'nowhere': no such folder"):
        fetch(Source(url="loans.csv", sha256=DIGEST), tmp_path / "cache", tmp_path)


@pytest.mark.parametrize("name", [DIGEST, "loans.csv"])
def test_a_mirror_address_is_asked_for_digest_then_name(
    name: str, site: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, folder = site
    (folder / name).write_bytes(TABLE)
    monkeypatch.setenv("DATA_MIRROR", address + "/")
    source = Source(url="http://127.0.0.1:9/loans.csv", sha256=DIGEST)
    assert fetch(source, tmp_path / "cache", tmp_path).read_bytes() == TABLE


def test_sha256_of(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(TABLE)
    assert sha256_of(tmp_path / "x") == DIGEST
    with pytest.raises(SourceError, match="no such file"):
        sha256_of(tmp_path / "y")
