"""Verified copies of registered bundles in the service's folder, each under its digest."""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path

from creditrisk.errors import BundleError
from creditrisk.model.bundle import verify
from creditrisk.paths import Project
from creditrisk.service.pointer import COPIES, sync
from creditrisk.tracking.registry import Version, bundle_in, fetch

_DIGEST = re.compile(r"[0-9a-f]{64}")


def obtain(project: Project, version: Version, state: Path) -> bool:
    """See that a version's verified copy is there; whether it had to be fetched.

    Raises:
        BundleError: what came is not what was registered; TrackingError: it cannot be fetched.
    """
    if not _DIGEST.fullmatch(version.digest):
        raise BundleError(f"version {version.version} carries no digest of a bundle; it is refused.")
    kept = state / COPIES / version.digest
    if kept.is_dir():
        try:
            verify(kept, version.digest)
            return False
        except BundleError:
            shutil.rmtree(kept, ignore_errors=True)
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept.parent, prefix=".fetching.") as draft:
        folder = bundle_in(fetch(project, version, Path(draft)))
        verify(folder, version.digest)
        for path in (*folder.rglob("*"), folder):
            sync(path)
        folder.rename(kept)
    sync(kept.parent)
    return True


def prune(state: Path, keep: set[str]) -> None:
    """Remove every copy but those of these digests, and what a fetch that was cut short left."""
    folder = state / COPIES
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.name not in keep:
            shutil.rmtree(path, ignore_errors=True)
