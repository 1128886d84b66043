"""The bundle: a folder of text and native model files under a SHA-256 manifest. Nothing in it is ever unpickled.

``contract.yaml  model/  calibration.json  policy.json  reference.json  golden.json  manifest.json``. The manifest
names the digest of each file; its own digest names the bundle, and is checked before anything else is parsed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from creditrisk.data.split import SplitRule
from creditrisk.errors import BundleError
from creditrisk.settings import Frozen, explain

FORMAT = 2
MANIFEST = "manifest.json"
REQUIRED = ("contract.yaml", "model/model.json", "calibration.json", "policy.json", "reference.json", "golden.json")
MAX_MANIFEST_BYTES = 1_000_000


class Manifest(Frozen):
    """What a bundle is and which files it has. It holds no time of making, so the same inputs give the same digest."""

    format: int
    package: str
    portfolio: str
    family: str
    data_sha256: str
    """Digest of the training and calibration tables."""
    params_sha256: str
    contract_sha256: str
    rows: dict[str, int]
    bad_rate: float
    split: SplitRule
    files: dict[str, str]

    @property
    def digest(self) -> str:
        """SHA-256 of the manifest's text: the bundle's name."""
        return hashlib.sha256(self.to_text().encode()).hexdigest()

    def to_text(self) -> str:
        """The manifest as it stands on disk."""
        return json.dumps(self.model_dump(mode="json"), indent=2, sort_keys=True) + "\n"


def digest_of(path: Path) -> str:
    """SHA-256 of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write(folder: Path, fill: Callable[[Path], dict[str, Any]]) -> Manifest:
    """Make a bundle beside ``folder`` and put it in its place when it is complete.

    Args:
        folder: where the bundle shall stand; one that stands there is replaced.
        fill: writes every file into the folder it is given and returns the manifest's own entries.
    """
    draft = folder.with_name(f".{folder.name}.{os.getpid()}")
    shutil.rmtree(draft, ignore_errors=True)
    try:
        draft.mkdir(parents=True)
        entries = fill(draft)
        files = {path.relative_to(draft).as_posix(): digest_of(path) for path in _files(draft)}
        manifest = Manifest(format=FORMAT, files=files, **entries)
        (draft / MANIFEST).write_text(manifest.to_text(), encoding="utf-8")
        verify(draft)
        shutil.rmtree(folder, ignore_errors=True)
        draft.rename(folder)
    except OSError as error:
        raise BundleError(
            f"{folder}: the bundle could not be written: {error.strerror}. Free some space there."
        ) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return manifest


def verify(folder: Path, digest: str | None = None) -> Manifest:
    """Check every file of a bundle against the manifest, and the manifest against ``digest`` where one is given.

    Raises:
        BundleError: naming the file that is missing, changed or not in the manifest.
    """
    path = folder / MANIFEST
    try:
        if path.stat().st_size > MAX_MANIFEST_BYTES:
            raise BundleError(f"{path}: larger than any manifest this project writes; the bundle is refused.")
        content = path.read_bytes()
    except OSError:
        raise BundleError(
            f"{folder}: no {MANIFEST} there, so it is not a bundle. Train one with main.py run."
        ) from None
    found = hashlib.sha256(content).hexdigest()
    if digest is not None and found != digest:
        raise BundleError(
            f"{path}: its SHA-256 is {found}, expected {digest}: changed since it was registered; refused."
        )
    manifest = _parse(path, content)
    _check_files(folder, manifest)
    return manifest


def _parse(path: Path, content: bytes) -> Manifest:
    try:
        manifest = Manifest.model_validate_json(content)
    except ValidationError as error:
        raise BundleError(explain(error, str(path))) from None
    if manifest.format != FORMAT:
        raise BundleError(
            f"{path}: format {manifest.format}, this version reads {FORMAT}; install the version that made it."
        )
    return manifest


def _check_files(folder: Path, manifest: Manifest) -> None:
    for path in folder.rglob("*"):
        if not path.is_file() and (path.is_symlink() or not path.is_dir()):
            raise BundleError(f"{path}: neither a file nor a folder; the bundle was changed and is refused.")
    there = {path.relative_to(folder).as_posix() for path in _files(folder)} - {MANIFEST}
    for name in (*REQUIRED, *manifest.files):
        if name not in there or name not in manifest.files:
            raise BundleError(f"{folder}: {name} is missing; the bundle is incomplete and refused.")
    if unknown := sorted(there - set(manifest.files)):
        raise BundleError(f"{folder}: {unknown[0]} is not in the manifest; the bundle was changed and is refused.")
    for name, expected in manifest.files.items():
        found = digest_of(folder / name)
        if found != expected:
            raise BundleError(
                f"{folder / name}: its SHA-256 is {found}, the manifest says {expected}: changed; refused."
            )


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())
