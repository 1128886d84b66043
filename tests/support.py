"""A small lender with a project of its own, for tests of the lifecycle."""

from __future__ import annotations

import datetime as dt
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import yaml

from creditrisk.contract import Contract
from creditrisk.data.characteristics import add_characteristics
from creditrisk.data.cleaning.clean import clean_training
from creditrisk.data.split import split
from creditrisk.params import Params, Split
from creditrisk.pipeline.train_model import train_bundle

ROOT = Path(__file__).resolve().parents[1]

SMALL_CONTRACT: dict[str, Any] = {
    "name": "small",
    "title": "A small lender",
    "source": {"url": "small.csv", "format": {"kind": "csv"}, "licence": "generated"},
    "target": {"column": "outcome", "bad": ["default"], "good": ["paid"]},
    "population": None,
    "id": "loan",
    "group": None,
    "weight": None,
    "time": None,
    "as_of": None,
    "maturity": None,
    "test_from": None,
    "quarantine": {"max_share": 0.05},
    "duplicates": "drop",
    "extra_columns": "refuse",
    "columns": {
        "loan": {"type": "text", "role": "id"},
        "income": {"type": "number", "min": 0, "max": 1000000, "monotone": "decreasing", "reason": "The income is low"},
        "amount": {"type": "number", "min": 1, "max": 1000000},
        "months": {"type": "integer", "min": 1, "max": 120, "unit": "months"},
        "purpose": {"type": "category", "values": ["car", "home", "travel"], "case": "lower"},
        "age": {"type": "integer", "role": "protected", "min": 18, "max": 100, "unit": "years"},
    },
    "characteristics": {
        "instalment_burden": {
            "sql": "amount / months / NULLIF(income, 0)",
            "title": "Instalment for each unit of income",
            "monotone": "increasing",
            "reason": {"high": "The instalment is high for the income", "missing": "The income is not known"},
        },
        "is_travel": {"sql": "CASE WHEN purpose = 'travel' THEN 1 ELSE 0 END", "reason": "The loan is for travel"},
    },
}


def small_table(rows: int = 1_500, seed: int = 3, start: int = 0) -> pl.DataFrame:
    """Raw loans of the small lender as a CSV holds them."""
    random = np.random.default_rng(seed)
    income = random.lognormal(8, 0.5, rows).round(2)
    amount = random.lognormal(9, 0.6, rows).round(2)
    months = random.integers(6, 61, rows)
    purpose = random.choice(["car", "home", "Travel"], rows)
    margin = -1.6 + 2.2 * np.log(amount / months / income * 9) + 0.9 * (purpose == "Travel")
    bad = random.random(rows) < 1 / (1 + np.exp(-margin))
    return pl.DataFrame(
        {
            "loan": [f"L{start + row:06d}" for row in range(rows)],
            "income": pl.Series(income).map_elements(
                lambda x: None if x % 0.13 < 0.005 else x, return_dtype=pl.Float64
            ),
            "amount": amount,
            "months": months,
            "purpose": purpose,
            "age": random.integers(18, 80, rows),
            "outcome": np.where(bad, "default", "paid"),
        }
    )


DATED: dict[str, Any] = SMALL_CONTRACT | {
    "time": "applied_on",
    "columns": SMALL_CONTRACT["columns"]
    | {
        "applied": {"type": "date", "role": "time", "rename": "applied_on"},
        "since": {"type": "date"},
    },
    "characteristics": {
        "months_known": {"sql": "MONTHS_BETWEEN(since, application_date)"},
        **SMALL_CONTRACT["characteristics"],
    },
}
"""The small lender with days of application, from which one characteristic counts."""


def dated_table(rows: int) -> pl.DataFrame:
    """Its loans: an applicant who has been known for a shorter time is worse."""
    table = small_table(rows)
    bad = (table["outcome"] == "default").cast(pl.Int64)
    day = pl.int_range(rows) * 700 // rows
    return table.with_columns(
        (pl.lit(dt.date(2022, 1, 1)) + pl.duration(days=day)).alias("applied"),
        (pl.lit(dt.date(2018, 1, 1)) + pl.duration(days=day + pl.lit(bad) * 600)).alias("since"),
    )


CLASHING = ["row", "verdict", "decision_id"]
"""Id columns that have the names of answers."""


def clashing_table(rows: int) -> pl.DataFrame:
    """The small lender's loans, their id in three columns of such names."""
    table = small_table(rows)
    parts = {"row": table["loan"], "verdict": table["loan"].str.head(4), "decision_id": table["loan"].str.tail(3)}
    return table.drop("loan").with_columns(**parts)


