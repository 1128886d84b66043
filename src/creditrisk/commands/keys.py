"""``main.py keys``: make, list and revoke the API keys of the scoring service."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from rich.console import Console
from rich.table import Table

from creditrisk.commands.context import Context
from creditrisk.errors import ServiceError
from creditrisk.service.access.keys import MAX_NAME, Caller, KeyStore
from creditrisk.service.processes.private import private
from creditrisk.service.settings import ServiceSettings

SHOWN = ("id", "name", "scopes", "created", "per_minute", "revoked")


@private()
def command_keys(context: Context, arguments: Namespace) -> None:
    """Do one of the three."""
    store = KeyStore(ServiceSettings.from_environment(context.project).state / "keys.json")
    {"create": _create, "list": _list, "revoke": _revoke}[arguments.action](context, arguments, store)


def _create(context: Context, arguments: Namespace, store: KeyStore) -> None:
    if arguments.id is not None:
        raise ServiceError(f"keys create makes the id itself; leave {arguments.id!r} out.")
    if not arguments.scope or not arguments.name:
        raise ServiceError("keys create needs --scope (may be repeated) and --name, such as --scope score --name shop.")
    caller, text = store.create(arguments.name, tuple(arguments.scope), arguments.per_minute)
    if context.as_json:
        context.show(_plain(caller) | {"key": text})
        return
    context.show(_plain(caller))
    context.say(f"key: {text}")
    context.say("It is shown this once and kept nowhere: store it now. Send it as Authorization: Bearer KEY.")


def _list(context: Context, _: Namespace, store: KeyStore) -> None:
    found = [_plain(caller) for caller in store.read().values()]
    if context.as_json:
        context.show({"keys": found})
        return
    if not found:
        context.say("There are no keys. main.py keys create --scope score --name NAME makes one.")
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in SHOWN:
        table.add_column(name.replace("_", " "), no_wrap=True)
    for item in found:
        table.add_row(*("" if item[name] is None else str(item[name]) for name in SHOWN))
    Console(highlight=False, markup=False, width=max(MAX_NAME + 150, 80)).print(table)


def _revoke(context: Context, arguments: Namespace, store: KeyStore) -> None:
    if arguments.id is None:
        raise ServiceError("keys revoke needs the id of a key; main.py keys list shows them.")
    context.show(_plain(store.revoke(arguments.id)))


def _plain(caller: Caller) -> dict[str, Any]:
    """A key as people see it: no hash."""
    found = {name: getattr(caller, name) for name in SHOWN}
    return found | {"scopes": ", ".join(caller.scopes)}
