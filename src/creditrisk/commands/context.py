"""What commands share: the checkout, the current params, how results are shown."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap
from typing import Any

import yaml
from rich.console import Console
from rich.text import Text

from creditrisk.contract import Contract
from creditrisk.errors import ContractError, nearest
from creditrisk.params import Params
from creditrisk.paths import Project, whole

NEXT = "next"
"""The line of a result that says what to type."""


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

    def show(self, value: dict[str, Any], lines: list[tuple[str, str]] | None = None) -> None:
        """Print a result: JSON for a machine, a small table for a person."""
        if self.as_json:
            print(json.dumps(value, indent=2, default=str))
            return
        rows = lines or [(str(k).replace("_", " "), str(v)) for k, v in value.items()]
        console = Console(highlight=False, soft_wrap=True)
        indent = max(len(name) for name, _ in rows) + 2
        for name, text in rows:
            # What is to be copied, and what goes to a file, stays in one line.
            whole = name == NEXT or not console.is_terminal
            for place, part in enumerate([text] if whole else wrap(text, max(40, console.width - indent)) or [""]):
                console.print(Text((name if place == 0 else "").ljust(indent), "bold").append(part, "not bold"))

    def say(self, text: str) -> None:
        """Tell a person what is going on; a machine that reads JSON gets it on standard error."""
        print(text, file=sys.stderr if self.as_json else sys.stdout, flush=True)


_SCALAR = r""""(?:[^"\\\n]|\\.)*"|'(?:[^'\n]|'')*'|[^\s#"'](?:[^\n#]|(?<=\S)#)*(?<=\S)"""
"""A YAML scalar on one line: in either kind of quotation marks, or plain up to the end of the line or a comment."""


def set_params(path: Path, **values: str) -> bool:
    """Change top-level scalars of params.yaml in place, its comments kept; say whether anything changed."""
    text = path.read_text(encoding="utf-8")
    changed = text
    for key, value in values.items():
        line = re.compile(rf"^{key}:[ \t]*({_SCALAR})", re.MULTILINE)
        written = _written(value)
        if not line.search(changed):
            changed = f"{key}: {written}\n{changed}"
        # no regular expression's replacement text: a backslash in a path would be read as one of its escapes
        if match := line.search(changed):
            changed = f"{changed[: match.start()]}{key}: {written}{changed[match.end() :]}"
    if changed == text:
        return False
    with whole(path) as draft:
        draft.write_text(changed, encoding="utf-8")
    return True


def _written(value: str) -> str:
    """A text as YAML, plain where it is read as that text: a portfolio may be called no."""
    if re.fullmatch(r"[\w./-]+", value, re.ASCII) and yaml.safe_load(value) == value:
        return value
    quoted: str = yaml.safe_dump(value, default_style='"', allow_unicode=True, width=2**31)
    return quoted.strip()
