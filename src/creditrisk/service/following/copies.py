"""Verified copies of registered bundles in the service's folder, each under its digest."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from creditrisk.errors import BundleError
from creditrisk.paths import Project
from creditrisk.service.following.pointer import COPIES, sync
from creditrisk.tracking.registry import Version, keep_copy

_DIGEST = re.compile(r"[0-9a-f]{64}")


def obtain(project: Project, version: Version, state: Path) -> bool:
    """See that a version's verified copy is there; whether it had to be fetched.

    Raises:
        BundleError: what came is not what was registered; TrackingError: it cannot be fetched.
    """
    if not _DIGEST.fullmatch(version.digest):
        raise BundleError(f"version {version.version} carries no digest of a bundle; it is refused.")
    kept = state / COPIES / version.digest
    fetched = keep_copy(project, version, kept, _sync_all)
    if fetched:
        sync(kept.parent)
    return fetched


def _sync_all(folder: Path) -> None:
    """A copy that is named in a pointer must outlive a loss of power."""
    for path in (*folder.rglob("*"), folder):
        sync(path)


def prune(state: Path, keep: set[str]) -> None:
    """Remove every copy but those of these digests, and what a fetch that was cut short left."""
    folder = state / COPIES
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.name not in keep:
            shutil.rmtree(path, ignore_errors=True)
