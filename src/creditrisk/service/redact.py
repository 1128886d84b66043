"""What the outside may read of an error: its sentence without addresses, passwords and places of files."""

from __future__ import annotations

import re
from pathlib import Path

_ADDRESS = re.compile(r"\b[a-z][a-z0-9+.-]*:/+[^\s,;'\"]*[^\s,;:.'\"]", re.IGNORECASE)
_PLACE = re.compile(r"(?<![\w<])/(?:[^\s/:,;'\"]+/)*([^\s/:,;'\"]*)")


def without_places(text: str, *roots: Path) -> str:
    """Name each file by its last part alone, and no server at all.

    Args:
        roots: folders known to stand in such texts; their names may hold spaces.
    """
    for folder in {str(place) for root in roots for place in (root, root.resolve())} - {"/"}:
        text = text.replace(folder, "")
    return _PLACE.sub(r"\1", _ADDRESS.sub("(address left out)", text))
