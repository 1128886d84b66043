"""What killed processes leave on the disk: applications of people that no record names, and that no erasure matches.

Whoever works on an upload has locked it, and whoever writes a scored file's chunks has locked the file's folder; the
lock of a killed process is gone with it. So what is locked is worked on, and anything else is left.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

_DRAFT = re.compile(r"\..+\.part")
_APART = re.compile(r"([0-9]{5,})\.protected\.parquet")


@contextlib.contextmanager
def alone(path: Path) -> Iterator[bool]:
    """Hold the lock of a file or folder; False, and it is not held, where somebody else does."""
    handle = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        yield False
        return
    try:
        yield True
    finally:
        os.close(handle)


def remove_leftovers(state: Path, concerns: Callable[[Path], bool] = lambda _: True) -> set[str]:
    """Remove uploads that nobody works on, drafts of chunks, and protected attributes whose chunk was never written.

    Returns the folders where somebody works on such.

    Args:
        concerns: which of the files' folders to look at.
    """
    for path in inside(state / "uploads"):
        with contextlib.suppress(FileNotFoundError), alone(path) as left:
            if left:
                path.unlink()
    busy = set()
    for folder in filter(concerns, inside(state / "files")):
        if _left_in(folder):
            with contextlib.suppress(FileNotFoundError), alone(folder) as left:
                if not left:
                    busy.add(folder.name)
                for path in _left_in(folder) if left else ():
                    path.unlink()
    return busy


def locked_in(folder: Path, until: str) -> list[str]:
    """What somebody works on in a folder, of those named lower than ``until``."""
    return [path.name for path in inside(folder) if path.name < until and _locked(path)]


def _locked(path: Path) -> bool:
    with contextlib.suppress(FileNotFoundError), alone(path) as free:
        return not free
    return False


def _left_in(folder: Path) -> list[Path]:
    """Drafts and unpaired protected attributes; those of a writer at work too."""
    found = inside(folder)
    there = {path.name for path in found}
    return [
        path
        for path in found
        if _DRAFT.fullmatch(path.name)
        or ((match := _APART.fullmatch(path.name)) is not None and f"{match[1]}.parquet" not in there)
    ]


def inside(folder: Path) -> list[Path]:
    """What a folder holds; nothing where there is none."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        return sorted(folder.iterdir())
    return []
