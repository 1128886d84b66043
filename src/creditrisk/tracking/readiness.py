"""The two readiness tests of a registered version: it loads and answers as it did; it is good enough to be champion."""

from __future__ import annotations

import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import polars as pl

from creditrisk.data.split import MIN_CLASS_ROWS
from creditrisk.errors import BundleError, DataError, TrackingError
from creditrisk.model import golden
from creditrisk.model.scorer import Scorer
from creditrisk.params import EvaluationParams, Params
from creditrisk.paths import Project
from creditrisk.tracking.damaged import told_of
from creditrisk.tracking.gates import (
    Gate,
    Side,
    Verdict,
    accuracy_figure,
    comparison_gates,
    count_gate,
    threshold_gates,
)
from creditrisk.tracking.registry import (
    CHALLENGER,
    Standing,
    Version,
    bundle_in,
    download,
    fetch,
    own_portfolio,
    standing,
)
from creditrisk.tracking.rows import JudgedRows, judged_rows, unseen
from creditrisk.tracking.store import pyfunc, sentences, tracking_uri
from creditrisk.validation.fairness import groupings_of
from creditrisk.validation.impact_change import ImpactChange, impact_change

PREDICTED = 20
"""Rows that the loading test sends through MLflow."""
CONFIDENCE = 0.95
"""Of the gates' two-sided intervals; each end is a one-sided bound of 2.5 %."""
MIN_BOOTSTRAP = 1000
TIMED_ROWS, TIMED_ROUNDS = 100, 5


@dataclass(frozen=True)
class Loading:
    """A passed loading test; a failed one is an error."""

    model: str
    version: str
    digest: str
    golden_rows: int
    predicted: int
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self) | {"passed": True}

    @property
    def sentence(self) -> str:
        """For people."""
        return (
            f"version {self.version} of {self.model} loads and verifies ({self.digest[:12]}), {self.golden_rows} "
            f"golden rows give what they gave, {self.predicted} rows predicted through MLflow in {self.seconds:.1f} s"
        )


def candidate(found: Standing, version: str | None = None) -> Version:
    """The version to test: the one named, else the challenger, else the champion.

    Raises:
        TrackingError: there is none.
    """
    if version is not None:
        return found.version(version)
    waiting = [item for item in found.versions if CHALLENGER in item.aliases]
    if waiting or found.champion:
        return waiting[-1] if waiting else found.champion  # type: ignore[return-value]
    raise TrackingError(f"{found.model} has no version to test yet: type main.py run.")


def loading_test(project: Project, params: Params, version: str | None = None) -> Loading:
    """Fetch a version from the registry, verify it, replay its golden rows and predict through MLflow.

    Raises:
        BundleError, TrackingError: it does not load, was changed, or answers otherwise than where it was made.
    """
    return load_and_replay(project, params, candidate(standing(project, params), version))


def load_and_replay(project: Project, params: Params, version: Version) -> Loading:
    """The loading test of a known version."""
    began = time.monotonic()
    own_portfolio(version, params)
    with tempfile.TemporaryDirectory() as folder:  # from the registry itself, not from a copy kept here
        model = fetch(project, version, Path(folder))
        with told_of(version, model):
            bundle = bundle_in(model)
            scorer = Scorer.load(bundle, version.digest)
        replayed = golden.read(bundle)
        golden.replay(scorer, replayed)
        golden.replay_table(scorer, replayed)
        rows = [row.raw for row in replayed[:PREDICTED]]
        raw = pl.DataFrame(rows, schema=dict.fromkeys(rows[0], pl.String))
        _predict(project, version, model, raw, scorer)
    return Loading(version.model, version.version, version.digest, len(replayed), raw.height, time.monotonic() - began)


def _predict(project: Project, version: Version, model: Path, raw: pl.DataFrame, scorer: Scorer) -> None:
    """As anybody with MLflow would, and with the same answers as the scorer."""
    with sentences(tracking_uri(project)):
        loaded = pyfunc().load_model(str(model), suppress_warnings=True)
        found = loaded.predict(raw.to_pandas())
    expected = scorer.score_frame(raw)["pd"].cast(pl.Float64).to_numpy()
    if not np.array_equal(found["pd"].to_numpy(dtype=np.float64), expected, equal_nan=True):
        raise BundleError(
            f"version {version.version} of {version.model}: predictions through MLflow differ from the scorer's own "
            f"on {raw.height} rows; it is refused."
        )


def performance_test(project: Project, params: Params, version: str | None = None) -> Verdict:
    """Judge a version on rows that it was not made on: by thresholds, or against the champion where there is one.

    Raises:
        DataError: there are no test rows here; TrackingError, BundleError: a version cannot be fetched.
    """
    found = standing(project, params)
    return judge(project, params, candidate(found, version), found.champion)


def judge(project: Project, params: Params, version: Version, champion: Version | None) -> Verdict:
    """The performance test of a known version; ``champion`` None asks for option A."""
    own_portfolio(version, params)
    scorer = Scorer.load(download(project, version), version.digest)
    rows = judged_rows(project, params.portfolio, scorer.contract)
    rows = rows.take(unseen(rows, scorer))
    if champion is None or params.gates.mode == "threshold" or champion.version == version.version:
        return by_thresholds(scorer, rows, params, version.version)
    own_portfolio(champion, params)
    old = Scorer.load(download(project, champion), champion.digest)
    try:
        rows = rows.take(unseen(rows, old))
    except DataError as error:
        return _cannot_compare(version, champion, rows, str(error))
    return against_champion(scorer, old, rows, params, version.version, champion.version)


