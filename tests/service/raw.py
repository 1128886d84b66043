"""A client that sends exactly the bytes it is told to, on a loopback socket."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from service.running import APPLICATION

BODY = json.dumps({"application": APPLICATION}).encode()
LIVE = b"GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n"


@dataclass
class Answer:
    """One answer as it came."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Raw:
    """One connection."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._read = b""

    def send(self, content: bytes) -> None:
        self.socket.sendall(content)

    def answer(self, head: bool = False) -> Answer:
        """The next answer; ``head`` where it has no body."""
        while b"\r\n\r\n" not in self._read:
            self._more()
        start, _, self._read = self._read.partition(b"\r\n\r\n")
        first, *lines = start.decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        assert len(headers) == len(lines), lines
        size = 0 if head else int(headers.get("content-length", 0))
        while len(self._read) < size:
            self._more()
        body, self._read = self._read[:size], self._read[size:]
        return Answer(int(first.split()[1]), headers, body)

    def ended(self) -> bool:
        """Wait for the end of the connection; False where something came instead."""
        with contextlib.suppress(ConnectionResetError):
            return not self._read and not self.socket.recv(1)
        return True

    def silent(self, seconds: float = 0.3) -> bool:
        """Whether nothing comes for a while."""
        if self._read:
            return False
        self.socket.settimeout(seconds)
        try:
            self._read += self.socket.recv(65_536)
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(30)
        return False

    def _more(self) -> None:
        part = self.socket.recv(65_536)
        if not part:
            raise EOFError(f"the connection ended after {self._read!r}")
        self._read += part


@contextlib.contextmanager
def connected(port: int) -> Iterator[Raw]:
    """A connection until the block ends."""
    raw = Raw(port)
    try:
        yield raw
    finally:
        raw.socket.close()


def score(
    body: bytes = BODY, *headers: str, target: str = "/v1/score", method: str = "POST", version: str = "1.1"
) -> bytes:
    """A request with the body's length."""
    lines = [f"{method} {target} HTTP/{version}", "host: localhost", "content-type: application/json", *headers]
    return "\r\n".join([*lines, f"content-length: {len(body)}", "", ""]).encode() + body


def chunked(*parts: bytes, trailer: str = "", head: str = "") -> bytes:
    """The same in chunks."""
    start = f"POST /v1/score HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n{head}"
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
    return start.encode() + b"transfer-encoding: chunked\r\n\r\n" + chunks + b"0\r\n" + trailer.encode() + b"\r\n"
