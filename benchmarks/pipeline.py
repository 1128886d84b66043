"""Cleaning and characteristics of simulated applications: rows a second and peak memory.

    uv run python benchmarks/pipeline.py [--rows 100000 1000000 10000000] [--repeat 3] [--no-op]

Each measurement is a process of its own that reads the raw table and writes the clean table, the quarantine (one line
for each fault: row, column, value, rule, what was expected), the counts of faults, and the table of characteristics.

Two ways of the same work: the package's stages 2 and 3, one after the other, and pandas under a scikit-learn pipeline
as most people would write it: whole columns, masks, ``concat`` and ``value_counts``, pandas' own settings, no loop over
rows and no tuning (up to 1 million rows: beyond, it takes minutes). It keeps the clean table in memory where the
package writes it and reads it again, and it is written for this one portfolio where the package reads a contract. Both
must find the same number of clean rows, of rows in quarantine and of faults by column and rule; otherwise the benchmark
stops. Processes take turns, figures are medians, the imports are counted. ``--no-op`` times the default run on a fresh
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
    "employment_length": (0, 10),
    "term": (6, 120),
}
FRACTIONS = ("monthly_income", "monthly_debt_payments", "loan_amount", "card_utilisation")
LISTS = {
    "sex": ["female", "male"],
    "region": [
        "North",
        "South",
        "East",
        "West",
        "Capital",
        "Lakes",
        "Highlands",
        "Coast",
        "Valley",
        "Islands",
        "Harbour",
    ],
    "education": ["none", "secondary", "vocational", "bachelor", "master"],
    "employment_status": ["employed", "public sector", "self-employed", "retired", "student", "unemployed"],
    "savings": ["none", "under 1,000", "1,000-5,000", "5,000-20,000", "over 20,000"],
    "channel": ["branch", "web", "app", "broker"],
}
Counts = dict[str, Any]
AGREED = ("clean", "quarantined", "faults")
"""What both ways must find alike."""


def ours(raw: Path, out: Path) -> Counts:
    """The package's stages 2 and 3."""
    import polars as pl

    from creditrisk.contract import Contract
    from creditrisk.data.characteristics import add_characteristics
    from creditrisk.data.cleaning.clean import write_cleaned
    from creditrisk.data.parquet import sink_table

    contract = Contract.load(CONTRACT)
    clean = out.with_name("clean.parquet")
    report = write_cleaned(raw, contract, clean, out.with_name("quarantine.parquet"))
    out.with_name("cleaning.json").write_text(json.dumps(report.to_json()))
    sink_table(add_characteristics(pl.scan_parquet(clean), contract), out)
    return {"clean": report.rows_kept, "quarantined": report.rows_quarantined, "faults": report.rules}


def usual(raw: Path, out: Path) -> Counts:
    """Pandas functions in a scikit-learn pipeline."""
    import pandas as pd
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import FunctionTransformer

    clean = FunctionTransformer(_clean, kw_args={"folder": out.parent})
    steps = [("clean", clean), ("characteristics", FunctionTransformer(_characteristics))]
    table = Pipeline(steps).fit_transform(pd.read_parquet(raw))
    table.to_parquet(out)
    found: Counts = json.loads(out.with_name("cleaning.json").read_text())
    return found


