"""The package's rooms: imports run one way, and every room says what it is for."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter

import pytest
from support import ROOT

PACKAGE = ROOT / "src" / "creditrisk"
MODULES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__"): path
    for path in PACKAGE.rglob("*.py")
}


def imported(node: ast.AST) -> Iterator[str]:
    """What a module imports as it is loaded: not for types alone, and not within functions."""
    for child in ast.iter_child_nodes(node):
        for_types = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
        if for_types or isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        if isinstance(child, ast.ImportFrom) and (child.module or "").startswith("creditrisk."):
            module = str(child.module).removeprefix("creditrisk.")
            for alias in child.names:
                yield f"{module}.{alias.name}" if f"{module}.{alias.name}" in MODULES else module
        yield from imported(child)


def room(module: str, within: str) -> str:
    """The room below ``within`` that a module lies in; a module that lies in none is its own."""
    return module.removeprefix(within).split(".")[0]


@pytest.mark.parametrize("within", ["", "data.", "model.", "service.", "validation."])
def test_rooms_import_one_way(within: str) -> None:
    inside = {name: path for name, path in MODULES.items() if name.startswith(within)}
    rooms: dict[str, set[str]] = {}
    for name, path in inside.items():
        own = rooms.setdefault(room(name, within), set())
        own |= {room(one, within) for one in imported(ast.parse(path.read_text())) if one in inside}
    if not within:
        rooms["contract"].discard("expression")  # for the blanks that both trim
    try:
        TopologicalSorter({name: others - {name} for name, others in rooms.items()}).prepare()
    except CycleError as error:
        pytest.fail(f"a circle of imports: {' -> '.join(error.args[1])}")


def test_every_module_says_what_it_is_for() -> None:
    silent = [name for name, path in MODULES.items() if not ast.get_docstring(ast.parse(path.read_text()))]
    assert silent == []


def test_a_room_says_no_more_than_that() -> None:
    """So that importing one of its modules loads no other, and a stage of DVC need not depend on it."""
    rooms = {name: ast.parse(path.read_text()).body for name, path in MODULES.items() if path.stem == "__init__"}
    telling = {name for name, body in rooms.items() if len(body) > 1}
    assert telling == {"__init__", "contract"}  # the version; and what every stage reads anyhow, under one name
