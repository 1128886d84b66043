"""What a run falls back on: tables, artifacts and dvc.lock of a portfolio, put back where the run comes to nothing.

DVC removes what a stage made before it runs the stage, so a table that is refused would take the former ones with it.
(``persist: true`` in dvc.yaml would spare them, but takes a stage out of the run cache: each change of the portfolio
would train anew.) What is kept are hard links, which cost no space; DVC removes and stages rename, so that neither
writes into a file that is kept.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from creditrisk.errors import DataError
from creditrisk.paths import Project


@contextmanager
def alone(project: Project) -> Iterator[int]:
    """Be the only run in this checkout: two at once would put back each other's tables, and a change of portfolio
    or parameters in the middle of a run would give its later stages others than its first.

    Yields:
        The lock, as a file for a child that may work on after a kill to inherit; until it has ended no run begins.

    Raises:
        DataError: another run is at work in this checkout.
    """
    path = _lock_file(project)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        if not _taken(lock, fcntl.LOCK_EX):
            raise DataError(f"{path.parent}: another main.py is running the pipeline here; wait until it has ended.")
        yield lock.fileno()


def at_work(project: Project) -> bool:
    """Whether a run is at work in this checkout; nothing is made or written to find out."""
    try:
        with _lock_file(project).open() as lock:
            return not _taken(lock, fcntl.LOCK_SH)  # beside others who look
    except OSError:
        return False


def _lock_file(project: Project) -> Path:
    return project.pipeline / "artifacts" / ".running"


def _taken(lock: IO[str], kind: int) -> bool:
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


@contextmanager
def kept(project: Project, portfolio: str) -> Iterator[None]:
    """Put back what stood there where the work inside fails or is stopped; after a kill the next run does so."""
    before = project.artifacts(portfolio).parent / ".before"
    for left in before.glob("*"):  # by a run that was killed
        if any(_lacks(place, copy) for place, copy in _parts(project, left.name, left)):
            _put_back(project, left.name, left)
    _drop(before)
    copies = before / portfolio
    _keep(project, portfolio, copies)
    try:
        yield
    except BaseException:
        _put_back(project, portfolio, copies)
        _drop(before)
        raise
    _drop(before)


def _parts(project: Project, portfolio: str, kept: Path) -> list[tuple[Path, Path]]:
    """Each place and its copy."""
    return [
        (project.tables(portfolio), kept / "tables"),
        (project.artifacts(portfolio), kept / "artifacts"),
        (project.pipeline / "dvc.lock", kept / "dvc.lock"),
    ]


def _keep(project: Project, portfolio: str, kept: Path) -> None:
    kept.mkdir(parents=True)
    for place, copy in _parts(project, portfolio, kept):
        if place.is_dir():
            shutil.copytree(place, copy, symlinks=True, copy_function=_link)
        elif place.is_file():
            shutil.copy2(place, copy)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:  # another file system, or one without links
        shutil.copy2(source, target, follow_symlinks=False)


def _put_back(project: Project, portfolio: str, kept: Path) -> None:
    for place, copy in _parts(project, portfolio, kept):
        if copy.is_dir():
            if place.is_dir():
                shutil.rmtree(place)
            shutil.move(copy, place)
        elif copy.is_file():
            copy.replace(place)


def _lacks(place: Path, copy: Path) -> bool:
    return any(not (place / path.relative_to(copy)).exists() for path in copy.rglob("*"))


def _drop(folder: Path) -> None:
    """In one move, so that no part of it is ever taken for the whole."""
    dropped = folder.with_name(f"{folder.name}.dropped")
    shutil.rmtree(dropped, ignore_errors=True)
    if folder.is_dir():
        folder.rename(dropped)
        shutil.rmtree(dropped, ignore_errors=True)
