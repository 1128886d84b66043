"""Stage 6: bundle and test rows -> metrics, plots and the validation report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from creditrisk import __version__
from creditrisk.contract import ID, Contract
from creditrisk.data.simulation.simulate import oracle_auc
from creditrisk.model.family import TrainingData
from creditrisk.model.reference import shares
from creditrisk.model.scorer import Scorer
from creditrisk.pipeline.stage import Stage, read_json, write_json
from creditrisk.pipeline.train_model import training_data
from creditrisk.validation.calibration import check_calibration
from creditrisk.validation.fairness import Impact, adverse_impact, smallest_ratio
from creditrisk.validation.metrics import Evaluation, evaluate
from creditrisk.validation.plots import draw, write_plots
from creditrisk.validation.ranking import Ranking, auc_of
from creditrisk.validation.report import CleaningRule, DataFacts, ModelFacts, PartFacts, ReportContext, write_report
from creditrisk.validation.stability import psi
from creditrisk.validation.summary import Influence, influences, policy_bands

Floats = NDArray[np.float64]
MAX_EXPLAINED = 20_000
"""Test rows whose contributions make the table of influences."""


def evaluate_model(stage: Stage) -> str:
    """Measure the bundle on rows that it neither trained nor calibrated on."""
    folder = stage.tables / "split"
    test = pl.read_parquet(folder / "test.parquet")
    scorer = Scorer.load(stage.artifacts / "bundle")
    contract = scorer.contract
    data = training_data(test, contract)
    margin = scorer.model.margin(data.table)
    pd = scorer.calibrator.pd_vector(margin)
    score = scorer.policy.score_vector(scorer.calibrator.log_odds_vector(margin)).astype(np.float64)
    evaluation = evaluate(data.y, pd, data.weight, stage.params.evaluation, stage.params.seed, data.group)
    truth = stage.tables / "raw" / "truth.parquet"
    oracle = oracle_auc(truth, test[ID], data.y) if truth.is_file() else None
    train_auc = _auc_on(folder / "train.parquet", scorer)
    approved = (scorer.policy.decide_vector(pd) == "approve").to_numpy()
    impacts = _impacts(contract, test, data, approved)
    stability = _stability(scorer, data, pd)
    pictures = draw(data.y, pd, score, data.weight, stage.params.seed, data.group)
    write_plots(stage.artifacts / "plots", data.y, pd, score, data.weight, pictures, group=data.group)
    metrics = evaluation.to_json() | {
        "train_auc": train_auc,
        "adverse_impact": smallest_ratio(impacts),
        "psi_score": stability["score"],
    }
    if oracle is not None:
        metrics["oracle_auc"] = oracle
    write_json(stage.artifacts / "metrics.json", metrics)
    context = ReportContext(
        title=contract.title,
        portfolio=contract.name,
        evaluation=evaluation,
        description=contract.description,
        source=contract.source.url or "the embedded simulation",
        licence=contract.source.licence,
        made=f"creditrisk {__version__}",
        oracle_auc=oracle,
        train_auc=train_auc,
        data=_data_facts(stage),
        model=_model_facts(stage, scorer),
        calibrator=scorer.calibrator.to_json(),
        calibration=check_calibration(data.y, pd, data.weight, group=data.group),
        pictures=pictures,
        influences=_influences(scorer, data),
        policy=scorer.policy,
        bands=policy_bands(data.y, pd, scorer.policy.decide_vector(pd), data.weight),
        fairness=impacts,
        stability=stability,
        cleaning=_cleaning(stage),
    )
    write_report(stage.artifacts / "report.html", context)
    return _line(evaluation, oracle)


def _auc_on(path: Path, scorer: Scorer) -> float:
    data = training_data(pl.read_parquet(path), scorer.contract)
    return _auc(data, scorer.model.margin(data.table))


def _auc(data: TrainingData, risk: Floats) -> float:
    ranking = Ranking.of(data.y, risk)
    return auc_of(*ranking.sums(data.weight[ranking.order]))


def _impacts(
    contract: Contract, test: pl.DataFrame, data: TrainingData, approved: NDArray[np.bool_]
) -> tuple[Impact, ...]:
    """Adverse impact by rows' weights and customers, as the gates judge it."""
    if not contract.protected:  # without a column a frame has no rows either
        return ()
    titles = {name: contract.clean_columns[name].values for name in contract.protected}
    protected = test.select(contract.protected)
    return adverse_impact(protected, approved, titles, weight=data.weight, customer=data.group)


