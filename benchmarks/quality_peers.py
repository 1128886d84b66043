"""The project beside what people would use instead, on one split of each real portfolio; run by ``quality.py --peer``.

Everybody gets the same rows, the same raw columns, two cores and the same wall time: AutoGluon ``best_quality`` (an
environment of its own, neural networks included), a plain LightGBM tuned by Optuna on the raw columns, and a logistic
regression. This project gets one ``experiment`` and the final fits within that time. What is finished is kept in
``benchmarks/results/quality``, predictions included; the search resumes.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from new_table import peer_python
from numpy.typing import NDArray
from quality_plain import logistic_regression, plain_lightgbm
from quality_split import VARIANTS, Rows, load, one_split

from creditrisk.contract import TARGET
from creditrisk.decision import Policy
from creditrisk.model.calibration import fit_calibrator
from creditrisk.model.families.threads import VARIABLE
from creditrisk.model.family import Model, fit_family
from creditrisk.model.reference import make_reference
from creditrisk.model.scorer import Scorer
from creditrisk.params import FAMILIES, ModelParams, Params
from creditrisk.paths import Project
from creditrisk.search.kept import sections
from creditrisk.search.opening import open_session
from creditrisk.search.plan import make_plan
from creditrisk.search.session import Session
from creditrisk.search.space import Search
from creditrisk.search.trial import bytes_on_disk
from creditrisk.validation.comparison import compare
from creditrisk.validation.metrics import evaluate

RESULTS = Path(__file__).parent / "results" / "quality"
SEARCH_SHARE = 0.85
"""Share of the wall time for the search; the rest is for the final fits."""
PLAIN_SHARE = 0.2
"""Share of the wall time in which one LightGBM is tuned: one family in place of five."""
SINGLE_ROWS, FILES = 2_000, 3

Floats = NDArray[np.float64]


def measure(project: Project, portfolio: str, seconds: float, peers: Sequence[str], variants: Sequence[str]) -> None:
    """Measure everybody on one portfolio; what is there already is not measured again."""
    folder = RESULTS / portfolio
    folder.mkdir(parents=True, exist_ok=True)
    rows = load(project, portfolio, "unrestricted")
    train, test = one_split(rows)
    rows.raw[train].write_parquet(folder / "train.parquet")
    rows.raw[test].drop(TARGET).write_parquet(folder / "test.parquet")
    np.save(folder / "y.npy", rows.data.y[test])
    if "autogluon" in peers:
        _once(folder / "autogluon", lambda out: _autogluon(folder, out, seconds))
    if "plain" in peers:
        _once(folder / "logistic regression", lambda out: _plain(folder, out, logistic_regression, seconds))
        _once(folder / "plain LightGBM", lambda out: _plain(folder, out, plain_lightgbm, PLAIN_SHARE * seconds))
    for variant in variants:
        if not (folder / variant / "complete").exists():
            search(project, portfolio, variant, seconds)
            (folder / variant / "complete").touch()


def table(portfolios: Sequence[str]) -> str:
    """All figures as Markdown."""
    lines = [
        "| portfolio | model | AUC | against AutoGluon, 95 % | Brier | slope | KS | fit s | rows/s | MB | one row ms |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for portfolio in portfolios:
        folder = RESULTS / portfolio
        if not (folder / "y.npy").exists():
            continue
        y = np.load(folder / "y.npy")
        places = [folder / name for name in ("autogluon", "plain LightGBM", "logistic regression")]
        places += [path.parent for variant in VARIANTS for path in sorted((folder / variant).glob("*/facts.json"))]
        theirs = _pd(places[0]) if (places[0] / "facts.json").exists() else None
        lines += [_line(portfolio, path, y, theirs) for path in places if (path / "facts.json").exists()]
    return "\n".join(lines)


def _line(portfolio: str, path: Path, y: Floats, theirs: Floats | None) -> str:
    pd, facts = _pd(path), json.loads((path / "facts.json").read_text())
    found = evaluate(y, np.clip(pd, 1e-6, 1 - 1e-6))
    against = ""
    if theirs is not None and path.name != "autogluon":
        gain = compare(y, pd, theirs).auc_difference
        against = f"{gain.value:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}]"
    variant = "" if path.parent.name not in VARIANTS else f", {path.parent.name}"
    chosen = " (chosen)" if facts.get("chosen") else ""
    return (
        f"| {portfolio} | {path.name}{variant}{chosen} | {found.auc.value:.4f} | {against} | {found.brier.value:.5f} "
        f"| {found.calibration_slope.value:.3f} | {found.ks.value:.3f} | {facts['fit_seconds']:.0f} "
        f"| {facts['rows_per_second']:,.0f} | {facts['bytes'] / 1e6:.2f} | {1000 * facts['row_seconds']:.3f} |"
    )


def _once(out: Path, work: Callable[[Path], None]) -> None:
    if not (out / "facts.json").exists():
        out.mkdir(parents=True, exist_ok=True)
        work(out)
        print(f"{out.parent.name}: {out.name} measured", flush=True)


def _autogluon(folder: Path, out: Path, seconds: float) -> None:
    script = Path(__file__).parent / "peers" / "autogluon_fit.py"
    tables = [str(folder / "train.parquet"), str(folder / "test.parquet")]
    command = [str(peer_python()), "-W", "ignore", str(script), *tables, str(out), str(seconds)]
    subprocess.run(command, check=True)


def _plain(folder: Path, out: Path, fit: Callable[..., Any], seconds: float) -> None:
    train, test = (pl.read_parquet(folder / f"{part}.parquet") for part in ("train", "test"))
    y = train[TARGET].to_numpy()
    began = time.perf_counter()
    predict, size = fit(train.drop(TARGET), y, seconds)
    fit_seconds = time.perf_counter() - began
    began = time.perf_counter()
    pd = predict(test)
    file_seconds = time.perf_counter() - began
    single = _median_seconds([test[row : row + 1] for row in range(30)], predict)
    facts = {"fit_seconds": fit_seconds, "rows_per_second": test.height / file_seconds, "row_seconds": single}
    _write(out, pd, facts | {"bytes": size})


def search(project: Project, portfolio: str, variant: str, seconds: float, *, alone: bool = False) -> None:
    """One experiment of two processes with one thread each, then the best of each family fitted to all training rows.

    Args:
        project: the checkout.
        portfolio: which table.
        variant: which contract.
        seconds: wall time of the experiment and of the fits that matter.
        alone: only take part in the search that another process began.
    """
    folder = RESULTS / portfolio / variant
    os.environ[VARIABLE] = "1"
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    rows = load(project, portfolio, variant)
    train, test = one_split(rows)
    data = rows.data.take(train)
    space = Search.from_yaml(project.experiments / "search.yaml")
    dates = rows.dates[train] if rows.dates is not None else None
    params = Params.model_validate({"portfolio": portfolio})
    scratch = Project(folder / "scratch")
    plan = make_plan(data, space, params.seed, dates)
    minutes = SEARCH_SHARE * seconds / 60
    began, spent = time.perf_counter(), folder / "searched.json"
    with open_session(scratch, params, plan, space, FAMILIES, minutes=minutes) as session:
        if alone:
            session.run(lambda seconds, note: None)
            return
        if not spent.exists():
            command = [sys.executable, __file__, portfolio, variant, str(seconds)]
            with subprocess.Popen(command) as other:
                session.run(lambda seconds, note: print(f"{portfolio} {variant}: {note}", flush=True))
                other.wait()
            session.blend()
            session.renew_page()
            spent.write_text(json.dumps(time.perf_counter() - began))
        searched = float(json.loads(spent.read_text()))
        os.environ[VARIABLE] = "2"
        for family in FAMILIES:
            if family in session.best() and not (folder / family / "facts.json").exists():
                _finish(session, family, rows, train, test, folder, searched)


def time_again(project: Project, portfolio: str, variants: Sequence[str], families: Sequence[str]) -> None:
    """Measure files and single rows anew, with the parameters that the searches found; the predictions stay."""
    for variant in variants:
        rows = load(project, portfolio, variant)
        train, test = one_split(rows)
        data = rows.data.take(train)
        for path in sorted((RESULTS / portfolio / variant).glob("*/facts.json")):
            if path.parent.name not in families:
                continue
            facts = json.loads(path.read_text())
            kept = {"family": path.parent.name} | facts["parameters"]
            params = ModelParams.model_validate(Params().model.model_dump() | kept)
            model = fit_family(path.parent.name, data, params, 0).model
            scorer = _scorer(
                rows, data, model, fit_calibrator("platt", model.margin(data.table), data.y, data.weight, 0)
            )
            path.write_text(json.dumps(facts | _times(scorer, rows.source[test]), indent=1))
            print(f"{portfolio} {variant}: {path.parent.name} timed", flush=True)


def _times(scorer: Scorer, raw: pl.DataFrame) -> dict[str, float]:
    """Rows a second of a whole file, and seconds of one row, reasons included."""
    scorer.score_frame(raw[:1000])
    found = []
    for _ in range(FILES):
        began = time.perf_counter()
        scorer.score_frame(raw)
        found.append(time.perf_counter() - began)
    single = _median_seconds(raw[:SINGLE_ROWS].to_dicts(), scorer.score_row)
    return {"rows_per_second": raw.height / statistics.median(found), "row_seconds": single}


def _finish(session: Session, family: str, rows: Rows, train: Any, test: Any, folder: Path, searched: float) -> None:
    from creditrisk.search.choice import choose

    best = session.best()
    trial, plan = best[family], session.plan
    kept = sections(trial, session.study.get_trials(deepcopy=False), plan)
    params = ModelParams.model_validate(session.params.model_dump() | {"family": family} | kept)
    data = rows.data.take(train)
    began = time.perf_counter()
    model = fit_family(family, data, params, session.seed).model
    took = time.perf_counter() - began
    margins = np.concatenate(session.margins(trial))
    y, weight = (np.concatenate(parts) for parts in zip(*plan.truths, strict=True))
    scorer = _scorer(rows, data, model, fit_calibrator("platt", margins, y, weight, 0))
    raw = rows.source[test]
    answers = scorer.score_frame(raw)
    facts = _times(scorer, raw) | {
        "fit_seconds": searched + took,
        "last_fit_seconds": took,
        "bytes": bytes_on_disk(model),
        "chosen": choose(session.standings())[0].family == family,
        "parameters": kept,
        "cv_auc": float(np.mean([fold["auc"] for fold in trial.user_attrs["folds"]])),
        "trials": len(session.study.get_trials(deepcopy=False)),
    }
    out = folder / family
    out.mkdir(parents=True, exist_ok=True)
    _write(out, answers["pd"].to_numpy(), facts)
    print(f"{folder.parent.name} {folder.name}: {family} fitted in {took:.0f} s", flush=True)


def _scorer(rows: Rows, data: Any, model: Model, calibrator: Any) -> Scorer:
    bad_rate = float(data.y.mean())
    reference = make_reference(data, calibrator.pd_vector(model.margin(data.table)), 5)
    return Scorer(rows.contract, model, calibrator, Policy.make(Params().policy, bad_rate), reference)


def _median_seconds(rows: Sequence[Any], work: Callable[[Any], Any]) -> float:
    found = []
    for row in rows:
        began = time.perf_counter()
        work(row)
        found.append(time.perf_counter() - began)
    return statistics.median(found)


def _pd(path: Path) -> Floats:
    return pl.read_parquet(path / "pd.parquet")["pd"].to_numpy()


def _write(out: Path, pd: Floats, facts: dict[str, Any]) -> None:
    pl.DataFrame({"pd": pd}).write_parquet(out / "pd.parquet")
    (out / "facts.json").write_text(json.dumps(facts, indent=1, default=str))


if __name__ == "__main__":  # the second process of a search
    search(Project.find(), sys.argv[1], sys.argv[2], float(sys.argv[3]), alone=True)
