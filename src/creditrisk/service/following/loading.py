"""Load the copy that a pointer names; whatever is wrong with it is an error of one kind."""

from __future__ import annotations

from pathlib import Path

from creditrisk.errors import BundleError, CreditRiskError
from creditrisk.service.following.pointer import Pointer
from creditrisk.service.scoring.live import Live


def load(pointer: Pointer, state: Path) -> Live:
    """Verify, compile and replay a copy, with all that the first answer would have to make.

    Raises:
        BundleError: it was changed, does not answer as it did, or is another portfolio's; a bundle must not take the
            process with it.
    """
    try:
        live = Live.load(pointer.folder(state), pointer.name, pointer.version, pointer.digest)
    except CreditRiskError:
        raise
    except Exception as error:
        raise BundleError(
            f"version {pointer.version} of {pointer.name} cannot be loaded ({type(error).__name__}); it is refused."
        ) from error
    assert live.scorer.manifest is not None, "it was loaded with its manifest"
    if live.scorer.manifest.portfolio != pointer.portfolio:
        raise BundleError(
            f"version {pointer.version} of {pointer.name} holds a bundle of portfolio "
            f"{live.scorer.manifest.portfolio!r}, not of {pointer.portfolio!r}; it is refused."
        )
    _ = live.fields, live.label
    return live