def _stability(scorer: Scorer, data: TrainingData, pd: Floats) -> dict[str, float]:
    """PSI of the test rows against the frozen bins of the training rows: of the score, and of each input."""
    reference = scorer.reference
    found = {"score": psi(reference["pd"]["shares"], shares(pl.Series(pd), reference["pd"]))}
    for item in data.inputs:
        entry = reference["inputs"][item.name]
        found[item.title] = psi(entry["shares"], shares(data.table[item.name], entry))
    return found


def _influences(scorer: Scorer, data: TrainingData) -> tuple[Influence, ...]:
    rows = np.random.default_rng(0).permutation(data.table.height)[:MAX_EXPLAINED]
    some = data.take(np.sort(rows))
    return influences(data.inputs, scorer.model.contributions(some.table), some.weight)


def _data_facts(stage: Stage) -> DataFacts:
    cleaning, split = read_json(stage.artifacts / "cleaning.json"), read_json(stage.artifacts / "split.json")
    parts = [
        PartFacts(name, part["rows"], part["bad_rate"], part.get("from"), part.get("to"), part["used"])
        for name, part in split["parts"].items()
    ]
    manifest = read_json(stage.artifacts / "bundle" / "manifest.json")
    return DataFacts(
        rows_read=cleaning["rows_read"],
        rows_quarantined=cleaning["rows_quarantined"],
        parts=parts,
        other_counts={
            "duplicates dropped": cleaning["duplicates"],
            "ids of several rows": cleaning["repeated_ids"],
            "outside the population": cleaning["outside_population"],
            **{f"excluded, target {value!r}": n for value, n in cleaning["excluded_by_target"].items()},
        },
        digests={"training and calibration rows": manifest["data_sha256"], "contract": manifest["contract_sha256"]},
        notes=split["notes"],
    )


def _model_facts(stage: Stage, scorer: Scorer) -> ModelFacts:
    training = read_json(stage.artifacts / "training.json")
    directed = [item for item in scorer.contract.inputs if item.monotone]
    restrictions = [
        f"{len(directed)} of {len(scorer.contract.inputs)} inputs have a monotone direction"
        + ("." if training["settings"]["monotone"] else ", which params switch off."),
        f"Protected attributes are no inputs: {_protected_only(scorer.contract) or 'the contract names none'}.",
        *training["details"].get("notes", []),
    ]
    return ModelFacts(
        family=training["family"],
        inputs=len(scorer.contract.inputs),
        settings=_settings(training),
        leaderboard=training["leaderboard"],
        restrictions=restrictions,
        bundle=training["bundle"],
    )


def _settings(training: dict[str, Any]) -> dict[str, Any]:
    """What was settled for the family; of a blend its weights, and what was settled for each member."""
    settled, details = training["settings"], training["details"]
    if training["family"] != "blend":
        own: dict[str, Any] = settled[training["family"]]
        return own
    members = {member: settled[member] for member in settled["blend"]["members"]}
    return {"weights": details["weights"], "intercept": details["intercept"], "members": members}


def _protected_only(contract: Contract) -> str:
    return ", ".join(name for name, column in contract.clean_columns.items() if column.role == "protected")


def _cleaning(stage: Stage) -> list[CleaningRule]:
    cleaning = read_json(stage.artifacts / "cleaning.json")
    return [
        CleaningRule(rule, column, count)
        for column, rules in cleaning["columns"].items()
        for rule, count in rules.items()
        if count
    ]


def _line(evaluation: Evaluation, oracle: float | None) -> str:
    auc = evaluation.auc
    known = f", oracle {oracle:.4f}" if oracle is not None else ""
    figures = f"AUC {auc.value:.4f} [{auc.low:.4f}, {auc.high:.4f}]{known}, KS {evaluation.ks.value:.4f}"
    return f"test: {figures}, {evaluation.rows:,} rows"