def _clean(raw: Any, folder: Path) -> Any:
    import pandas as pd

    frame = raw.drop_duplicates(subset=[name for name in raw.columns if name != "application_id"])
    frame = frame.assign(id=frame["application_id"], target=frame["outcome"].map({"defaulted": 1, "repaid": 0}))
    frame = frame[frame["target"].notna()]
    for name in frame.columns[frame.dtypes.map(lambda dtype: dtype in ("object", "str", "string"))]:
        frame[name] = frame[name].str.strip().replace("", None)
    faults = []

    def fault(name: str, bad: Any, rule: str, expected: str) -> None:
        rows = frame.index[bad]
        lines = {"row": rows + 1, "column": name, "value": raw.loc[rows, name].astype(str)}
        faults.append(pd.DataFrame(lines | {"rule": rule, "expected": expected}))

    for name in ("application_id", "application_date", "loan_amount", "term"):
        fault(name, frame[name].isna(), "required", "a value")
    frame["employment_length"] = frame["employment_length"].str.replace(r"[<+ years]", "", regex=True)
    frame["term"] = frame["term"].str.replace(" months", "", regex=False)
    frame["card_utilisation"] = frame["card_utilisation"].str.replace("%", "", regex=False)
    for name, (low, high) in RANGES.items():
        given = frame[name].notna()
        frame[name] = pd.to_numeric(frame[name], errors="coerce")
        fault(name, given & frame[name].isna(), "type", "a number")
        if name not in FRACTIONS:
            fault(name, frame[name] % 1 > 0, "integer", "a whole number")
        fault(name, (frame[name] < low) | (frame[name] > high), "range", f"between {low} and {high}")
    for name, written in {"application_date": "%Y-%m-%d", "oldest_account": "%m/%Y"}.items():
        given = frame[name].notna()
        frame[name] = pd.to_datetime(frame[name], format=written, errors="coerce")
        fault(name, given & frame[name].isna(), "type", f"a date written as {written}")
    fault("application_date", frame["application_date"] < "2000-01-01", "range", "at least 2000-01-01")
    verified = frame["phone_verified"].map({"Y": True, "N": False})
    fault("phone_verified", frame["phone_verified"].notna() & verified.isna(), "type", "one of Y, N")
    frame["phone_verified"] = verified
    homes = ["with family", "tenant", "mortgage", "owner"]
    fault("housing", frame["housing"].notna() & ~frame["housing"].isin(homes), "values", f"one of {homes}")
    frame["occupation"] = frame["occupation"].str.lower()
    for name, values in LISTS.items():
        frame[name] = frame[name].where(frame[name].isin(values))
    quarantine = pd.concat(faults).sort_values("row")
    quarantine.to_parquet(folder / "quarantine.parquet")
    counts = (quarantine["column"] + ": " + quarantine["rule"]).value_counts().to_dict()
    frame = frame[~(frame.index + 1).isin(quarantine["row"])].rename(columns={"employment_length": "employment_years"})
    frame.to_parquet(folder / "clean.parquet")
    report = {"clean": len(frame), "quarantined": quarantine["row"].nunique(), "faults": counts}
    missing = {name: int(count) for name, count in frame.isna().sum().items()}
    (folder / "cleaning.json").write_text(json.dumps(report | {"missing": missing}))
    return frame


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


def measure(way: str, raw: Path, folder: Path) -> Counts:
    """Run one way in a process of its own; seconds, peak MB and what it found."""
    own = folder / way
    own.mkdir(exist_ok=True)
    command = [sys.executable, __file__, "--way", way, "--raw", str(raw), "--out", str(own / "out.parquet")]
    began = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    found: Counts = json.loads(done.stdout.splitlines()[-1])
    return found | {"seconds": time.perf_counter() - began}


def agree(found: dict[str, list[Counts]]) -> None:
    """Stop unless all runs of all ways found the same."""
    first = found["ours"][0]
    for way, runs in found.items():
        for run in runs:
            if any(run[key] != first[key] for key in AGREED):
                raise SystemExit(f"{way} found {[run[key] for key in AGREED]}, not {[first[key] for key in AGREED]}")


def tables(sizes: list[int], repeat: int) -> None:
    """Simulate, take turns, print."""
    from creditrisk.contract import Simulation
    from creditrisk.data.simulation.simulate import simulate

    print("| rows | way | s, median | CPU s | rows/s | peak MB | times pandas |\n|---|---|---|---|---|---|---|")
    for rows in sizes:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            simulate(Simulation(rows=rows), folder, progress=False)
            ways = ("ours", "usual") if rows <= PANDAS_UP_TO else ("ours",)
            found: dict[str, list[Counts]] = {way: [] for way in ways}
            for _ in range(repeat):
                for way in ways:
                    found[way].append(measure(way, folder / "raw.parquet", folder))
            agree(found)
            base = statistics.median(run["seconds"] for run in found["usual"]) if "usual" in found else None
            for way, runs in found.items():
                seconds = statistics.median(run["seconds"] for run in runs)
                cpu = statistics.median(run["cpu"] for run in runs)
                memory = statistics.median(run["mb"] for run in runs)
                times = f"{base / seconds:.1f}" if base else ""
                title = "this package" if way == "ours" else "pandas + scikit-learn"
                figures = (f"{seconds:.1f}", f"{cpu:.1f}", f"{rows / seconds:,.0f}", f"{memory:,.0f}", times)
                print(f"| {rows:,} | {title} | {' | '.join(figures)} |", flush=True)


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
        counts = {"ours": ours, "usual": usual}[arguments.way](arguments.raw, arguments.out)
        used, unit = resource.getrusage(resource.RUSAGE_SELF), 1 if sys.platform == "darwin" else 1024
        spent = {"mb": used.ru_maxrss * unit / 2**20, "cpu": used.ru_utime + used.ru_stime}
        print(json.dumps({key: counts[key] for key in AGREED} | spent))
    elif arguments.no_op:
        no_op(arguments.repeat)
    else:
        tables(arguments.rows, arguments.repeat)


if __name__ == "__main__":
    main()
