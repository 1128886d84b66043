"""Cleaning and characteristics of simulated applications: rows a second and peak memory.

    uv run python benchmarks/pipeline.py [--rows 100000 1000000 10000000] [--repeat 3] [--no-op]

Each measurement is a process of its own that reads the raw table and writes the table of characteristics, both
Parquet: the package (``write_cleaned`` and ``add_characteristics``), and the same rules and characteristics in pandas
under a scikit-learn pipeline, as most people would write them (up to 1 million rows: beyond, it takes minutes).
Processes take turns, figures are medians, the imports are counted. ``--no-op`` times the default run on a fresh
checkout and a second ``dvc repro`` instead.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
CONTRACT = ROOT / "1.data" / "portfolios" / "simulated.yaml"
PANDAS_UP_TO = 1_000_000
GROUPS = {
    "debts": "debt|credit card|loans|refinanc|overdraft",
    "business": "^business|capital|store|my .*shop|own business",
    "car": "car$|car |car,|motorbike",
    "medical": "medical|dental|hospital|hearing|operation",
    "wedding": "wedding|engagement",
    "education": "tuition|degree|training|licence|school",
    "holiday": "holiday|vacation|travel|trip",
    "home": "home|kitchen|bathroom|roof|heating",
    "furniture": "furniture|sofa|washing| tv|household",
}
RANGES = {
    "age": (18, 110),
    "household_size": (1, 20),
    "monthly_income": (0, 200_000),
    "monthly_debt_payments": (0, 100_000),
    "loan_amount": (500, 100_000),
    "bureau_score": (300, 850),
    "open_accounts": (0, 200),
    "card_utilisation": (0, 300),
    "delinquencies_24m": (0, 50),
    "months_since_delinquency": (0, 24),
    "inquiries_6m": (0, 100),
    "employment_years": (0, 10),
    "term": (6, 120),
}


def ours(raw: Path, out: Path) -> None:
    """The package's stages 2 and 3."""
    import polars as pl

    from creditrisk.contract import Contract
    from creditrisk.data.characteristics import add_characteristics
    from creditrisk.data.clean import write_cleaned

    contract = Contract.load(CONTRACT)
    clean = out.with_name("clean.parquet")
    write_cleaned(raw, contract, clean, out.with_name("quarantine.parquet"))
    add_characteristics(pl.scan_parquet(clean), contract).sink_parquet(out)


def usual(raw: Path, out: Path) -> None:
    """Pandas functions in a scikit-learn pipeline."""
    import pandas as pd
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import FunctionTransformer

    steps = [("clean", FunctionTransformer(_clean)), ("characteristics", FunctionTransformer(_characteristics))]
    Pipeline(steps).fit_transform(pd.read_parquet(raw)).to_parquet(out)


def _clean(raw: Any) -> Any:
    import pandas as pd

    frame = raw.drop_duplicates(subset=[name for name in raw.columns if name != "application_id"])
    for name in frame.columns[frame.dtypes.map(lambda dtype: dtype in ("object", "str", "string"))]:
        frame[name] = frame[name].str.strip()
    frame = frame.rename(columns={"employment_length": "employment_years"})
    frame["employment_years"] = frame["employment_years"].str.replace(r"[<+ years]", "", regex=True)
    frame["term"] = frame["term"].str.replace(" months", "", regex=False)
    frame["card_utilisation"] = frame["card_utilisation"].str.replace("%", "", regex=False)
    frame["application_date"] = pd.to_datetime(frame["application_date"], format="%Y-%m-%d", errors="coerce")
    frame["oldest_account"] = pd.to_datetime(frame["oldest_account"], format="%m/%Y", errors="coerce")
    frame["phone_verified"] = frame["phone_verified"].map({"Y": True, "N": False})
    frame["occupation"] = frame["occupation"].str.lower()
    frame["savings"] = frame["savings"].replace("no answer", None)
    good = frame["application_date"].notna()
    for name, (low, high) in RANGES.items():
        given = frame[name].notna()
        frame[name] = pd.to_numeric(frame[name], errors="coerce")
        good &= frame[name].between(low, high) | ~given
    good &= frame["housing"].isin(["with family", "tenant", "mortgage", "owner"]) | frame["housing"].isna()
    for name, values in {
        "sex": ["female", "male"],
        "education": ["none", "secondary", "vocational", "bachelor", "master"],
        "savings": ["none", "under 1,000", "1,000-5,000", "5,000-20,000", "over 20,000"],
        "channel": ["branch", "web", "app", "broker"],
    }.items():
        frame[name] = frame[name].where(frame[name].isin(values))
    frame["target"] = frame["outcome"].map({"defaulted": 1, "repaid": 0})
    return frame[good & frame["target"].notna()]


