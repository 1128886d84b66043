"""Promotion and rollback: through the readiness tests, into the ledger, then the alias."""

from __future__ import annotations

import contextlib
import getpass
import json
import platform
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from creditrisk.errors import DataError, LedgerError, TrackingError
from creditrisk.params import Params
from creditrisk.paths import Project
from creditrisk.tracking.chain import GENESIS, Action, Row, champions, withdrawn
from creditrisk.tracking.gates import Verdict
from creditrisk.tracking.ledger import Ledger
from creditrisk.tracking.readiness import Loading, candidate, judge, load_and_replay
from creditrisk.tracking.registry import (
    CHALLENGER,
    CHAMPION,
    LEDGER_HASH,
    Standing,
    Version,
    alarm,
    read_standing,
    standing,
)
from creditrisk.tracking.store import connected

if TYPE_CHECKING:
    from mlflow import MlflowClient

TAG_LENGTH = 4_000


@dataclass(frozen=True)
class Outcome:
    """What came of a promotion or rollback; a refusal is a result too."""

    action: Action
    model: str
    version: str
    promoted: bool
    champion: str | None
    """The champion now."""
    former: str | None
    loading: Loading
    verdict: Verdict | None
    summary: str

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        plain = asdict(self) | {"alias": CHAMPION if self.champion == self.version else None}
        plain["loading"] = self.loading.to_json()
        plain["verdict"] = self.verdict.to_json() if self.verdict else None
        return plain


def promote(
    project: Project,
    params: Params,
    version: str | None = None,
    who: str | None = None,
    reason: str = "",
    automatic: bool = False,
) -> Outcome:
    """Make a version champion if it passes both readiness tests.

    Args:
        version: the one to promote; the challenger where absent.
        who: for the ledger, beside the account and machine.
        reason: for the ledger.
        automatic: nobody chose this version, so one that was rolled back from is not brought back.

    Raises:
        BundleError, TrackingError: the loading test failed; nothing was changed.
        LedgerError: the ledger was edited, registry and ledger disagree, or somebody else promoted meanwhile.
    """
    found = _settled(project, params)
    chosen = candidate(found, version)
    again = found.deleted is not None and chosen.digest == found.deleted.digest
    if found.divergence is not None and not again and (automatic or version is None):
        raise LedgerError(found.divergence.sentence)
    loading = load_and_replay(project, params, chosen)
    if again:
        return _bring_back(project, found, chosen, who, reason, loading)
    former = found.champion.version if found.champion else None
    if chosen.version == former:
        summary = f"version {chosen.version} is the champion of {found.model} already"
        return Outcome("promote", found.model, chosen.version, False, former, former, loading, None, summary)
    verdict = judge(project, params, chosen, found.champion)
    if not verdict.passed:
        _note(project, chosen, verdict)
        stays = f"version {former} stays champion" if former else "there is no champion yet"
        summary = f"version {chosen.version} of {found.model} was refused, {stays}: {verdict.reason}"
        return Outcome("promote", found.model, chosen.version, False, former, former, loading, verdict, summary)
    if automatic and (taken := withdrawn(found.rows).get(chosen.digest)):
        summary = (
            f"version {chosen.version} of {found.model} was rolled back from on {taken.at[:10]} by {taken.who}, so a "
            f"run does not promote it again, and version {former} stays champion; to bring it back all the same, type "
            f"uv run main.py promote --version {chosen.version} --portfolio {params.portfolio}"
        )
        return Outcome("promote", found.model, chosen.version, False, former, former, loading, verdict, summary)
    evidence = {"loading": loading.to_json(), "performance": verdict.to_json()}
    _write(project, found, chosen, "promote", who, reason, evidence)
    over = f", in place of version {former}" if former else ""
    summary = f"version {chosen.version} of {found.model} is champion{over}: {verdict.reason}"
    return Outcome("promote", found.model, chosen.version, True, chosen.version, former, loading, verdict, summary)


def _bring_back(
    project: Project, found: Standing, chosen: Version, who: str | None, reason: str, loading: Loading
) -> Outcome:
    """Make the bundle of a deleted champion, registered again, champion again: it has passed before."""
    why = f"it holds the bundle of version {found.current}, which was deleted in the registry"
    evidence = {"loading": loading.to_json(), "performance": f"not tested: {why}"}
    _write(project, found, chosen, "promote", who, reason, evidence)
    summary = f"version {chosen.version} of {found.model} is champion: {why}"
    return Outcome("promote", found.model, chosen.version, True, chosen.version, found.current, loading, None, summary)


