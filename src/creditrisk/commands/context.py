"""What commands share: the checkout, the current params, how results are shown."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from creditrisk.contract import Contract
from creditrisk.errors import ContractError, nearest
from creditrisk.params import Params
from creditrisk.paths import Project


@dataclass(frozen=True)
class Context:
    """One invocation: where it runs and whether a machine reads the result."""

    project: Project
    as_json: bool

    def params(self, portfolio: str | None = None) -> Params:
        """The params file, for ``portfolio`` where one is named, else for the current one."""
        params = Params.from_yaml(self.project.params)
        if portfolio is None or portfolio == params.portfolio:
            return params
        self.contract_path(portfolio)
        return params.model_copy(update={"portfolio": portfolio})

    def contract_path(self, portfolio: str) -> Path:
        """The contract's file.

        Raises:
            ContractError: there is none of this name; the nearest one is suggested.
        """
        path = self.project.contract(portfolio)
        if not path.is_file():
            there = sorted(p.stem for p in self.project.portfolios.glob("*.yaml"))
            raise ContractError(
                f"No portfolio {portfolio!r}: {path} does not exist.{nearest(portfolio, there)} "
                f"There are: {', '.join(there)}. main.py new-portfolio TABLE --target COLUMN writes a new one."
            )
        return path

    def contract(self, portfolio: str) -> Contract:
        """A portfolio's contract."""
        return Contract.load(self.contract_path(portfolio))

    def show(self, value: dict[str, Any], lines: list[tuple[str, str]] | None = None, title: str = "") -> None:
        """Print a result: JSON for a machine, a small table for a person."""
        if self.as_json:
            print(json.dumps(value, indent=2, default=str))
            return
        table = Table(show_header=False, title=title or None, title_justify="left", box=None, padding=(0, 2, 0, 0))
        for name, text in lines or [(str(k).replace("_", " "), str(v)) for k, v in value.items()]:
            table.add_row(f"[bold]{name}[/bold]", text)
        Console(highlight=False, soft_wrap=not sys.stdout.isatty()).print(table)

    def say(self, text: str) -> None:
        """Tell a person what is going on; a machine that reads JSON gets it on standard error."""
        print(text, file=sys.stderr if self.as_json else sys.stdout, flush=True)


def set_params(path: Path, **values: str) -> bool:
    """Change top-level scalars of params.yaml in place, its comments kept; say whether anything changed."""
    text = path.read_text(encoding="utf-8")
    changed = text
    for key, value in values.items():
        line = re.compile(rf"^{key}:[ \t]*(\"[^\"]*\"|'[^']*'|[^\s#]+)", re.MULTILINE)
        written = value if re.fullmatch(r"[\w./-]+", value) else json.dumps(value)
        if not line.search(changed):
            changed = f"{key}: {written}\n{changed}"
        # no regular expression's replacement text: a backslash in a path would be read as one of its escapes
        if match := line.search(changed):
            changed = f"{changed[: match.start()]}{key}: {written}{changed[match.end() :]}"
    if changed == text:
        return False
    draft = path.with_name(f".{path.name}")
    draft.write_text(changed, encoding="utf-8")
    draft.replace(path)
    return True
