"""The small lender's tables and bundles, for tests of tracking and promotion."""

from __future__ import annotations

import copy
import shutil
from dataclasses import dataclass
from pathlib import Path

import yaml
from support import SMALL_CONTRACT, small_table

from creditrisk.contract import Contract
from creditrisk.data.characteristics import add_characteristics
from creditrisk.data.cleaning.clean import clean_training
from creditrisk.data.split import split
from creditrisk.model.bundle import Manifest, verify
from creditrisk.params import Params, Split
from creditrisk.paths import Project
from creditrisk.pipeline.train_model import train_bundle


@dataclass(frozen=True)
class Lender:
    """The small lender's tables and four bundles, made once a session."""

    root: Path

    def bundle(self, name: str) -> Path:
        """``poor``, ``fair``, ``good``, or ``twin``: the PDs of ``fair`` under another score scale."""
        return self.root / "bundles" / name

    def manifest(self, name: str) -> Manifest:
        return verify(self.bundle(name))

    def tables(self, project: Project) -> None:
        """Put the pipeline's tables into a checkout."""
        shutil.copytree(self.root / "tables", project.tables("small"))


def make_lender(root: Path) -> Lender:
    """Train four scorecards on the same rows, with less and less left out."""
    raw = small_table(4_000, seed=11)
    (root / "tables" / "raw").mkdir(parents=True)
    (root / "tables" / "split").mkdir()
    raw.write_parquet(root / "tables" / "raw" / "raw.parquet")
    for name, kept, base in (
        ("poor", ("is_travel",), 600.0),
        ("fair", ("income", "is_travel"), 600.0),
        ("twin", ("income", "is_travel"), 700.0),
        ("good", ("income", "instalment_burden", "is_travel"), 600.0),
    ):
        contract = Contract.from_text(_text(kept), name)
        table = add_characteristics(clean_training(raw.lazy(), contract).table, contract).collect()
        parts, rule, _ = split(table, contract, Split())
        for part, rows in parts.items():
            rows.write_parquet(root / "tables" / "split" / f"{part}.parquet")
        settings = Params(portfolio="small", model={"family": "scorecard"}, policy={"base_score": base})
        folder = root / "bundles" / name
        folder.parent.mkdir(exist_ok=True)
        train_bundle(folder, contract, _text(kept), settings, parts["train"], parts["calibration"], rule, "0" * 64)
    return Lender(root)


def _text(kept: tuple[str, ...]) -> str:
    """The small lender's contract with just these model inputs."""
    contract = copy.deepcopy(SMALL_CONTRACT)
    for name, column in contract["columns"].items():
        if column.get("role") is None and name not in kept:
            column["input"] = False
    contract["characteristics"] = {k: v for k, v in contract["characteristics"].items() if k in kept}
    return yaml.safe_dump(contract, sort_keys=False)
