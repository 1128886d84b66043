"""Run one stage of the pipeline and print, as JSON, what it read: modules, params, keys of the contract, files."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl

from creditrisk.contract import Contract
from creditrisk.data.characteristics import Parsed
from creditrisk.params import Params
from creditrisk.pipeline.stage import Stage

MADE_OF = {
    "clean_columns": ("columns",),
    "raw_names": ("columns",),
    "protected": ("columns",),
    "id_columns": ("id",),
    "expression_kinds": ("columns", "time"),
    "population_kinds": ("columns", "target"),
    "inputs": ("columns", "characteristics"),
}
"""The contract's derived properties, which are worked out when it is loaded, and the keys they are made of."""

params: set[str] = set()
contract: set[str] = set()
files: set[str] = set()


def watch(kind: type, note: Callable[[str], None]) -> None:
    """Call ``note`` with the name of every attribute that is asked of an object of this kind."""
    usual = kind.__getattribute__

    def asked(self: Any, name: str) -> Any:
        note(name)
        return usual(self, name)  # type: ignore[call-arg]

    kind.__getattribute__ = asked  # type: ignore[method-assign, assignment]


def note_contract(name: str) -> None:
    contract.update(MADE_OF.get(name, (name,) if name in Contract.model_fields else ()))


def note_params(name: str) -> None:
    if name in Params.model_fields:
        params.add(name)


def note_file(path: Any) -> None:
    if isinstance(path, (str, Path)):
        files.add(str(Path(path).resolve()))


def note_open(event: str, given: tuple[Any, ...]) -> None:
    if event == "open" and given[1] in ("r", "rb", None):
        note_file(given[0])


def noted(read: Callable[..., Any]) -> Callable[..., Any]:
    def reader(source: Any, *arguments: Any, **options: Any) -> Any:
        note_file(source)
        return read(source, *arguments, **options)

    return reader


def main(name: str) -> None:
    """Trace the stage of this name; its part of the project is below the working folder's parent."""
    stage = Stage.open()
    _ = stage.contract  # loading looks at every key; what the stage itself asks for comes after
    before = set(sys.modules)  # what checking a contract takes belongs to the ground that all stages stand on
    module = importlib.import_module(f"creditrisk.pipeline.{name}")
    dump = Params.model_dump

    def dumped(self: Params, **options: Any) -> Any:
        params.update(options.get("include") or ())  # a dump of everything is the record of a run, no input
        return dump(self, **options)

    Params.model_dump = dumped  # type: ignore[method-assign, assignment]
    watch(Params, note_params)
    watch(Contract, note_contract)
    watch(Parsed, note_contract)
    for reader in ("scan_parquet", "read_parquet", "read_parquet_schema"):
        setattr(pl, reader, noted(getattr(pl, reader)))
    sys.addaudithook(note_open)
    getattr(module, name)(stage)
    modules = sorted(found for found in sys.modules if found.startswith("creditrisk."))
    own = [name for name in modules if name not in before]
    found = {"params": params, "contract": contract, "files": files}
    print(json.dumps({"modules": modules, "own": own} | {name: sorted(values) for name, values in found.items()}))


if __name__ == "__main__":
    main(sys.argv[1])
