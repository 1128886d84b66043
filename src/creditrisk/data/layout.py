"""How a table that comes to be scored is laid out: as the contract says of its own, or as the table itself shows."""

from __future__ import annotations

import codecs
from pathlib import Path

from creditrisk.contract import Contract, Format
from creditrisk.data.cleaning.rules import rules
from creditrisk.data.reading.delimited import BLOCK, Delimited
from creditrisk.data.reading.header import SeparatorError
from creditrisk.data.reading.local import LocalFile, inspect
from creditrisk.data.reading.sniff import SEPARATORS
from creditrisk.errors import SourceError


def scoring_layout(path: Path, contract: Contract, kind: str = "auto") -> Format:
    """How to read a table of applications, which may be saved in another way than the contract's own.

    The contract's layout holds wherever it fits. Else a text that is UTF-8 is read as such, and its separator is the
    usual one under which most of the columns that scoring reads stand in the header.

    Args:
        path: the table.
        contract: which names the columns.
        kind: what the file is (csv, parquet), where that is known.

    Raises:
        SourceError: the file cannot be read, or has no usable header row under any separator.
    """
    layout = contract.source.format.model_copy(update={"kind": kind, "member": None, "sheet": None})
    local = inspect(path, layout)
    if local.kind != "csv":
        return layout
    if layout.encoding != "utf-8" and _is_utf8(local):
        layout = layout.model_copy(update={"encoding": "utf-8"})
    return layout.model_copy(update={"separator": _separator(local, layout, contract)})


def _separator(local: LocalFile, layout: Format, contract: Contract) -> str:
    needed = {rule.raw for rule in rules(contract, training=False) if rule.name != contract.time}
    found: dict[str, tuple[int, bool, int]] = {}
    refusals: list[SourceError] = []
    for mark in dict.fromkeys((layout.separator, *SEPARATORS)):
        try:
            with local.stream() as (stream, _):
                text = Delimited(stream, local.where, mark, layout.encoding)
        except SourceError as error:
            refusals.append(error)
            continue
        names, mark = text.names, text.separator  # a text may declare its own
        fitting = len(needed.intersection(names))
        if fitting == len(needed):
            return mark
        # Where others do no better, a header that the contract's own separator parts is taken as it is.
        found[mark] = (fitting, mark == layout.separator and len(names) > 1, len(names))
    if not found:
        raise next((error for error in refusals if not isinstance(error, SeparatorError)), refusals[0])
    return max(found, key=lambda mark: found[mark])


def _is_utf8(local: LocalFile) -> bool:
    """Whether a text has bytes beyond ASCII, and all are UTF-8: what is written in another encoding hardly ever is."""
    decoder, plain = codecs.getincrementaldecoder("utf-8")(), True
    with local.stream() as (stream, _):
        try:
            while piece := stream.read(BLOCK):
                plain = plain and piece.isascii()
                decoder.decode(piece)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
    return not plain
