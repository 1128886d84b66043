"""What the performance test makes of rows, weights and protected attributes before its gates."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from lender import Lender

from creditrisk.contract import Contract
from creditrisk.model.scorer import Scorer
from creditrisk.params import Params
from creditrisk.paths import Project
from creditrisk.tracking.gates import Gate, Verdict
from creditrisk.tracking.readiness import against_champion, by_thresholds
from creditrisk.tracking.rows import JudgedRows, judged_rows


@pytest.fixture
def scorers(lender: Lender) -> dict[str, Scorer]:
    return {name: Scorer.load(lender.bundle(name)) for name in ("good", "fair")}


@pytest.fixture
def rows(bare: Project, lender: Lender, scorers: dict[str, Scorer]) -> JudgedRows:
    lender.tables(bare)
    return judged_rows(bare, "small", scorers["good"].contract)


def test_rows_without_weight_count_nowhere(rows: JudgedRows, scorers: dict[str, Scorer]) -> None:
    half = replace(rows, weight=(np.arange(len(rows.y)) % 2).astype(np.float64))
    verdict = by_thresholds(scorers["good"], half, Params(), "1")
    assert (verdict.rows, verdict.bads) == (len(rows.y) // 2, int(rows.y[1::2].sum()))
    none = replace(rows, weight=np.where(rows.y > 0, 0.0, 1.0))
    assert "0 bad rows" in by_thresholds(scorers["good"], none, Params(), "1").reason


def test_adverse_impact_is_said_of_a_group_by_its_name(rows: JudgedRows, scorers: dict[str, Scorer]) -> None:
    sentence = impact_of(against_champion(scorers["good"], scorers["fair"], rows, Params(), "2", "1"))
    assert " (age) is " in sentence
    assert "the champion's" in sentence


def test_an_attribute_that_only_the_champions_contract_protects_is_said(
    rows: JudgedRows, scorers: dict[str, Scorer]
) -> None:
    new = scorers["good"]
    unprotected = new.contract.model_dump(mode="json", by_alias=True)
    unprotected["columns"]["age"]["role"] = "ignore"
    new.contract = Contract.model_validate(unprotected)
    silent = replace(rows, attributes=rows.attributes.drop("age"))
    verdict = against_champion(new, scorers["fair"], silent, Params(), "2", "1")
    assert "no protected attribute" in impact_of(verdict)
    assert verdict.notes == (
        "age: adverse impact is not judged by it: the challenger's contract does not protect it, the champion's does",
    )


def test_customers_are_what_a_comparison_counts(rows: JudgedRows, scorers: dict[str, Scorer]) -> None:
    alone, few = (
        against_champion(scorers["good"], scorers["fair"], replace(rows, group=group), Params(), "2", "1").gates[0]
        for group in (None, np.arange(len(rows.y)) % 40)
    )
    assert alone.value == few.value
    assert alone.bound != few.bound


def test_customers_are_what_thresholds_count(rows: JudgedRows, scorers: dict[str, Scorer]) -> None:
    """Six rows of each in place of one leave every figure, and make no gate easier."""
    params = Params.model_validate({"gates": {"min_accuracy": 0.5}})
    at = np.repeat(np.arange(len(rows.y)), 6)
    six = JudgedRows(rows.raw[at], rows.y[at], rows.weight[at], rows.attributes[at], at)
    once, counted, blind = (
        {gate.name: gate for gate in by_thresholds(scorers["good"], judged, params, "1").gates}
        for judged in (rows, six, replace(six, group=None))
    )
    assert set(once) >= {"AUC", "KS", "Brier ratio", "accuracy"}
    for name in ("AUC", "KS", "Brier ratio", "accuracy"):
        reach, same, less = (distance(gates[name]) for gates in (once, counted, blind))
        assert same == pytest.approx(reach, rel=0.25)
        assert less < 0.75 * same


def distance(gate: Gate) -> float:
    """Of the interval's end that the gate judges from the figure."""
    assert gate.bound is not None
    assert gate.value is not None
    return abs(gate.bound - gate.value)


def impact_of(verdict: Verdict) -> str:
    return next(gate.sentence for gate in verdict.gates if gate.name == "adverse impact ratio")
