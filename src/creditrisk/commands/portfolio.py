"""Commands on portfolios: choose one, write a first contract, pin a table's digest."""

from __future__ import annotations

import os
import re
from argparse import Namespace
from pathlib import Path

from creditrisk.commands.context import Context, set_params
from creditrisk.commands.fallback import alone
from creditrisk.contract import Contract
from creditrisk.data.cleaning.messages import check_columns
from creditrisk.data.reading.fetch import check_address, local_path, shown
from creditrisk.data.reading.local import first_bytes
from creditrisk.data.reading.source import scan, sha256_of
from creditrisk.errors import ContractError, DataError
from creditrisk.paths import Project, whole
from creditrisk.pipeline.get_data import watched_file


def use(context: Context, portfolio: str) -> bool:
    """Make a portfolio the current one in params.yaml; say whether that changed anything."""
    return set_params(context.project.params, portfolio=portfolio, table=_table_of(context, portfolio))


def check_usable(context: Context, portfolio: str) -> None:
    """See that a portfolio can become the current one and has a table to begin with; nothing is changed.

    Raises:
        ContractError: its contract is absent, not what it must be, or of another name.
        SourceError: its local table is absent or cannot be read.
    """
    first_bytes(Path(os.path.normpath(context.project.pipeline / _table_of(context, portfolio))))


def _table_of(context: Context, portfolio: str) -> str:
    return watched_file(_checked(context, portfolio), context.project)


def _checked(context: Context, portfolio: str) -> Contract:
    """A portfolio's contract, of its own name and with an address that can be one.

    Raises:
        ContractError: it is absent, not what it must be, or of another name.
        SourceError: the protocol of its source's address is not known.
    """
    contract = context.contract(portfolio)
    if contract.name != portfolio:
        raise ContractError(
            f"{context.contract_path(portfolio)}: its name is {contract.name!r}; make it {portfolio!r}."
        )
    if contract.source.url is not None:
        check_address(contract.source.url)
    return contract


def command_use(context: Context, arguments: Namespace) -> None:
    """``main.py use NAME``; not in the middle of a run, whose later stages would be another portfolio's."""
    with alone(context.project):
        changed = use(context, arguments.name)
    context.show({"portfolio": arguments.name, "changed": changed})


def command_new(context: Context, arguments: Namespace) -> None:
    """``main.py new-portfolio TABLE --target COLUMN``: write a first contract."""
    from creditrisk.data.onboarding.infer import infer

    inferred = infer(
        Path(arguments.table),
        arguments.target,
        bad=arguments.bad,
        time=arguments.time,
        id_=arguments.id,
        name=arguments.name,
        root=context.project.root,
        split=context.params().split,
    )
    path = context.project.contract(inferred.name)
    if path.exists() and not arguments.overwrite:
        raise ContractError(f"{path} exists; choose another name with --name, or replace it with --overwrite.")
    Contract.from_text(inferred.text, str(path)).check_expressions(str(path))
    with whole(path) as draft:
        draft.write_text(inferred.text, encoding="utf-8")
    context.show(
        {"portfolio": inferred.name, "contract": str(path), "notes": list(inferred.notes)},
        [
            ("contract", str(path.relative_to(context.project.root))),
            *[("check", note) for note in inferred.notes],
            ("next", f"uv run main.py run --portfolio {inferred.name}"),
        ],
    )


def command_contract(context: Context, arguments: Namespace) -> None:
    """``main.py contract check|pin [--portfolio NAME]``."""
    portfolio = arguments.portfolio or context.params().portfolio
    contract = _checked(context, portfolio)
    if arguments.action == "check":
        counts = {"portfolio": portfolio, "columns": len(contract.columns), "inputs": len(contract.inputs)}
        context.show(counts | {"table": _compared(contract, context.project)})
        return
    path = context.contract_path(portfolio)
    digest = pin(path, contract, context.project.root)
    context.show({"portfolio": portfolio, "sha256": digest})


def _compared(contract: Contract, project: Project) -> str:
    """Compare the contract's columns with those of its table where that lies at hand; say whether it did.

    Raises:
        SourceError: the table cannot be read; DataError: it lacks a column, or has one that the contract does not name.
    """
    url = contract.source.url
    if url is None:
        from creditrisk.data.simulation.export import RAW

        where, names = "the simulation", RAW
    else:
        table = local_path(url, project.root)
        if table is None or not table.exists():
            return (
                f"not compared with the contract: {shown(url)} is {'not there' if table else 'fetched by main.py run'}"
            )
        where, names = str(table), dict(scan(table, contract.source.format).collect_schema())
    try:
        check_columns(names, contract)
    except DataError as error:
        raise DataError(f"{where}: {error}") from None
    return f"{where}: its columns are those of the contract"


def pin(path: Path, contract: Contract, root: Path) -> str:
    """Write the SHA-256 of a contract's local table into the contract, everything else left as it stands.

    Raises:
        ContractError: the source is not a local table.
    """
    url = contract.source.url
    if url is None or "://" in url:
        raise ContractError(f"{path}: its source is {url or 'the simulation'}; only a local table can be pinned.")
    digest = sha256_of(root / url)
    text = path.read_text(encoding="utf-8")
    if contract.source.sha256 is not None or re.search(r"^\s+sha256:", text, re.MULTILINE):
        text = re.sub(r"(\bsha256:[ \t]*)([0-9a-f]{64}|null|~|\"\"|'')?", rf"\g<1>{digest}", text, count=1)
    else:
        text = re.sub(
            r"^(source:[ \t]*(#.*)?\n)(\s+)", rf"\g<1>\g<3>sha256: {digest}\n\g<3>", text, count=1, flags=re.MULTILINE
        )
    if Contract.from_text(text, str(path)).source.sha256 != digest:
        raise ContractError(f"{path}: found no place to write the digest; add  sha256: {digest}  under source.")
    with whole(path) as draft:
        draft.write_text(text, encoding="utf-8")
    return digest