def by_thresholds(scorer: Scorer, rows: JudgedRows, params: Params, version: str) -> Verdict:
    """Option A on rows that the model was not made on."""
    pd, rows, notes = _scored({"version": scorer}, rows)
    few = _count(rows)
    if not few.passed:
        return Verdict("A", version, None, len(rows.y), int(rows.y.sum()), (few,), notes)
    evaluation = _evaluate(rows, pd["version"], params)
    accuracy = accuracy_figure(rows.y, pd["version"], rows.weight, CONFIDENCE, rows.group)
    gates = threshold_gates(evaluation, accuracy, params.gates)
    return Verdict("A", version, None, len(rows.y), int(rows.y.sum()), gates, notes)


def against_champion(
    scorer: Scorer, old: Scorer, rows: JudgedRows, params: Params, version: str, champion: str
) -> Verdict:
    """Option B on raw rows that neither model was made on, each model through its own contract."""
    from creditrisk.validation.comparison import compare

    pd, rows, notes = _scored({"challenger": scorer, "champion": old}, rows)
    few = _count(rows)
    if not few.passed:
        return Verdict("B", version, champion, len(rows.y), int(rows.y.sum()), (few,), notes)
    between = compare(rows.y, pd["challenger"], pd["champion"], rows.weight, _figures(params), params.seed, rows.group)
    seconds = _latency(scorer, old, rows.raw)
    sides = [
        _side(one, rows, pd[name], params, seconds[name]) for name, one in (("challenger", scorer), ("champion", old))
    ]
    impact = _impact(scorer, old, rows, pd)
    gates = comparison_gates(between, sides[0], sides[1], impact, params.gates)
    notes = (*notes, *_no_longer_protected(scorer, old))
    return Verdict("B", version, champion, len(rows.y), int(rows.y.sum()), gates, notes)


def _scored(
    scorers: dict[str, Scorer], rows: JudgedRows
) -> tuple[dict[str, np.ndarray[Any, np.dtype[np.float64]]], JudgedRows, tuple[str, ...]]:
    """PDs of each model on the rows that all of them can score."""
    found = {name: scorer.score_frame(rows.raw)["pd"].cast(pl.Float64).to_numpy() for name, scorer in scorers.items()}
    kept = rows.weight > 0  # rows without weight count nowhere
    notes = []
    for name, pd in found.items():
        if missed := int(np.isnan(pd).sum()):
            notes.append(f"{missed:,} rows that the {name} cannot score are left out")
        kept &= ~np.isnan(pd)
    return {name: pd[kept] for name, pd in found.items()}, rows.take(kept), tuple(notes)


def _side(scorer: Scorer, rows: JudgedRows, pd: Any, params: Params, seconds: float) -> Side:
    from creditrisk.validation.stability import psi_of

    return Side(_evaluate(rows, pd, params), psi_of(scorer.reference["pd"], pl.Series(pd)), seconds)


def _impact(scorer: Scorer, old: Scorer, rows: JudgedRows, pd: dict[str, Any]) -> ImpactChange:
    """Whom either model would approve, by the attributes that the challenger's contract names."""
    if not rows.attributes.width:
        return ImpactChange()
    titles = {name: scorer.contract.clean_columns[name].values for name in rows.attributes.columns}
    groupings = groupings_of(rows.attributes, len(rows.y), titles, weight=rows.weight)
    new, before = (
        (one.policy.decide_vector(pd[name]) == "approve").to_numpy()
        for name, one in (("challenger", scorer), ("champion", old))
    )
    return impact_change(groupings, new, before, CONFIDENCE, rows.group)


def _no_longer_protected(scorer: Scorer, old: Scorer) -> tuple[str, ...]:
    lost = [name for name in old.contract.protected if name not in scorer.contract.protected]
    words = "adverse impact is not judged by it: the challenger's contract does not protect it, the champion's does"
    return tuple(f"{name}: {words}" for name in lost)


def _evaluate(rows: JudgedRows, pd: Any, params: Params) -> Any:
    from creditrisk.validation.metrics import evaluate

    figures = _figures(params).model_copy(update={"bootstrap": 300})
    return evaluate(rows.y, pd, rows.weight, figures, params.seed, rows.group)


def _figures(params: Params) -> EvaluationParams:
    return EvaluationParams(bootstrap=max(params.evaluation.bootstrap, MIN_BOOTSTRAP), confidence=CONFIDENCE)


def _count(rows: JudgedRows) -> Gate:
    return count_gate(len(rows.y), int(rows.y.sum()), MIN_CLASS_ROWS)


def _latency(challenger: Scorer, champion: Scorer, raw: pl.DataFrame) -> dict[str, float]:
    """Seconds for one application with reasons: the least of several rounds' medians, taken by turns."""
    applications = raw.head(TIMED_ROWS).to_dicts()
    scorers = {"challenger": challenger, "champion": champion}
    rounds: dict[str, list[float]] = {name: [] for name in scorers}
    for _ in range(TIMED_ROUNDS):
        for name, scorer in scorers.items():
            rounds[name].append(median(_timed(scorer, application) for application in applications))
    return {name: min(times) for name, times in rounds.items()}


def _timed(scorer: Scorer, application: dict[str, Any]) -> float:
    began = time.perf_counter()
    scorer.score_row(application)
    return time.perf_counter() - began


def _cannot_compare(version: Version, champion: Version, rows: JudgedRows, why: str) -> Verdict:
    text = (
        f"the champion, version {champion.version}, cannot score today's table ({why}), so nothing can be compared; "
        "gates.mode: threshold in params.yaml judges by thresholds instead"
    )
    gate = Gate("same rows", None, None, None, passed=False, sentence=text)
    return Verdict("B", version.version, champion.version, len(rows.y), int(rows.y.sum()), (gate,))
