"""``/v1/model``: the card of the model that answers."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Request, Response

from creditrisk.contract import Input
from creditrisk.decision import LETTERS, Policy
from creditrisk.model.blended import families_of
from creditrisk.service.access.keys import Caller
from creditrisk.service.routes import describe
from creditrisk.service.routes.common import answer, model_of, needs, service_of
from creditrisk.service.scoring.live import Live

router = APIRouter(tags=["model"])
EXACT = "Exact, from the model's own tables; they cost microseconds."
LIBRARY = (
    "Exact SHAP values of the library's own (LightGBM or XGBoost); they cost milliseconds for each application, "
    "many times the score itself. The families scorecard, ebm and catboost, and their blends, answer without that cost."
)


class InputCard(msgspec.Struct, frozen=True):
    """One model input."""

    name: str
    title: str
    kind: str
    unit: str
    direction: str | None
    """How the risk moves with it where the contract says so: increasing or decreasing."""


class BandCard(msgspec.Struct, frozen=True):
    """One risk band: PDs from ``pd_from`` up to, and without, ``pd_to``."""

    band: str
    pd_from: float
    pd_to: float


class PolicyCard(msgspec.Struct, frozen=True):
    """From a PD to points and a decision."""

    approve_below: float
    decline_from: float
    base_score: float
    base_odds: float
    pdo: float
    bands: list[BandCard]


class DataCard(msgspec.Struct, frozen=True):
    """What it was trained on."""

    sha256: str
    rows: dict[str, int]
    bad_rate: float


class Card(msgspec.Struct, frozen=True):
    """The model that answers."""

    name: str
    version: str
    digest: str
    portfolio: str
    family: str
    reasons: str
    data: DataCard
    policy: PolicyCard
    inputs: list[InputCard]
    evidence: dict[str, Any]
    """Metrics and gates as the registry holds them; empty for a local bundle."""


def card(model: Live, evidence: dict[str, Any]) -> Card:
    """Put a card together."""
    manifest, scorer = model.scorer.manifest, model.scorer
    assert manifest is not None, "a live model was loaded with its manifest"
    return Card(
        model.named.name,
        model.named.version,
        model.named.digest,
        manifest.portfolio,
        manifest.family,
        LIBRARY if {"lightgbm", "xgboost"} & set(families_of(scorer.model)) else EXACT,
        DataCard(manifest.data_sha256, manifest.rows, manifest.bad_rate),
        _policy(scorer.policy),
        [_input(item) for item in scorer.contract.inputs],
        evidence,
    )


def _policy(policy: Policy) -> PolicyCard:
    limits = [0.0, *policy.bands, 1.0]
    bands = [BandCard(LETTERS[i], low, high) for i, (low, high) in enumerate(pairwise(limits))]
    return PolicyCard(policy.approve_below, policy.decline_from, policy.base_score, policy.base_odds, policy.pdo, bands)


def _input(item: Input) -> InputCard:
    return InputCard(item.name, item.title, item.kind, item.unit, item.monotone)


@router.get(
    "/v1/model", operation_id="model", response_class=Response, responses=describe.answers(describe.ref("Card"))
)
async def model(request: Request, _: Annotated[Caller | None, Depends(needs("read"))]) -> Response:
    """The card: version, family, training data, metrics and gates, policy, inputs."""
    service = service_of(request)
    return answer(card(model_of(service), service.evidence))
