"""What is said of a version whose files are not those that were registered."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from creditrisk.errors import BundleError

if TYPE_CHECKING:
    from creditrisk.tracking.registry import Version


@contextmanager
def told_of(version: Version, model: Path) -> Iterator[None]:
    """Say of which version a fault is and what to do, instead of the folder that it was fetched to.

    Args:
        model: that folder, which is gone when anybody reads the sentence.

    Raises:
        BundleError: as inside, its files named by their place in the bundle.
    """
    try:
        yield
    except BundleError as error:
        text = str(error)
        for bundle in model.glob("data/*"):
            text = text.replace(f"{bundle}/", "").replace(str(bundle), "its bundle")
        text = text.replace(f"{model}/", "").replace(str(model), "its model")
        raise BundleError(
            f"version {version.version} of {version.model}: {text} Put its files in the artifact store back from a "
            "copy, or delete the version in MLflow and type main.py run, which registers the bundle again. The "
            "champion was not changed."
        ) from error