def rollback(
    project: Project,
    params: Params,
    who: str | None = None,
    reason: str = "",
    force: bool = False,
    to: str | None = None,
) -> Outcome:
    """Go back to the champion before the present one. Its loading test must pass; so must its performance by
    thresholds on today's test rows, unless there are none here or ``force`` puts it by (the ledger says so).

    Args:
        who, reason: for the ledger.
        to: the version that the caller takes for the former champion.

    Raises:
        TrackingError: there is no former champion; BundleError: it does not load any more.
        LedgerError: as for ``promote``, and where the former champion is not version ``to``.
    """
    found = _settled(project, params)
    line = champions(list(found.rows))
    if to is not None and line[-2:-1] != [to]:
        former = f"version {line[-2]}" if len(line) > 1 else "no version"
        raise LedgerError(
            f"Version {to} is not the former champion of {found.model}: by the ledger that is {former}, and a rollback "
            "goes back one step. Promote it instead."
        )
    if len(line) < 2 or found.current is None:
        raise TrackingError(f"{found.model} has no former champion to go back to. Look at main.py history.")
    target, current = found.version(line[-2]), found.current
    loading = load_and_replay(project, params, target)
    verdict, note = _replayed(project, params, target)
    if verdict is not None and not verdict.passed and not force:
        champion = found.champion.version if found.champion else None
        stays = f"version {champion} stays champion" if champion else f"version {current} stays deleted"
        summary = (
            f"version {target.version} of {found.model} was not brought back, {stays}: {verdict.reason}; --force goes "
            "back all the same"
        )
        return Outcome("rollback", found.model, target.version, False, champion, current, loading, verdict, summary)
    evidence = {"loading": loading.to_json(), "performance": verdict.to_json() if verdict else note, "forced": force}
    _write(project, found, target, "rollback", who, reason, evidence)
    summary = f"version {target.version} of {found.model} is champion again, in place of version {current}"
    if note:
        summary += f"; its performance on today's test rows was {note.replace(f'{project.root}/', '')}"
    return Outcome("rollback", found.model, target.version, True, target.version, current, loading, verdict, summary)


def history(project: Project, params: Params) -> tuple[Row, ...]:
    """The ledger of the portfolio's model, oldest first, each hash checked.

    Raises:
        LedgerError: naming the row that was edited.
    """
    return standing(project, params).rows


def verify_history(project: Project, params: Params) -> int:
    """Check the whole chain, and that registry and ledger agree; return the number of rows.

    Raises:
        LedgerError: a row was edited, rows are missing (also at the end), or the alias was moved.
    """
    found = standing(project, params)
    if found.divergence is not None:
        raise LedgerError(found.divergence.sentence)
    return len(found.rows)


def status(project: Project, params: Params) -> dict[str, Any]:
    """Champion, challenger and whether registry and ledger agree, as plain values; raises no alarm, but tells it."""
    found = standing(project, params)
    waiting = [item.version for item in found.versions if CHALLENGER in item.aliases]
    head = found.rows[-1] if found.rows else None
    return {
        "model": found.model,
        "champion": found.champion.to_json() if found.champion else None,
        "challenger": waiting[-1] if waiting else None,
        "versions": len(found.versions),
        "promoted": {"by": head.who, "at": head.at, "action": head.action} if head else None,
        "divergence": found.divergence.sentence if found.divergence else None,
    }


def restore(project: Project, params: Params) -> Standing:
    """Put alias and tag where the ledger says, after an alarm about a moved alias.

    Raises:
        LedgerError: the ledger itself is in doubt, so there is nothing to go by.
    """
    with connected(project) as client:
        found = read_standing(client, project, params)
        if found.divergence is None:
            return found
        known = {row.hash for row in found.rows}
        if (
            found.deleted
            or not found.rows
            or any(item.ledger_hash and item.ledger_hash not in known for item in found.versions)
        ):
            raise LedgerError(found.divergence.sentence)
        _follow(client, found, found.rows[-1])
        return read_standing(client, project, params)


def _settled(project: Project, params: Params) -> Standing:
    """Registry and ledger in agreement, but for a deleted champion; a promotion that was cut short is finished."""
    found = standing(project, params)
    if found.deleted is not None:
        return found
    alarm(found)
    return restore(project, params) if found.divergence is not None else found


def _replayed(project: Project, params: Params, target: Version) -> tuple[Verdict | None, str]:
    try:
        return judge(project, params, target, None), ""
    except DataError as error:  # a rollback must work where the tables are not
        return None, f"not tested: {error}"


def _write(
    project: Project,
    found: Standing,
    chosen: Version,
    action: Action,
    who: str | None,
    reason: str,
    evidence: dict[str, Any],
) -> None:
    """First the ledger, whose row settles who won; then alias and tags, which a later call can finish."""
    row = Ledger.open(project).append(
        found.chain,
        found.rows[-1].hash if found.rows else GENESIS,
        model=found.model,
        action=action,
        version=chosen.version,
        digest=chosen.digest,
        former=found.current,
        who=_who(who),
        reason=reason,
        evidence=evidence,
    )
    with connected(project) as client:
        if isinstance(evidence["performance"], dict):
            _tag(client, chosen, "promoted", evidence["performance"])
        if CHALLENGER in chosen.aliases:
            client.delete_registered_model_alias(found.model, CHALLENGER)
        _follow(client, found, row)


def _follow(client: MlflowClient, found: Standing, row: Row) -> None:
    client.set_registered_model_alias(found.model, CHAMPION, row.version)
    client.set_model_version_tag(found.model, row.version, LEDGER_HASH, row.hash)


def _note(project: Project, chosen: Version, verdict: Verdict) -> None:
    with connected(project) as client:
        _tag(client, chosen, "refused", verdict.to_json())


def _tag(client: MlflowClient, chosen: Version, result: str, verdict: dict[str, Any]) -> None:
    for name, value in (
        ("readiness", result),
        ("readiness_reason", verdict["reason"]),
        ("readiness_gates", json.dumps({gate["name"]: gate["bound"] for gate in verdict["gates"]})),
    ):
        client.set_model_version_tag(chosen.model, chosen.version, name, value[:TAG_LENGTH])


def _who(named: str | None) -> str:
    account = "unknown"
    with contextlib.suppress(OSError, KeyError):
        account = getpass.getuser()
    place = f"{account}@{platform.node()}"
    return f"{place} ({named})" if named else place
