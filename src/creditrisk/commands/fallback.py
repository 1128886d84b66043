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

from creditrisk.errors import DataError
from creditrisk.paths import Project


@contextmanager
def as_before(project: Project, portfolio: str) -> Iterator[int]:
    """Put back what stood there where the work inside fails or is stopped; after a kill the next run does so.

    Yields:
        The lock, as a file for a child that may work on after a kill to inherit; until it has ended no run begins.

    Raises:
        DataError: another run is at work in this checkout.
    """
    home = project.artifacts(portfolio).parent
    home.mkdir(parents=True, exist_ok=True)
    before = home / ".before"
    with _alone(home / ".running") as lock:
        for left in before.glob("*"):  # by a run that was killed
            if any(_lacks(place, copy) for place, copy in _parts(project, left.name, left)):
                _put_back(project, left.name, left)
        _drop(before)
        kept = before / portfolio
        _keep(project, portfolio, kept)
        try:
            yield lock
        except BaseException:
            _put_back(project, portfolio, kept)
            _drop(before)
            raise
        _drop(before)


@contextmanager
def _alone(path: Path) -> Iterator[int]:
    """Two runs at once would put back each other's tables."""
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise DataError(
                f"{path.parent}: another main.py is running the pipeline here; wait until it has ended."
            ) from None
        yield lock.fileno()


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
