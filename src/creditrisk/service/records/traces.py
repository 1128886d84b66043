"""Whether something that was removed still stands somewhere in the log's file, and under which forms to look for it.

A copy can remain where SQLite once moved a row from one page to another. What was removed is looked for in forms that
nothing else has: a few digits stand by chance in many a float and identifier, and each find has the log rewritten.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import msgspec

from creditrisk.service.identifiers import is_identifier

SHORT, LONG = 6, 12
"""Characters: shorter is no text to look for as it is; longer is none that digits make by chance."""
_NUMERAL = re.compile(r"[0-9a-fA-F.+-]*")
_STATUSES = ("approve", "refer", "decline", "refused", "good", "bad")
_PURPOSES = ("decision", "simulation")
_WHOLE_NUMBERS = (1, 2, 3, 4, 5, 6, 8, 9)
"""SQLite's serial types of integers, https://www.sqlite.org/fileformat2.html#record_format."""
_PIECE = 1 << 22
_TAIL = re.compile(rb"-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
"""The random part of an identifier: it is looked for by what begins it, which is rare, and looked up in a set."""
_TAIL_CHARACTERS = 23


def telling(text: str) -> bool:
    """Whether a text is so long or unusual that its bare bytes say whose they are."""
    return len(text) >= LONG or (len(text) >= SHORT and _NUMERAL.fullmatch(text) is None)


def forms(applicant_id: str) -> list[str]:
    """An applicant's id as it stands in the log: bare where that tells, else with what surrounds it.

    The surroundings are the field of the request's JSON, the columns that follow in the row (from ``SHORT`` characters
    on: the last digits of another's id would do for fewer), and the head of the index's record.
    """
    quoted = msgspec.json.encode(applicant_id).decode()
    if telling(applicant_id):
        return list(dict.fromkeys((applicant_id, quoted[1:-1])))
    found = [f'"applicant_id":{quoted}']
    if len(applicant_id) >= SHORT:
        found += [f"{applicant_id}{status}{purpose}" for status in _STATUSES for purpose in _PURPOSES]
    head = "\x03" + chr(13 + 2 * len(applicant_id.encode()))
    return found + [f"{head}{chr(number)}{applicant_id}" for number in _WHOLE_NUMBERS]


def contains(path: Path, needles: Iterable[str]) -> bool:
    """Whether a file holds one of some texts anywhere; it is read once, however many they are."""
    wanted = set(needles) - {""}
    tails = {needle[-_TAIL_CHARACTERS:].encode() for needle in wanted if is_identifier(needle)}
    others = [needle.encode() for needle in wanted if not is_identifier(needle)]
    overlap = max([_TAIL_CHARACTERS, *map(len, others)]) - 1
    if not wanted or not path.exists():
        return False
    before = b""
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            text = before + piece
            if any(other in text for other in others):
                return True
            if tails and not tails.isdisjoint(_TAIL.findall(text)):
                return True
            before = text[-overlap:]
    return False
