"""The registry: bundles as versions of a registered model, found by digest, fetched and checked against it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from creditrisk.errors import BundleError, LedgerError, TrackingError
from creditrisk.model.bundle import verify
from creditrisk.params import Params
from creditrisk.paths import Project
from creditrisk.tracking.chain import Divergence, Row, divergence
from creditrisk.tracking.damaged import told_of
from creditrisk.tracking.ledger import Ledger
from creditrisk.tracking.store import connected, shown, tracking_uri

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

CHAMPION, CHALLENGER = "champion", "challenger"
DIGEST, LEDGER_HASH, CHAIN = "bundle_digest", "ledger_hash", "ledger_chain"
"""Tags: of a version its bundle and the ledger row that promoted it, of the registered model its chain."""


@dataclass(frozen=True)
class Version:
    """One version of a registered model."""

    model: str
    version: str
    digest: str
    portfolio: str
    family: str
    aliases: tuple[str, ...]
    ledger_hash: str | None
    run_id: str
    created: int
    """Milliseconds since 1970."""
    tags: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


@dataclass(frozen=True)
class Standing:
    """What registry and ledger say of a model together."""

    model: str
    chain: str
    versions: tuple[Version, ...]
    champion: Version | None
    rows: tuple[Row, ...]
    divergence: Divergence | None

    @property
    def deleted(self) -> Row | None:
        """The row of the champion, where that was deleted in the registry."""
        return self.rows[-1] if self.divergence is not None and self.divergence.kind == "gone" else None

    @property
    def current(self) -> str | None:
        """The number of the champion, also of a deleted one; None where nothing was promoted yet."""
        if self.deleted is not None:
            return self.deleted.version
        return self.champion.version if self.champion else None

    def version(self, number: str) -> Version:
        """The version of this number.

        Raises:
            TrackingError: there is none.
        """
        for item in self.versions:
            if item.version == number:
                return item
        there = ", ".join(item.version for item in self.versions) or "none"
        raise TrackingError(f"{self.model} has no version {number}; there are: {there}.")


def model_name(params: Params) -> str:
    """The portfolio's registered model."""
    registry = params.registry
    plain = params.portfolio == registry.default_portfolio
    return registry.model if plain else f"{registry.model}-{params.portfolio}"


def standing(project: Project, params: Params) -> Standing:
    """Read registry and ledger of the portfolio's model.

    Raises:
        TrackingError: the registry does not answer; LedgerError: the ledger was edited or does not answer.
    """
    with connected(project) as client:
        return read_standing(client, project, params)


def read_standing(client: MlflowClient, project: Project, params: Params) -> Standing:
    """As ``standing``, with a client at hand."""
    name = model_name(params)
    registered = next(iter(client.search_registered_models(f"name = '{name}'")), None)
    if registered is None:
        return Standing(name, "", (), None, (), None)
    aliases = dict(registered.aliases)
    found = [_version(item, aliases) for item in _all_versions(client, name)]
    versions = tuple(sorted(found, key=lambda item: int(item.version)))
    chain = dict(registered.tags).get(CHAIN, "")
    rows = tuple(Ledger.open(project).rows(chain)) if chain else ()
    pointed = str(aliases[CHAMPION]) if CHAMPION in aliases else None
    hashes = {item.version: item.ledger_hash for item in versions if item.ledger_hash}
    champion = next((item for item in versions if item.version == pointed), None)
    there = {item.version for item in versions}
    return Standing(name, chain, versions, champion, rows, divergence(list(rows), name, pointed, hashes, there))


def _all_versions(client: MlflowClient, name: str, extra: str = "") -> list[ModelVersion]:
    found: list[ModelVersion] = []
    token: str | None = None
    while True:
        page = client.search_model_versions(f"name = '{name}'{extra}", max_results=1000, page_token=token)
        found += page
        token = page.token
        if not token:
            return found


def _version(item: ModelVersion, aliases: Mapping[str, Any]) -> Version:
    tags = dict(item.tags)
    return Version(
        model=item.name,
        version=str(item.version),
        digest=tags.get(DIGEST, ""),
        portfolio=tags.get("portfolio", ""),
        family=tags.get("family", ""),
        aliases=tuple(sorted(name for name, number in aliases.items() if str(number) == str(item.version))),
        ledger_hash=tags.get(LEDGER_HASH),
        run_id=item.run_id or "",
        created=item.creation_timestamp,
        tags=tags,
    )


def find_version(project: Project, params: Params, digest: str) -> str | None:
    """The version that holds the bundle of this digest, the first one where there are several."""
    with connected(project) as client:
        found = _all_versions(client, model_name(params), f" and tags.{DIGEST} = '{digest}'")
        return min((str(item.version) for item in found), key=int, default=None)


def versions(project: Project, params: Params) -> tuple[Version, ...]:
    """All versions of the portfolio's model, oldest first."""
    return standing(project, params).versions


