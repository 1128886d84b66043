"""Quality on the four real portfolios: AUC of each family, next to the floors of a plain WOE scorecard and LightGBM.

    DATA_MIRROR=FOLDER uv run python benchmarks/quality.py [--portfolio NAME ...] [--family NAME ...]

Stratified 5 folds, seed 0; LendingClub also trained to 2010 and tested on 2011. Twice: ``unrestricted`` takes all
columns without directions (comparable with published figures), ``production`` is the contract as it stands. Capacity is
settled on inner folds of each fold's training rows, as the pipeline does. Finished figures are kept in
``benchmarks/results/quality.json`` and not computed again; ``--fresh`` forgets them.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import quality_peers
from quality_split import PORTFOLIOS, TEST_YEAR, load
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold

from creditrisk.model.family import TrainingData, fit_family
from creditrisk.model.selection import select
from creditrisk.params import FAMILIES, ModelParams
from creditrisk.paths import Project

FLOORS = {
    "south_german": (0.792, 0.784),
    "taiwan": (0.766, 0.785),
    "give_me_some_credit": (0.857, 0.866),
    "lending_club": (0.683, 0.697),
    "lending_club 2011": (0.682, 0.688),
}
RESULTS = Path(__file__).parent / "results" / "quality.json"


def folds(data: TrainingData, dates: pl.Series | None, portfolio: str) -> dict[str, list[tuple[Any, Any]]]:
    """Row numbers to train and to test on, by the name of the figure."""
    splitter = StratifiedKFold(5, shuffle=True, random_state=0)
    found = {portfolio: list(splitter.split(np.zeros(data.y.size), data.y))}
    if dates is not None:
        late = (dates.dt.year() >= TEST_YEAR).to_numpy()
        found[f"{portfolio} {TEST_YEAR}"] = [(np.flatnonzero(~late), np.flatnonzero(late))]
    return found


def measure(data: TrainingData, family: str, train: Any, test: Any, budget: float) -> dict[str, Any]:
    """Settle, fit and measure one fold."""
    began = time.perf_counter()
    params = ModelParams(family=family, budget_seconds=budget)
    selection = select(data.take(train), params, seed=0)
    fitted = fit_family(selection.family, data.take(train), selection.params, seed=0)
    seconds = time.perf_counter() - began
    held = data.take(test)
    auc = float(roc_auc_score(held.y, fitted.model.margin(held.table)))
    return {"auc": auc, "seconds": seconds, "family": selection.family}


def main() -> None:
    """Measure what is asked for and not yet known, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--portfolio", nargs="+", default=PORTFOLIOS, choices=PORTFOLIOS)
    parser.add_argument("--family", nargs="+", default=FAMILIES, choices=(*FAMILIES, "auto"))
    parser.add_argument("--variant", nargs="+", default=("unrestricted", "production"))
    parser.add_argument("--budget", type=float, default=30.0, help="seconds for settling; the pipeline's default is 30")
    parser.add_argument("--fresh", action="store_true")
    parser.add_argument(
        "--peer", nargs="+", choices=("autogluon", "plain"), help="one split beside these, in place of folds"
    )
    parser.add_argument("--seconds", type=float, default=600.0, help="wall time of each with --peer")
    parser.add_argument(
        "--time-again", action="store_true", help="with --peer: only measure speed, with what was found"
    )
    arguments = parser.parse_args()
    if arguments.peer:
        beside_peers(arguments)
        return
    known: dict[str, Any] = {} if arguments.fresh or not RESULTS.exists() else json.loads(RESULTS.read_text())
    for portfolio in arguments.portfolio:
        for variant in arguments.variant:
            rows = load(Project.find(), portfolio, variant)
            data, dates = rows.data, rows.dates
            for name, pairs in folds(data, dates, portfolio).items():
                for family in arguments.family:
                    key = f"{name}|{variant}|{family}"
                    if key in known:
                        continue
                    known[key] = [measure(data, family, train, test, arguments.budget) for train, test in pairs]
                    print(f"{key}: {np.mean([fold['auc'] for fold in known[key]]):.4f}", flush=True)
                    RESULTS.parent.mkdir(exist_ok=True)
                    RESULTS.write_text(json.dumps(known, indent=1))
    print(table(known))


def beside_peers(arguments: argparse.Namespace) -> None:
    """One split of each portfolio, everybody on the same rows."""
    if arguments.fresh:
        shutil.rmtree(quality_peers.RESULTS, ignore_errors=True)
    for portfolio in arguments.portfolio:
        if arguments.time_again:
            quality_peers.time_again(Project.find(), portfolio, arguments.variant, arguments.family)
            continue
        quality_peers.measure(Project.find(), portfolio, arguments.seconds, arguments.peer, arguments.variant)
    print(quality_peers.table(arguments.portfolio))


def table(known: dict[str, Any]) -> str:
    """The figures as Markdown."""
    families = [f for f in (*FAMILIES, "auto") if any(key.endswith(f"|{f}") for key in known)]
    rows = [
        f"| portfolio | variant | floor: scorecard / LightGBM | {' | '.join(families)} |",
        "|---|---|---|" + "---|" * len(families),
    ]
    for name, variant in dict.fromkeys(tuple(key.split("|")[:2]) for key in known):
        cells = [_cell(known.get(f"{name}|{variant}|{family}")) for family in families]
        low, high = FLOORS[name]
        rows.append(f"| {name} | {variant} | {low:.3f} / {high:.3f} | {' | '.join(cells)} |")
    return "\n".join(rows)


def _cell(figures: list[dict[str, Any]] | None) -> str:
    if not figures:
        return ""
    seconds = np.median([fold["seconds"] for fold in figures])
    return f"{np.mean([fold['auc'] for fold in figures]):.4f} ({seconds:.0f} s)"


if __name__ == "__main__":
    main()
