"""What every stage starts from: the checkout, the params, the portfolio's contract and folders."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from creditrisk.contract import Contract
from creditrisk.errors import CreditRiskError, os_sentence
from creditrisk.params import Params
from creditrisk.paths import Project, whole


@dataclass(frozen=True)
class Stage:
    """The surroundings of one run of one stage."""

    project: Project
    params: Params

    @classmethod
    def open(cls) -> Stage:
        """Read params.yaml of the checkout.

        Raises:
            ContractError: the file is not what it must be.
        """
        project = Project.find()
        return cls(project, Params.from_yaml(project.params))

    @cached_property
    def contract(self) -> Contract:
        """The current portfolio's contract."""
        path = self.project.contract(self.params.portfolio)
        contract = Contract.load(path)
        if contract.name != self.params.portfolio:
            raise CreditRiskError(
                f"{path}: its name is {contract.name!r}, the file's {self.params.portfolio!r}; make them the same."
            )
        return contract

    @property
    def tables(self) -> Path:
        return self.project.tables(self.params.portfolio)

    @property
    def artifacts(self) -> Path:
        return self.project.artifacts(self.params.portfolio)


def run(work: Callable[[Stage], str]) -> None:
    """Run a stage as a script: one line of result, or one sentence of what is wrong and exit code 1.

    A stage takes no arguments: what it does stands in params.yaml and the contract. Others end with exit code 2.
    """
    argparse.ArgumentParser(description=work.__doc__).parse_args()
    try:
        print(work(Stage.open()), flush=True)
    except CreditRiskError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    except FileNotFoundError as error:
        said = "The stages before this one make what it reads: in 4.dvc_pipeline, uv run dvc repro runs them in order."
        print(f"error: {os_sentence(error)}. {said}", file=sys.stderr)
        raise SystemExit(1) from None
    except OSError as error:
        print(f"error: {os_sentence(error)}. Nothing was kept of this stage; mend it and run again.", file=sys.stderr)
        raise SystemExit(1) from None


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Write JSON whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole(path) as draft:
        draft.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def read_json(path: Path) -> dict[str, Any]:
    """Read what an earlier stage wrote."""
    value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return value
