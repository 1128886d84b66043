"""The chain of a ledger: rows joined by their hashes, what they say of the champion, whether the registry agrees."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from creditrisk.errors import LedgerError

Action = Literal["promote", "rollback"]
GENESIS = "0" * 64
"""What stands for the hash before a chain's first row."""


@dataclass(frozen=True)
class Row:
    """One promotion or rollback. ``evidence`` is JSON text, so that its hash needs no second way to write it."""

    chain: str
    previous_hash: str
    model: str
    action: Action
    version: str
    digest: str
    """The promoted bundle's."""
    former: str | None
    """The version that was champion before."""
    who: str
    at: str
    """UTC, ISO."""
    reason: str
    evidence: str

    @property
    def hash(self) -> str:
        """SHA-256 over every field, the predecessor's hash among them."""
        text = json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """As shown: the evidence unfolded, the hash beside it."""
        return asdict(self) | {"evidence": json.loads(self.evidence), "hash": self.hash}


def linked(records: list[dict[str, Any]], where: str) -> list[Row]:
    """Turn a chain's records, in the order they were written, into rows.

    Raises:
        LedgerError: naming the row that was edited, or the place where the chain is broken.
    """
    rows, previous = [], GENESIS
    for number, record in enumerate(records, start=1):
        identifier, written = record.pop("id"), record.pop("hash")
        row = Row(**record)
        named = f"ledger {where}: row {identifier} ({row.action} of version {row.version} of {row.model}, {row.at})"
        if row.hash != written:
            raise LedgerError(f"{named} was edited: its content gives hash {row.hash[:12]}, it carries {written[:12]}.")
        if row.previous_hash != previous:
            raise LedgerError(
                f"{named} follows {row.previous_hash[:12]}, but the row before it (number {number - 1}) is "
                f"{previous[:12]}: rows were removed, added or put in another order."
            )
        rows.append(row)
        previous = written
    return rows


def champions(rows: list[Row]) -> list[str]:
    """The champions that a rollback can go back along, the present one last."""
    stack: list[str] = []
    for row in rows:
        if row.action == "rollback" and row.version in stack:
            del stack[len(stack) - stack[::-1].index(row.version) :]
        else:
            stack.append(row.version)
    return stack


def withdrawn(rows: Sequence[Row]) -> dict[str, Row]:
    """Digests of bundles that were rolled back from and not made champion since, each with the rollback's row."""
    digests: dict[str, str] = {}
    found: dict[str, Row] = {}
    for row in rows:
        if row.action == "rollback" and row.former in digests:
            found[digests[row.former]] = row
        found.pop(row.digest, None)
        digests[row.version] = row.digest
    return found


@dataclass(frozen=True)
class Divergence:
    """Registry and ledger disagree: ``unfinished`` where a promotion was cut short, ``gone`` where the champion was
    deleted, else somebody moved the alias or changed the ledger.
    """

    kind: Literal["unfinished", "gone", "alarm"]
    sentence: str


def divergence(
    rows: list[Row], model: str, alias: str | None, hashes: Mapping[str, str], there: Collection[str] | None = None
) -> Divergence | None:
    """Compare the ledger with the registry.

    Args:
        rows: the model's chain.
        alias: the version that the champion alias points at.
        hashes: version -> hash of the ledger row that last promoted it, from the versions' tags.
        there: the versions that the registry holds; None takes all of the ledger's for there.
    """
    known = {row.hash for row in rows}
    for version, written in sorted(hashes.items()):
        if written not in known:
            return Divergence(
                "alarm",
                f"ALARM: version {version} of {model} carries ledger hash {written[:12]}, which the ledger does not "
                "hold: it was cut short, rewritten, or is another one (check LEDGER_URL). Restore it from a copy.",
            )
    if not rows:
        if alias is None:
            return None
        return Divergence(
            "alarm",
            f"ALARM: champion of {model} points at version {alias}, but the ledger has no promotion of this model. "
            "Remove the alias in MLflow and promote with main.py promote.",
        )
    head = rows[-1]
    if there is not None and head.version not in there:
        return Divergence(
            "gone",
            f"ALARM: version {head.version} of {model}, the champion by the ledger ({head.action} by {head.who}, "
            f"{head.at}), was deleted in the registry. Put the registry back from a copy. Or type main.py run, which "
            "registers the bundle again where it is still the pipeline's; else main.py rollback for the former "
            "champion, or main.py promote --version N for another version.",
        )
    finished = hashes.get(head.version) == head.hash
    if finished and alias == head.version:
        return None
    if not finished and alias in (head.former, head.version):
        return Divergence(
            "unfinished",
            f"The {head.action} of version {head.version} of {model} is in the ledger, but was cut short before "
            "the registry followed. main.py promote finishes it.",
        )
    return Divergence(
        "alarm",
        f"ALARM: champion of {model} points at version {alias or 'none'}, but by the ledger it is version "
        f"{head.version} ({head.action} by {head.who}, {head.at}): the alias was moved without a promotion. "
        "main.py promote --restore puts it back.",
    )
