"""The watch's hand: fetch a version, verify it, ask whether it may take over, then point a pointer file at it."""

from __future__ import annotations

import datetime as dt

from creditrisk.errors import BundleError, CreditRiskError, ServiceError, TrackingError
from creditrisk.params import Params
from creditrisk.paths import Project
from creditrisk.service.following.acceptance import objection
from creditrisk.service.following.copies import obtain, prune
from creditrisk.service.following.loading import load
from creditrisk.service.following.pointer import CHALLENGER_FILE, CHAMPION_FILE, Pointer, read_pointer, write_pointer
from creditrisk.service.redact import without_places
from creditrisk.service.scoring.live import Live
from creditrisk.service.settings import ServiceSettings
from creditrisk.tracking.registry import Version, own_portfolio


class Follower:
    """Keeps one pointer file in step with the registry.

    Args:
        name: the pointer file; the champion's alone is asked whether it may take over.
    """

    def __init__(self, project: Project, settings: ServiceSettings, portfolio: str, name: str) -> None:
        self._project, self._settings, self._state = project, settings, settings.state
        self._portfolio, self._name, self._path = portfolio, name, settings.state / name
        self._refused: tuple[str, str, str] | None = None
        self._verified: str | None = None

    def follow(self, version: Version, params: Params) -> str | None:
        """See that the pointer points at this version; else say why it cannot.

        A version that was refused is not tried again, one that could not be fetched is.
        """
        if self._refused is not None and self._refused[:2] == (version.version, version.digest):
            return self._refused[2]
        try:
            own_portfolio(version, params)
            self._point(version)
            self._refused = None
            return None
        except TrackingError as error:
            return self.plain(error)
        except OSError as error:
            return f"version {version.version} cannot be kept here: {error.strerror}. Free some space there."
        except CreditRiskError as error:
            sentence = self.plain(error)
            self._refused = (version.version, version.digest, sentence)
            return sentence

    def pointer(self) -> Pointer | None:
        """What is pointed at now; a damaged file or another portfolio's is nothing to go by."""
        try:
            found = read_pointer(self._path)
        except ServiceError:
            return None
        return found if found is not None and found.portfolio == self._portfolio else None

    def clear(self) -> None:
        """Point at nothing."""
        self._path.unlink(missing_ok=True)

    def plain(self, error: Exception) -> str:
        """An error's sentence without places."""
        return without_places(str(error), self._state, self._project.root)

    def _point(self, version: Version) -> None:
        old = self.pointer()
        wanted = (version.model, version.version, version.digest, version.ledger_hash)
        same = old is not None and (old.name, old.version, old.digest, old.ledger_hash) == wanted
        if same and version.digest == self._verified:
            return
        fetched = obtain(self._project, version, self._state)
        if not same or fetched:
            at = dt.datetime.now(dt.UTC).isoformat(timespec="microseconds")
            new = Pointer(*wanted[:3], self._portfolio, wanted[3], at, _previous(old, version))
            live = load(new, self._state)
            if self._name == CHAMPION_FILE and (reason := self._objection(old, live)):
                raise BundleError(
                    f"{reason} To take it all the same, remove {self._name} from the service's folder "
                    "and start it again."
                )
            write_pointer(self._path, new)
        self._verified = version.digest

    def _objection(self, old: Pointer | None, new: Live) -> str | None:
        if old is None or old.digest == new.named.digest:
            return None
        try:
            present = load(old, self._state)
        except CreditRiskError:  # its copy was damaged since; the workers, which hold it, ask the same
            return None
        return objection(present, new, self._state / "decisions.db")


def _previous(old: Pointer | None, version: Version) -> str | None:
    if old is None:
        return None
    return old.previous if old.digest == version.digest else old.digest


def followers(project: Project, settings: ServiceSettings, portfolio: str) -> tuple[Follower, Follower]:
    """The champion's and the challenger's."""
    champion = Follower(project, settings, portfolio, CHAMPION_FILE)
    return champion, Follower(project, settings, portfolio, CHALLENGER_FILE)


def prune_copies(settings: ServiceSettings, *kept: Follower) -> None:
    """Keep the copies that pointers name now or named before; nothing is removed while there is none."""
    pointers = [pointer for follower in kept if (pointer := follower.pointer())]
    if pointers:
        prune(settings.state, {digest for p in pointers for digest in (p.digest, p.previous) if digest})
