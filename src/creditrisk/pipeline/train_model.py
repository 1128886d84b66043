"""Stage 5: training and calibration rows -> bundle."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from creditrisk import __version__
from creditrisk.contract import GROUP, TARGET, WEIGHT, Contract
from creditrisk.data.characteristics import inputs_frame
from creditrisk.data.split import SplitRule
from creditrisk.decision import Policy
from creditrisk.model import bundle, golden
from creditrisk.model.calibration import fit_calibrator
from creditrisk.model.family import Fitted, TrainingData, fit_family
from creditrisk.model.reference import make_reference
from creditrisk.model.scorer import Scorer
from creditrisk.model.selection import Selection, select
from creditrisk.params import Params
from creditrisk.pipeline.stage import Stage, read_json, write_json


@dataclass(frozen=True)
class Trained:
    """A fitted model and how it came about."""

    fitted: Fitted
    selection: Selection
    manifest: bundle.Manifest


def train_model(stage: Stage) -> str:
    """Settle family and capacity on inner folds, fit, calibrate on rows of their own, write the bundle."""
    params, contract, folder = stage.params, stage.contract, stage.tables / "split"
    train, calibration = (pl.read_parquet(folder / f"{part}.parquet") for part in ("train", "calibration"))
    rule = SplitRule.model_validate(read_json(folder / "rule.json"))
    contract_text = stage.project.contract(contract.name).read_text(encoding="utf-8")
    data_digest = _digest(folder / "train.parquet", folder / "calibration.parquet")
    trained = train_bundle(
        stage.artifacts / "bundle", contract, contract_text, params, train, calibration, rule, data_digest
    )
    write_json(stage.artifacts / "training.json", training_facts(trained))
    return (
        f"model: {trained.selection.family}, {len(contract.inputs)} inputs, bundle {trained.manifest.digest[:12]}, "
        f"{trained.manifest.rows['train']:,} rows"
    )


def train_bundle(
    folder: Path,
    contract: Contract,
    contract_text: str,
    params: Params,
    train: pl.DataFrame,
    calibration: pl.DataFrame,
    rule: SplitRule,
    data_digest: str,
) -> Trained:
    """Train on tables of characteristics and write a bundle to ``folder``."""
    data, held = training_data(train, contract), training_data(calibration, contract)
    selection = select(data, params.model, params.seed)
    fitted = fit_family(selection.family, data, selection.params, params.seed)
    model = fitted.model
    method = "platt" if selection.family == "scorecard" else params.calibration.method
    calibrator = fit_calibrator(method, model.margin(held.table), held.y, held.weight, params.seed)
    bad_rate = float(np.average(data.y, weights=data.weight))
    policy = Policy.make(params.policy, bad_rate)
    pd = calibrator.pd_vector(model.margin(data.table))
    reference = make_reference(data, pd, params.model.encoding.min_rows)

    def fill(draft: Path) -> dict[str, Any]:
        (draft / "contract.yaml").write_text(contract_text, encoding="utf-8")
        (draft / "model").mkdir()
        model.save(draft / "model")
        for name, value in (
            ("calibration", calibrator.to_json()),
            ("policy", policy.model_dump()),
            ("reference", reference),
        ):
            write_json(draft / f"{name}.json", value)
        golden.write(Scorer.from_files(draft), draft / golden.FILE)
        return {
            "package": __version__,
            "portfolio": contract.name,
            "family": selection.family,
            "data_sha256": data_digest,
            "params_sha256": hashlib.sha256(params_text(params, selection).encode()).hexdigest(),
            "contract_sha256": hashlib.sha256(contract_text.encode()).hexdigest(),
            "rows": {"train": train.height, "calibration": calibration.height},
            "bad_rate": bad_rate,
            "split": rule,
        }

    manifest = bundle.write(folder, fill)
    return Trained(fitted, selection, manifest)


def training_data(table: pl.DataFrame, contract: Contract) -> TrainingData:
    """Inputs, outcome, weights and customers of a table of characteristics."""
    y = table[TARGET].cast(pl.Float64).to_numpy()
    weight = table[WEIGHT].to_numpy() if WEIGHT in table.columns else np.ones(table.height)
    group = table[GROUP].rank("dense").cast(pl.Int64).to_numpy() if GROUP in table.columns else None
    return TrainingData(inputs_frame(table.lazy(), contract).collect(), y, weight, contract.inputs, group)


def params_text(params: Params, selection: Selection) -> str:
    """What decided the model, as text that is the same for the same decisions."""
    settled = {"model": selection.params.model_dump(mode="json"), "family": selection.family}
    used = params.model_dump(mode="json", include={"seed", "split", "calibration", "policy"})
    return json.dumps(settled | used, sort_keys=True)


def training_facts(trained: Trained) -> dict[str, Any]:
    """What is worth knowing of the training, for tracking and report."""
    return {
        "family": trained.selection.family,
        "bundle": trained.manifest.digest,
        "settings": trained.selection.params.model_dump(mode="json"),
        "leaderboard": trained.selection.leaderboard,
        "details": trained.fitted.details,
        "cores": os.cpu_count(),
    }


def _digest(*paths: Path) -> str:
    return hashlib.sha256("".join(bundle.digest_of(path) for path in paths).encode()).hexdigest()
