"""Delimited text to frames, block by block: every column as text, in order, and no broken line lost.

Polars stops at a line that has too many fields and fills one that has too few with nulls without a word. So each block
is checked: where it has no quotation mark, and as many separators as its records should have in all, and Polars did not
stop, then each of them has its own. Else NumPy counts the separators of each record outside quotation marks, and only
a block in which something is odd is gone through record by record. Quoting is RFC 4180's: a field that begins with a
quotation mark is quoted and may hold separators, line ends and doubled quotation marks; a quotation mark inside an
unquoted field stands for itself. Empty lines are passed over, as pandas does. A first line ``sep=;``, which Excel
obeys, says the separator, whatever else was said, and is no part of the table.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import IO

import numpy as np
import polars as pl

from creditrisk.data.reading.header import BROKEN, BROKEN_TEXT, check_text, checked_names, declared_separator
from creditrisk.data.reading.quoting import NEWLINE, QUOTE, outside, well_quoted
from creditrisk.errors import SourceError

BLOCK = 8 << 20
"""Bytes read at a time."""
LONGEST = 1 << 20
"""Bytes of the longest record; what is longer is taken for a quotation mark that nobody closed."""
SHOWN = 500
"""Characters of a broken line that are kept."""
MIN_BROKEN = 1_000
"""So many broken lines, and more of them than rows: the text is no table of this kind."""


class Delimited:
    """One text, read once from its start. The header is read at once, ``frames`` gives the rest.

    Raises:
        SourceError: the text is empty, in another encoding, has no usable header row, or is no table at all.
    """

    def __init__(self, stream: IO[bytes], where: str, separator: str = ",", encoding: str = "utf-8") -> None:
        if not separator.isascii() or separator in '"\r\n':
            raise SourceError(f"{where}: format.separator is {separator!r}; expected one ASCII character, such as ';'.")
        self._stream, self._where, self._encoding = stream, where, encoding
        self._rest, self._first, self._ended = b"", True, False
        self._rows, self._line, self._faults = 0, 1, 0
        self.separator = self._begin() or separator
        self._mark = self.separator.encode()
        other = re.escape(self._mark)
        one = rb'(?>"[^"]*+(?:""[^"]*+)*+"|[^"\n' + other + rb"][^\n" + other + rb"]*+|)"
        self._field = re.compile(one)
        self._any_record = re.compile(one + b"(?:" + other + one + rb")*+\r?\n")
        self.names = self._header()
        plain = rb'(?>"[^"]*+(?:""[^"]*+)*+"|[^"\n' + other + rb"]*+)"
        again = b"){%d}" % (len(self.names) - 1) + rb"\r?\n"
        self._record = re.compile(one + b"(?:" + other + one + again)
        self._plain_record = re.compile(plain + b"(?:" + other + plain + again)

    @property
    def schema(self) -> dict[str, pl.DataType]:
        """Columns of the frames."""
        return dict.fromkeys([*self.names, BROKEN, BROKEN_TEXT], pl.String())

    def frames(self) -> Iterator[pl.DataFrame]:
        """Give the rows, some ten thousand at a time.

        Raises:
            SourceError: a byte does not belong to the encoding, or most lines are broken.
        """
        while self._rest or not self._ended:
            if not self._ended:
                self._more()
            data = self._rest
            if not data:
                return
            plain = self._plain(data)
            if plain is not None:
                self._rest = data[data.rindex(b"\n") + 1 :]
                yield self._marked(plain)
                self._line += plain.height
                self._rows += plain.height
                continue
            end, rows = self._whole(data)
            broken: list[tuple[int, str, str]] = []
            good = data[:end]
            if not end:
                end, rows, good, broken = self._sift(data)
            self._rest = data[end:]
            if rows or broken:
                yield self._frame(good, rows, broken)
            self._line += data.count(b"\n", 0, end)
            self._rows += rows + len(broken)

    def _more(self) -> None:
        piece = self._stream.read(BLOCK)
        if self._first:
            check_text(
                piece, self._where
            )  # as it stands in the file: in another encoding its first bytes look otherwise
            self._first = False
        self._ended = not piece
        if self._encoding != "utf-8":
            piece = self._recoded(piece)
        self._rest += piece
        if self._ended and self._rest and not self._rest.endswith(b"\n"):
            self._rest += b"\n"

    def _recoded(self, piece: bytes) -> bytes:
        try:
            return piece.decode(self._encoding).encode()
        except UnicodeDecodeError as error:
            raise SourceError(
                f"{self._where}, after row {self._rows:,}: the byte 0x{piece[error.start]:02x} is not in "
                f"{self._encoding}; save it so, or write a contract's own encoding under source.format.encoding."
            ) from None

    def _begin(self) -> str | None:
        """Read the first block up to the header row; give the separator that the text declares, if any."""
        self._more()
        self._rest = self._rest.removeprefix(b"\xef\xbb\xbf")
        length, declared = declared_separator(self._rest)
        self._rest, self._line = self._rest[length:], 1 + (length > 0)
        return declared

    def _header(self) -> list[str]:
        while self._rest.startswith((b"\n", b"\r\n")):
            self._rest, self._line = self._rest.split(b"\n", 1)[1], self._line + 1
        if not self._rest:
            self._more()
        if not self._rest.strip():
            raise SourceError(f"{self._where}: the file is empty; expected a header row and rows below it.")
        found = self._any_record.match(self._rest)
        while found is None and not self._ended and len(self._rest) <= LONGEST:
            self._more()
            found = self._any_record.match(self._rest)
        if found is None:
            first = _text(self._rest.split(b"\n", 1)[0])[:SHOWN]
            raise SourceError(
                f"{self._where}, line {self._line}: the header row cannot be read, its quotation marks do not match: "
                f"{first!r}."
            )
        self._rest = self._rest[found.end() :]
        self._line += found.group().count(b"\n")
        try:
            fields = [item.decode() for item in self._fields(found.group())]
        except UnicodeDecodeError as error:
            raise self._not_utf8(error.object[error.start], "the header row") from None
        return checked_names(fields, self._mark.decode(), self._where)

    def _fields(self, record: bytes) -> list[bytes]:
        """The unquoted fields of a whole record."""
        record = record.removesuffix(b"\n").removesuffix(b"\r")
        fields, place = [], 0
        while found := self._field.match(record, place):
            text = found.group()
            fields.append(text[1:-1].replace(b'""', b'"') if text.startswith(b'"') else text)
            place = found.end() + 1
            if place > len(record):
                break
        return fields

    def _plain(self, data: bytes) -> pl.DataFrame | None:
        """The records of a block in which all is plain and well; None where that is not known."""
        end = data.rfind(b"\n") + 1
        if not end or b'"' in data or (self._ended and end != len(data)) or _has_longer(data, end):
            return None
        good = data[:end]
        text = np.frombuffer(good, np.uint8)
        rows = int(np.count_nonzero(text == NEWLINE))
        marks = int(np.count_nonzero(text == self._mark[0]))
        if len(self.names) == 1 or marks != rows * (len(self.names) - 1):
            return None
        try:
            table = self._read(good)
        except pl.exceptions.PolarsError:
            return None
        return table if table.height == rows else None

    def _whole(self, data: bytes) -> tuple[int, int]:
        """Where the last record of a block ends, and how many there are; 0, 0 where any of them is odd."""
        text = np.frombuffer(data, np.uint8)
        places = np.flatnonzero((text == NEWLINE) | (text == self._mark[0]))
        quotes = np.flatnonzero(text == QUOTE) if b'"' in data else None
        if quotes is not None:
            places = outside(places, quotes)
        which = np.flatnonzero(text[places] == NEWLINE)
        ends = places[which]
        if not ends.size or (self._ended and ends[-1] + 1 != text.size):
            return 0, 0
        if quotes is not None and not well_quoted(text, quotes[quotes < ends[-1]], self._mark[0]):
            return 0, 0
        lengths = np.diff(ends, prepend=-1)
        fields = np.diff(which, prepend=-1)
        blank = len(self.names) == 1 and lengths.min() <= 2
        if blank or lengths.max() > LONGEST or (fields != len(self.names)).any():
            return 0, 0
        return int(ends[-1]) + 1, ends.size

    def _sift(self, data: bytes) -> tuple[int, int, bytes, list[tuple[int, str, str]]]:
        """Part a block's good records from its broken lines.

        Returns:
            where the block ends, how many good records it holds, their bytes, and the broken lines: number in the
            block, what is wrong, text.
        """
        good: list[bytes] = []
        broken: list[tuple[int, str, str]] = []
        place = rows = counted = 0
        line = self._line
        while place < len(data):
            if data.startswith((b"\n", b"\r\n"), place):
                place = data.index(b"\n", place) + 1
                continue
            found = self._plain_record.match(data, place) or self._record.match(data, place)
            if found is not None and found.end() - place <= LONGEST:
                good.append(found.group() if found.re is self._plain_record else self._requoted(found.group()))
                rows += 1
                place = found.end()
                continue
            if not self._ended and len(data) - place <= LONGEST:
                break  # its end may lie in the next block
            line += data.count(b"\n", counted, place)
            counted = place
            end, why = self._fault(data, place, line)
            broken.append(
                (rows + len(broken), f"{why} (line {line:,})", _text(data[place:end].rstrip(b"\r\n"))[:SHOWN])
            )
            self._count_fault(broken[-1], rows)
            place = end
        return place, rows, b"".join(good), broken

    def _fault(self, data: bytes, place: int, line: int) -> tuple[int, str]:
        """Where a broken line ends and what is wrong with it."""
        found = self._any_record.match(data, place)
        if found is not None and found.end() - place <= LONGEST:
            count = len(self._fields(found.group()))
            return found.end(), f"{len(self.names)} fields as in the header, found {count}"
        end = data.find(b"\n", place) + 1
        if not end:
            raise SourceError(
                f"{self._where}, line {line:,}: it is longer than {LONGEST:,} bytes; is this a text table?"
            )
        return end, "quotation marks in pairs around a field, found one that is not"

    def _count_fault(self, fault: tuple[int, str, str], rows: int) -> None:
        self._faults += 1
        if self._faults >= MIN_BROKEN and self._faults > (self._rows + rows) / 2:
            raise SourceError(
                f"{self._where}: {self._faults:,} of the first {self._rows + fault[0] + 1:,} lines are broken, so it "
                f"is not a table of this format. Row {self._rows + fault[0] + 1:,}: expected {fault[1]}: "
                f"{fault[2][:100]!r}. Are all lines parted as the header is? A contract's own table is parted by "
                "source.format.separator."
            )

    def _requoted(self, record: bytes) -> bytes:
        """Quote fields with a quotation mark inside, which Polars would take for the beginning of a quoted one."""
        fields = self._fields(record)
        return self._mark.join(b'"' + item.replace(b'"', b'""') + b'"' if item else b"" for item in fields) + b"\n"

    def _frame(self, good: bytes, rows: int, broken: list[tuple[int, str, str]]) -> pl.DataFrame:
        table = self._parsed(good, rows)
        if not broken:
            return self._marked(table)
        bad = {number: (why, text) for number, why, text in broken}
        total = rows + len(broken)
        is_bad = np.zeros(total, dtype=bool)
        is_bad[list(bad)] = True
        source = pl.Series(np.cumsum(~is_bad) - 1, dtype=pl.Int64).set(pl.Series(is_bad), None)
        spread = (
            table.select(pl.all().gather(source)) if rows else pl.DataFrame({n: [None] * total for n in self.names})
        )
        whys = [bad[i][0] if is_bad[i] else None for i in range(total)]
        texts = [bad[i][1] if is_bad[i] else None for i in range(total)]
        return spread.with_columns(
            pl.Series(BROKEN, whys, dtype=pl.String), pl.Series(BROKEN_TEXT, texts, dtype=pl.String)
        ).cast(pl.String)

    def _marked(self, table: pl.DataFrame) -> pl.DataFrame:
        none = pl.lit(None, dtype=pl.String)
        return table.with_columns(none.alias(BROKEN), none.alias(BROKEN_TEXT))

    def _read(self, good: bytes) -> pl.DataFrame:
        names = dict.fromkeys(self.names, pl.String)
        return pl.read_csv(good, has_header=False, schema=names, separator=self._mark.decode())

    def _parsed(self, good: bytes, rows: int) -> pl.DataFrame:
        if not rows:
            return pl.DataFrame(schema=dict.fromkeys(self.names, pl.String))
        try:
            table = self._read(good)
        except pl.exceptions.PolarsError as error:
            raise self._unparsed(good, str(error)) from None
        if table.height != rows:
            raise self._unparsed(good, f"{rows:,} records gave {table.height:,} rows")
        return table

    def _unparsed(self, good: bytes, why: str) -> SourceError:
        try:
            good.decode()
        except UnicodeDecodeError as error:
            row = self._rows + sum(1 for _ in self._any_record.finditer(good, 0, error.start)) + 1
            return self._not_utf8(good[error.start], f"row {row:,}")
        return SourceError(f"{self._where}, after row {self._rows:,}: cannot be parsed: {why.splitlines()[0]}.")

    def _not_utf8(self, byte: int, place: str) -> SourceError:
        return SourceError(
            f"{self._where}, {place}: the byte 0x{byte:02x} is not UTF-8; save the table as UTF-8, or write the "
            "encoding of a contract's own (such as cp1252) under source.format.encoding."
        )


def _has_longer(data: bytes, end: int) -> bool:
    """Whether one of the records up to ``end`` is longer than any may be."""
    place = 0
    while place < end:
        last = data.rfind(b"\n", place, place + LONGEST)
        if last < 0:
            return True
        place = last + 1
    return False


def _text(line: bytes) -> str:
    return line.decode(errors="replace")