def champion(project: Project, params: Params) -> Version | None:
    """The version that the champion alias points at; None where nothing was promoted yet.

    Raises:
        LedgerError: alias and ledger disagree; TrackingError: it is a model of another portfolio.
    """
    found = standing(project, params)
    alarm(found)
    if found.champion is not None:
        own_portfolio(found.champion, params)
    return found.champion


def alarm(found: Standing) -> None:
    """Stop where somebody went round the ledger, or deleted the champion.

    Raises:
        LedgerError: naming what the ledger says and what the registry says.
    """
    if found.divergence is not None and found.divergence.kind != "unfinished":
        raise LedgerError(found.divergence.sentence)


def own_portfolio(version: Version, params: Params) -> None:
    """Refuse a version made for another portfolio.

    Raises:
        TrackingError: naming both.
    """
    if version.portfolio != params.portfolio:
        raise TrackingError(
            f"version {version.version} of {version.model} was made for portfolio {version.portfolio or 'unknown'!r}, "
            f"not for {params.portfolio!r}; it is refused. Look at registry.model in params.yaml."
        )


def champion_bundle(project: Project, params: Params) -> tuple[Path, str]:
    """Folder and digest of the champion's bundle, fetched and verified.

    Raises:
        TrackingError: there is no champion yet; BundleError: what came is not what was registered.
    """
    found = champion(project, params)
    if found is None:
        there = ", ".join(item.version for item in versions(project, params))
        option = f"--portfolio {params.portfolio}"
        todo = (
            f"no version of {model_name(params)} was promoted (there are: {there}). main.py test-model {option} "
            f"says why, main.py promote {option} tests again and promotes what passes"
            if there
            else f"type main.py run {option}"
        )
        raise TrackingError(
            f"Portfolio {params.portfolio!r} has no champion yet: {todo}; or name a bundle with --bundle."
        )
    return download(project, found), found.digest


def download(project: Project, version: Version) -> Path:
    """Fetch a version's bundle, or take the verified copy kept by its digest.

    Raises:
        BundleError: a file was changed since it was registered.
    """
    kept = project.experiments / "bundles" / version.digest
    keep_copy(project, version, kept)
    return kept


def keep_copy(
    project: Project, version: Version, kept: Path, settle: Callable[[Path], None] = lambda folder: None
) -> bool:
    """See that a verified copy of a version's bundle lies at ``kept``; whether it had to be fetched.

    Args:
        settle: what to do with the fetched and verified folder before it is moved to its place.

    Raises:
        BundleError: a file was changed since it was registered; TrackingError: it cannot be fetched.
    """
    if version.digest and kept.is_dir():
        try:
            verify(kept, version.digest)
            return False
        except BundleError:
            shutil.rmtree(kept, ignore_errors=True)
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept.parent, prefix=".fetching.") as draft:
        model = fetch(project, version, Path(draft))
        with told_of(version, model):
            folder = bundle_in(model)
            verify(folder, version.digest)
        settle(folder)
        try:
            folder.rename(kept)
        except OSError:  # another process was quicker
            verify(kept, version.digest)
    return True


def bundle_in(model: Path) -> Path:
    """The bundle's folder inside a fetched MLflow model.

    Raises:
        BundleError: there is none.
    """
    data = model / "data"
    folders = sorted(path for path in data.iterdir() if path.is_dir()) if data.is_dir() else []
    if len(folders) != 1:
        raise BundleError(f"{model}: expected one bundle under data, found {len(folders)}; the version is refused.")
    return folders[0]


def fetch(project: Project, version: Version, into: Path) -> Path:
    """Copy a version's MLflow model out of the registry; its folder, the bundle in it not yet checked.

    Raises:
        TrackingError: its files are not where the registry says.
    """
    import mlflow.artifacts

    uri = tracking_uri(project)
    if not version.digest:
        raise TrackingError(
            f"version {version.version} of {version.model} carries no bundle digest: it was not registered by this "
            "project and is refused."
        )
    with connected(project) as client:
        # Not models:/NAME/VERSION: MLflow looks that up in the store of the whole process, which need not be this one.
        address = client.get_model_version_download_uri(version.model, version.version)
        place = local_place(project, address)
        if place is not None and not place.is_dir():
            raise TrackingError(
                f"tracking store {shown(uri)}: the files of version {version.version} of {version.model} are gone: "
                f"{place} does not exist. Put them back from a copy, or delete the version in MLflow and run again."
            )
        found = mlflow.artifacts.download_artifacts(
            artifact_uri=place.as_uri() if place else address, dst_path=str(into), tracking_uri=uri, registry_uri=uri
        )
    return Path(found)


def local_place(project: Project, address: str) -> Path | None:
    """The folder behind an address of this machine, None for another; that of a project that was moved is followed."""
    parts = urlsplit(address)
    if parts.scheme not in ("", "file"):
        return None
    place = Path(url2pathname(parts.path))
    _, own, below = place.as_posix().rpartition("/3.experiments/mlruns/")
    moved = project.experiments / "mlruns" / below
    return moved if own and moved.is_dir() else place
