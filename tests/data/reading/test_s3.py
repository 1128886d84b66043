"""A table in an S3 bucket, served by moto: fetched, checked against its digest, and refused in a sentence."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from creditrisk.contract import Source
from creditrisk.data.reading.fetch import fetch
from creditrisk.errors import SourceError

pytestmark = [
    pytest.mark.slow,
    # botocore's and moto's own
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
TABLE = b"a,b\n1,2\n"
DIGEST = hashlib.sha256(TABLE).hexdigest()


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """The address of an S3 server with one bucket and one table; skipped where moto or the s3 extra is absent."""
    server = pytest.importorskip("moto.server", reason="moto[server] is not installed")
    pytest.importorskip("s3fs", reason="the s3 extra is not installed: uv sync --extra s3")
    boto3 = pytest.importorskip("boto3", reason="the s3 extra is not installed: uv sync --extra s3")
    running = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    address = f"http://{host}:{port}"
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
    client = boto3.client("s3", endpoint_url=address, **keys)
    client.create_bucket(Bucket="lender")
    client.put_object(Bucket="lender", Key="loans/2024.csv", Body=TABLE)
    client.close()
    yield address
    running.stop()


@pytest.fixture(autouse=True)
def _surroundings(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATA_MIRROR", raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")


def test_a_table_in_a_bucket_is_fetched_and_checked(tmp_path: Path) -> None:
    source = Source(url="s3://lender/loans/2024.csv", sha256=DIGEST)
    path = fetch(source, tmp_path / "cache", tmp_path)
    assert path.read_bytes() == TABLE
    assert path.name == "2024.csv"


@pytest.mark.parametrize("prefix", ["s3://lender/loans", "s3://lender/absent"])
def test_a_table_of_another_digest_or_none_at_all_is_said_so(prefix: str, tmp_path: Path) -> None:
    source = Source(url=f"{prefix}/2024.csv", sha256="0" * 64)
    with pytest.raises(SourceError) as caught:
        fetch(source, tmp_path / "cache", tmp_path)
    message = str(caught.value)
    assert f"{prefix}/2024.csv" in message
    if prefix.endswith("loans"):
        assert "0" * 64 in message
        assert DIGEST in message
    else:
        assert "no such file" in message.lower()
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


def test_a_bucket_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"s3://nobody/loans\.csv"):
        fetch(Source(url="s3://nobody/loans.csv"), tmp_path / "cache", tmp_path)


def test_a_mirror_may_be_a_bucket(tmp_path: Path, endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATA_MIRROR", "s3://lender/loans")
    source = Source(url="https://nowhere.invalid/2024.csv", sha256=DIGEST)
    assert fetch(source, tmp_path / "cache", tmp_path).read_bytes() == TABLE