@dataclass
class Checkout:
    """A copy of the project with the small lender's portfolio."""

    root: Path

    @property
    def pipeline(self) -> Path:
        return self.root / "4.dvc_pipeline"

    @property
    def artifacts(self) -> Path:
        return self.pipeline / "artifacts" / "small"

    @property
    def contract_path(self) -> Path:
        return self.root / "1.data" / "portfolios" / "small.yaml"

    def contract(self, change: Callable[[dict[str, Any]], None]) -> None:
        """Edit the contract."""
        contract = yaml.safe_load(self.contract_path.read_text())
        change(contract)
        self.contract_path.write_text(yaml.safe_dump(contract, sort_keys=False))

    def params(self, change: Callable[[dict[str, Any]], None]) -> None:
        """Edit params.yaml."""
        path = self.pipeline / "params.yaml"
        params = yaml.safe_load(path.read_text())
        change(params)
        path.write_text(yaml.safe_dump(params, sort_keys=False))

    def run(self, *command: str, folder: str = ".", **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command as a user would, in the project's environment."""
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        keep = {
            k: v for k, v in os.environ.items() if k not in ("MLFLOW_TRACKING_URI", "LEDGER_URL", "CREDITRISK_ROOT")
        }
        return subprocess.run(
            command,
            cwd=self.root / folder,
            env=keep | {"PATH": path} | environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def main(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run main.py."""
        return self.run(sys.executable, "main.py", *arguments, **environment)

    def repro(self) -> subprocess.CompletedProcess[str]:
        """Run ``dvc repro`` in the pipeline's folder."""
        return self.run(sys.executable, "-m", "dvc", "repro", folder="4.dvc_pipeline")


def copy_project(root: Path) -> Checkout:
    """Copy what the lifecycle needs into ``root`` and make the small lender its current portfolio."""
    keep = shutil.ignore_patterns("__pycache__", "tables", "artifacts", "dvc.lock", "*.db", "mlruns", "tmp", "cache")
    for name in ("1.data", "3.experiments", "4.dvc_pipeline", "5.testing", "src", ".dvc"):
        shutil.copytree(ROOT / name, root / name, ignore=keep)
    for name in ("main.py", "pyproject.toml", ".gitignore", ".dvcignore"):
        shutil.copy(ROOT / name, root / name)
    checkout = Checkout(root)
    checkout.contract_path.write_text(yaml.safe_dump(SMALL_CONTRACT, sort_keys=False))
    small_table().write_csv(root / "small.csv")

    def settle(params: dict[str, Any]) -> None:
        params |= {"portfolio": "small", "table": "../small.csv"}
        params["model"]["family"] = "scorecard"
        params["evaluation"]["bootstrap"] = 50

    checkout.params(settle)
    git = ("git", "-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false")
    for command in (("init", "-q"), ("add", "-A"), ("commit", "-qm", "start")):
        subprocess.run([*git, *command], cwd=root, check=True, capture_output=True)
    return checkout


def make_bundle(
    folder: Path,
    family: str,
    rows: int = 1_500,
    contract: dict[str, Any] = SMALL_CONTRACT,
    table: Callable[[int], pl.DataFrame] = small_table,
) -> Path:
    """Train a model of a family on the small lender's rows, in this process."""
    text = yaml.safe_dump(contract, sort_keys=False)
    checked = Contract.from_text(text, "small.yaml")
    clean = add_characteristics(clean_training(table(rows).lazy(), checked).table, checked).collect()
    parts, rule, _ = split(clean, checked, Split())
    quick = {"family": family, "catboost": {"rounds": 60, "depth": 4, "learning_rate": 0.1}}
    quick |= {"lightgbm": {"rounds": 60, "leaves": 8}, "ebm": {"rounds": 100, "interactions": 2, "bags": 2}}
    quick |= {"xgboost": {"rounds": 60, "leaves": 8}}
    params = Params(portfolio="small", model=quick)
    train_bundle(folder, checked, text, params, parts["train"], parts["calibration"], rule, "0" * 64)
    return folder


@contextmanager
def little_space(size: int) -> Iterator[None]:
    """Files of this process end here, as on a full disk."""
    before, compiling = resource.getrlimit(resource.RLIMIT_FSIZE), sys.dont_write_bytecode
    sys.dont_write_bytecode = True  # a module that is imported meanwhile would leave half its bytecode for good
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        sys.dont_write_bytecode = compiling