def _characteristics(frame: Any) -> Any:
    import numpy as np

    frame = frame.copy()
    income = frame["monthly_income"].replace(0, np.nan)
    instalment = frame["loan_amount"] / frame["term"]
    frame["burden"] = (frame["monthly_debt_payments"] + instalment) / income
    frame["loan_to_income"] = frame["loan_amount"] / (12 * income)
    left = frame["monthly_income"] - frame["monthly_debt_payments"] - instalment
    frame["free_income_per_head"] = left / frame["household_size"]
    frame["income_not_stated"] = frame["monthly_income"].isna().astype(float)
    days = frame["application_date"].dt
    opened = frame["oldest_account"].dt
    frame["account_age"] = (days.year - opened.year) * 12 + days.month - opened.month
    frame["accounts_per_year"] = frame["open_accounts"] / (frame["account_age"] / 12).replace(0, np.nan)
    frame["unknown_and_remote"] = (frame["bureau_score"].isna() & (frame["channel"] != "branch")).astype(float)
    recent = 1 / (1 + frame["months_since_delinquency"])
    frame["delinquency_recency"] = np.where(frame["delinquencies_24m"] == 0, 0, recent)
    frame["credit_hunger"] = frame["inquiries_6m"] * frame["card_utilisation"].fillna(0) / 100
    recent_owner = (frame["employment_status"] == "self-employed") & (frame["employment_years"].fillna(0) < 2)
    frame["new_business_owner"] = recent_owner.astype(float)
    purpose = frame["purpose"].str.lower()
    frame["urgent"] = purpose.str.contains("urgent").astype(float)
    found = [purpose.str.contains(pattern, regex=True).fillna(False).astype(bool) for pattern in GROUPS.values()]
    frame["purpose_group"] = np.select(found, list(GROUPS), "other")
    frame["remaining_term_at_work"] = frame["term"] / 12 - frame["employment_years"].fillna(0)
    return frame


def measure(way: str, raw: Path, folder: Path) -> dict[str, float]:
    """Run one way in a process of its own; seconds and peak MB."""
    command = [sys.executable, __file__, "--way", way, "--raw", str(raw), "--out", str(folder / f"{way}.parquet")]
    began = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return {"seconds": time.perf_counter() - began, "mb": json.loads(done.stdout.splitlines()[-1])["mb"]}


def tables(sizes: list[int], repeat: int) -> None:
    """Simulate, take turns, print."""
    from creditrisk.contract import Simulation
    from creditrisk.data.simulate import simulate

    print("| rows | way | s, median | rows/s | peak MB | times pandas |\n|---|---|---|---|---|---|")
    for rows in sizes:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            simulate(Simulation(rows=rows), folder, progress=False)
            ways = ("ours", "usual") if rows <= PANDAS_UP_TO else ("ours",)
            found: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
            for _ in range(repeat):
                for way in ways:
                    found[way].append(measure(way, folder / "raw.parquet", folder))
            base = statistics.median(run["seconds"] for run in found["usual"]) if "usual" in found else None
            for way, runs in found.items():
                seconds = statistics.median(run["seconds"] for run in runs)
                memory = statistics.median(run["mb"] for run in runs)
                times = f"{base / seconds:.1f}" if base else ""
                title = "this package" if way == "ours" else "pandas + scikit-learn"
                print(
                    f"| {rows:,} | {title} | {seconds:.1f} | {rows / seconds:,.0f} | {memory:,.0f} | {times} |",
                    flush=True,
                )


def no_op(repeat: int) -> None:
    """Time the default run on a fresh checkout, and a second ``dvc repro``."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "checkout"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
        began = time.perf_counter()
        subprocess.run([sys.executable, "main.py"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
        print(f"the whole default run: {time.perf_counter() - began:.1f} s")
        again = []
        for _ in range(repeat):
            began = time.perf_counter()
            command = [sys.executable, "-m", "dvc", "repro"]
            subprocess.run(command, cwd=folder / "4.dvc_pipeline", check=True, stdout=subprocess.DEVNULL)
            again.append(time.perf_counter() - began)
        print(f"a second dvc repro: {statistics.median(again):.1f} s (median of {repeat})")


def main() -> None:
    """One measurement (as a child), or all of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000, 10_000_000])
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--no-op", action="store_true")
    parser.add_argument("--way", choices=("ours", "usual"), help=argparse.SUPPRESS)
    parser.add_argument("--raw", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.way:
        {"ours": ours, "usual": usual}[arguments.way](arguments.raw, arguments.out)
        unit = 1 if sys.platform == "darwin" else 1024
        print(json.dumps({"mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20}))
    elif arguments.no_op:
        no_op(arguments.repeat)
    else:
        tables(arguments.rows, arguments.repeat)


if __name__ == "__main__":
    main()
