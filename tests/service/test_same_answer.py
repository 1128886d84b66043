"""One application gets one answer, however it is scored; and more of what raises the risk never lowers the PD."""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import httpx
import pandas as pd
import polars as pl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from creditrisk.contract import Contract
from creditrisk.data.cleaning.rules import Rule, rules
from creditrisk.model.scorer import Scorer
from creditrisk.service.scoring.live import Live, ScoreAnswer
from creditrisk.service.scoring.schema import decode_request
from creditrisk.tracking.flavour import ScoringModel

FAMILIES = ("scorecard", "ebm", "catboost", "blend")
QUICK = settings(max_examples=60, suppress_health_check=list(HealthCheck))


def value_of(rule: Rule) -> st.SearchStrategy[Any]:
    """A value that the rule lets through, as JSON holds it; null where nothing need be given."""
    low, high = cast(float | None, rule.low), cast(float | None, rule.high)
    whole = st.integers(-1_000 if low is None else math.ceil(low), 1_000 if high is None else math.floor(high))
    if rule.type == "integer":
        found: st.SearchStrategy[Any] = whole
    elif rule.type == "number":
        found = whole | st.floats(low, high, allow_nan=False, allow_infinity=False)
    elif rule.type == "category":
        found = st.sampled_from([*rule.keys, "never seen"])
    else:
        found = st.text(max_size=20)
    return found if rule.required else found | st.none()


def applications(contract: Contract) -> st.SearchStrategy[dict[str, Any]]:
    """Valid applications of a contract; what need not be given is sometimes left out."""
    found = rules(contract, training=False)
    needed = {rule.raw: value_of(rule) for rule in found if rule.required}
    return st.fixed_dictionaries(needed, optional={rule.raw: value_of(rule) for rule in found if not rule.required})


@pytest.fixture(scope="module")
def live_of(small_bundle_of: Callable[[str], Path]) -> Callable[[str], Live]:
    """A function from a family's name to the small lender's model as the service loads it."""
    return functools.cache(lambda family: Live.load(small_bundle_of(family), "small", "1"))


def answered(live: Live, application: dict[str, Any]) -> ScoreAnswer:
    """What the service says, from the bytes of a request."""
    body = json.dumps({"application": application}).encode()
    return live.answer(decode_request(body), "0")


@pytest.mark.parametrize("family", FAMILIES)
def test_service_batch_and_pyfunc_say_the_same(live_of: Callable[[str], Live], family: str) -> None:
    live = live_of(family)
    scorer: Scorer = live.scorer
    pyfunc = ScoringModel(scorer)
    columns = [rule.raw for rule in rules(scorer.contract, training=False)]

    @QUICK
    @given(st.lists(applications(scorer.contract), min_size=1, max_size=5))
    @example([{}])
    def check(drawn: list[dict[str, Any]]) -> None:
        whole = [dict.fromkeys(columns) | one for one in drawn]
        table = pl.DataFrame(whole, schema_overrides=floats(whole, columns), infer_schema_length=None)
        batch = scorer.score_frame(table).to_dicts()
        pandas = pyfunc.predict(pd.DataFrame(whole, columns=columns)).to_dict("records")
        for application, row, other in zip(drawn, batch, pandas, strict=True):
            found = answered(live, application)
            said = (found.pd, found.score, found.decision, [r.text for r in found.reasons])
            assert said == (row["pd"], row["score"], row["decision"], texts(row))
            assert said == (other["pd"], other["score"], other["decision"], texts(other))

    check()


def floats(rows: list[dict[str, Any]], columns: list[str]) -> dict[str, Any]:
    """Whole and broken numbers in one column are numbers; Polars shall not choose by the first."""
    numeric = (name for name in columns if any(type(row[name]) in (int, float) for row in rows))
    return dict.fromkeys(numeric, pl.Float64)


def texts(row: dict[Any, Any]) -> list[str]:
    """The reasons of a row of a table."""
    return [row[f"reason_{n}"] for n in range(1, 5) if isinstance(row[f"reason_{n}"], str)]


def test_over_http_too(client: httpx.Client, small_bundle: Path) -> None:
    scorer = Scorer.load(small_bundle)

    @settings(QUICK, max_examples=25)
    @given(applications(scorer.contract))
    def check(application: dict[str, Any]) -> None:
        found = client.post("/v1/score", json={"application": application})
        assert found.status_code == 200
        expected = scorer.score_row(application)
        reasons = [(r["characteristic"], r["text"], r["contribution"]) for r in found.json()["reasons"]]
        assert (found.json()["pd"], reasons) == (expected.pd, [tuple(reason) for reason in expected.reasons])

    check()


@pytest.mark.parametrize("family", FAMILIES)
def test_more_of_what_raises_the_risk_never_lowers_the_pd(live_of: Callable[[str], Live], family: str) -> None:
    scorer = live_of(family).scorer
    directed = [(place, one.monotone) for place, one in enumerate(scorer.contract.inputs) if one.monotone]
    assert {direction for _, direction in directed} == {"increasing", "decreasing"}

    @QUICK
    @given(
        applications(scorer.contract),
        st.sampled_from(directed),
        st.floats(0, 1e5, allow_nan=False),
    )
    def check(application: dict[str, Any], which: tuple[int, str], more: float) -> None:
        place, direction = which
        values: list[Any] = list(scorer._row(application, None).values)
        if values[place] is None:
            return
        before = scorer.calibrator.pd(scorer._model_row(tuple(values))[0])
        values[place] += more if direction == "increasing" else -more
        after = scorer.calibrator.pd(scorer._model_row(tuple(values))[0])
        assert after >= before

    check()


@pytest.mark.parametrize("family", FAMILIES)
def test_a_higher_income_never_raises_the_pd_of_the_whole_application(
    live_of: Callable[[str], Live], family: str
) -> None:
    live = live_of(family)

    @QUICK
    @given(applications(live.scorer.contract), st.floats(1, 1e5), st.floats(0, 1e5))
    def check(application: dict[str, Any], income: float, more: float) -> None:
        poorer = answered(live, application | {"income": income})
        richer = answered(live, application | {"income": income + more})
        assert richer.pd <= poorer.pd

    check()
