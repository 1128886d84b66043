from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from creditrisk.model.bundle import verify
from creditrisk.service.routes.model import card
from creditrisk.service.scoring.live import Live


def test_the_card_says_what_answers(client: httpx.Client, small_bundle: Path) -> None:
    found, manifest = client.get("/v1/model").json(), verify(small_bundle)
    assert (found["family"], found["digest"]) == ("scorecard", manifest.digest)
    assert found["data"] == {
        "sha256": manifest.data_sha256,
        "rows": dict(manifest.rows),
        "bad_rate": manifest.bad_rate,
    }
    assert found["policy"]["bands"][0] == {"band": "A", "pd_from": 0.0, "pd_to": 0.01}
    assert found["policy"]["bands"][-1]["pd_to"] == 1.0
    directions = {item["name"]: item["direction"] for item in found["inputs"]}
    assert directions["income"] == "decreasing"
    assert directions["months"] is None


@pytest.mark.parametrize(
    ("family", "cost"),
    [
        ("scorecard", "microseconds"),
        ("blend", "microseconds"),
        ("lightgbm", "milliseconds"),
        ("xgboost", "milliseconds"),
    ],
)
def test_the_card_says_what_reasons_cost(small_bundle_of: Callable[[str], Path], family: str, cost: str) -> None:
    model = Live.load(small_bundle_of(family), "m", "1")
    made = card(model, {"metrics": {"auc": 0.7}})
    assert cost in made.reasons
    assert made.evidence == {"metrics": {"auc": 0.7}}
