"""Fit AutoGluon on one table and answer for another; run by ``quality_peers.py`` in an environment of its own.

    python autogluon_fit.py TRAIN.parquet TEST.parquet OUT_FOLDER SECONDS

Both tables hold the same columns; TRAIN also holds ``_target``. OUT_FOLDER gets ``pd.parquet`` and ``facts.json``.
"""

import json
import shutil
import statistics
import sys
import time
from pathlib import Path

import pandas as pd
from autogluon.tabular import TabularPredictor

TARGET = "_target"
SINGLE_ROWS = 15


def main() -> None:
    """Fit, predict, and time both a file and single rows, the models kept in memory."""
    train, test = (pd.read_parquet(path) for path in sys.argv[1:3])
    out, seconds = Path(sys.argv[3]), float(sys.argv[4])
    folder = out / "models"
    shutil.rmtree(folder, ignore_errors=True)
    train[TARGET] = train[TARGET].astype(int)
    began = time.perf_counter()
    predictor = TabularPredictor(label=TARGET, eval_metric="roc_auc", path=str(folder), verbosity=1)
    predictor.fit(train, presets="best_quality", time_limit=seconds, num_cpus=2)
    fit_seconds = time.perf_counter() - began
    predictor.persist()
    predictor.predict_proba(test.head(10))
    began = time.perf_counter()
    answers = predictor.predict_proba(test)[1]
    file_seconds = time.perf_counter() - began
    single = []
    for row in range(SINGLE_ROWS):
        began = time.perf_counter()
        predictor.predict_proba(test.iloc[row : row + 1])
        single.append(time.perf_counter() - began)
    facts = {
        "fit_seconds": fit_seconds,
        "rows_per_second": len(test) / file_seconds,
        "row_seconds": statistics.median(single),
        "bytes": sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()),
        "best": predictor.model_best,
        "models": list(predictor.model_names()),
    }
    pd.DataFrame({"pd": answers.to_numpy().astype(float)}).to_parquet(out / "pd.parquet")
    (out / "facts.json").write_text(json.dumps(facts, indent=1))
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
