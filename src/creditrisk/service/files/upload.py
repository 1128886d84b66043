"""An upload, streamed to a file on disk: multipart/form-data with one file, or the file itself as the body."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from email.message import Message
from pathlib import Path
from typing import BinaryIO, Literal

from python_multipart.exceptions import FormParserError, MultipartParseError
from python_multipart.multipart import MultipartParser

from creditrisk.service.http.border import too_large
from creditrisk.service.problem import Problem

Kind = Literal["csv", "parquet"]
PARQUET_MARK = b"PAR1"
GZIP_MARK, ZIP_MARK = b"\x1f\x8b", b"PK\x03\x04"
CSV_TYPES = ("text/csv", "application/csv", "text/plain")
PARQUET_TYPES = ("application/vnd.apache.parquet", "application/octet-stream")
_QUOTED, _FILE_NAME = re.compile(rb'"(?:\\.|[^"\\])*"'), re.compile(rb";\s*filename\*?\s*=", re.IGNORECASE)
"""A text in quotes, and the parameter that makes a form's part a file."""
WRITE_BYTES = 1 << 20
"""Bytes that are gathered before a thread writes them."""


async def receive_upload(stream: AsyncIterator[bytes], content_type: str, path: Path, limit: int) -> Kind:
    """Write an upload to ``path`` and say what it is by its first bytes.

    Raises:
        Problem: 400 no file or a broken form, 413 over the limit, 415 another media type or packing.
    """
    media_type, boundary = _media_type(content_type)
    loop = asyncio.get_running_loop()
    with path.open("wb") as file:
        if media_type == "multipart/form-data":
            sink: _Plain = _Form(boundary, file)
        elif media_type in (*CSV_TYPES, *PARQUET_TYPES):
            sink = _Plain(file)
        else:
            raise _unsupported(f"The file came as {media_type or 'no type at all'}")
        size, held = 0, bytearray()
        async for piece in stream:
            size += len(piece)
            if size > limit:
                raise too_large(limit)
            held += piece
            if len(held) >= WRITE_BYTES:
                # On a thread: a disk that hesitates must not hold up single applications.
                await loop.run_in_executor(None, sink.write, bytes(held))
                held.clear()
        await loop.run_in_executor(None, sink.write, bytes(held))
        sink.close()
    return _kind(path)


async def steadily(stream: AsyncIterator[bytes], seconds: float, rate: int) -> AsyncIterator[bytes]:
    """Pass a body on while it comes at no less than a rate.

    The client has so many seconds to be waited for; waiting uses them up and each piece gives some back, never more
    than there were, so that what came fast at first buys no long silence. The disk's time is not the client's.

    Args:
        rate: bytes in a second.

    Raises:
        Problem: 408.
    """
    clock, credit = asyncio.get_running_loop().time, seconds
    while True:
        began = clock()
        try:
            async with asyncio.timeout(credit):
                piece = await anext(stream)
        except StopAsyncIteration:
            return
        except TimeoutError:
            detail = f"The file came at less than {rate:,} bytes a second for {seconds:g} seconds; send it again."
            raise Problem(408, "too-slow", detail, headers={"Connection": "close"}) from None
        credit = min(seconds, credit - (clock() - began) + len(piece) / rate)
        yield piece


class _Plain:
    """The body is the file."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, data: bytes) -> None:
        self._file.write(data)

    def close(self) -> None:
        """Nothing is left to do."""


class _Form(_Plain):
    """A form; its first part that has a file's name is the file, others are passed over."""

    def __init__(self, boundary: str, file: BinaryIO) -> None:
        super().__init__(file)
        if not boundary:
            raise Problem(400, "broken-form", "multipart/form-data without a boundary.")
        self._header, self._value = b"", b""
        self._inside = self._found = self._ended = self._named = False
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin,
                    "on_header_field": self._header_field,
                    "on_header_value": self._header_value,
                    "on_header_end": self._header_end,
                    "on_headers_finished": self._headers_finished,
                    "on_part_data": self._data,
                    "on_part_end": self._part_end,
                    "on_end": self._end,
                },
            )
        except FormParserError as error:  # such as a boundary that is too long
            raise Problem(400, "broken-form", f"The form cannot be read: {error}.") from None

    def write(self, data: bytes) -> None:
        try:
            self._parser.write(data)
        except MultipartParseError as error:
            raise Problem(400, "broken-form", f"The form cannot be read: {error}.") from None

    def close(self) -> None:
        """See that a file came, to its end."""
        if not self._found:
            raise Problem(400, "no-file", "The form holds no file; send one part with a file name.")
        if not self._ended:
            raise Problem(400, "broken-form", "The form ends before its closing boundary.")

    def _begin(self) -> None:
        self._named = False

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._named = _FILE_NAME.search(_QUOTED.sub(b"", self._value)) is not None
        self._header, self._value = b"", b""

    def _headers_finished(self) -> None:
        self._inside = self._named and not self._found
        self._found = self._found or self._inside

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._inside:
            self._file.write(memoryview(data)[start:end])

    def _part_end(self) -> None:
        self._inside = False

    def _end(self) -> None:
        self._ended = True


def _media_type(content_type: str) -> tuple[str, str]:
    """A media type, and the boundary where it is a plain text: RFC 2231's ``boundary*=`` stands in no form."""
    message = Message()
    message["content-type"] = content_type
    boundary = message.get_param("boundary")
    return content_type.partition(";")[0].strip().lower(), boundary if isinstance(boundary, str) else ""


def _kind(path: Path) -> Kind:
    with path.open("rb") as file:
        start = file.read(4)
    if not start:
        raise Problem(400, "no-file", "The file is empty.")
    if start == PARQUET_MARK:
        return "parquet"
    if start[:2] == GZIP_MARK or start == ZIP_MARK:
        raise _unsupported("The file is packed")
    return "csv"


def _unsupported(what: str) -> Problem:
    return Problem(
        415, "unsupported-media-type", f"{what}; send a plain CSV or Parquet file, or a form that holds one."
    )
