"""The explainable boosting machine (Lou et al. 2013, GA2M; interpret-core), exported to the additive runtime.

It is a sum of step functions of one input each and of tables of two inputs, so its export is exact. Training is tuned
down from interpret's defaults (bags, rounds, learning rate) to take seconds.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from creditrisk.errors import ModelError
from creditrisk.model.additive import EbmModel
from creditrisk.model.encoding import EncodedColumn, Encoding, fit_encoding
from creditrisk.model.family import Fitted, TrainingData
from creditrisk.model.terms import Bins, Floats, Indexes, Pair, Terms
from creditrisk.model.threads import threads
from creditrisk.params import EbmParams, ModelParams

ROUNDING = 1e-9
"""Steps against a direction up to this size come from adding floats in another order, and are levelled out."""


def fit(data: TrainingData, params: ModelParams, seed: int, valid: TrainingData | None = None) -> Fitted:
    """Fit on training rows; each bag stops early on its own held-out rows, so ``valid`` is not needed and not used.

    Raises:
        ModelError: interpret cannot fit these rows.
    """
    settings = with_defaults(data.table.height, params).ebm
    encoding = fit_encoding(data, params, seed, one_hot=False)
    machine = train(data, encoding, settings, seed)
    terms = _level(encoding, export(machine, encoding))
    model = EbmModel.build(data.inputs, float(machine.intercept_[0]), terms, data.table, data.weight)
    return Fitted(model, None, _details(machine, encoding, settings))


def candidates(rows: int, params: ModelParams) -> list[ModelParams]:
    """Capacities to try: without and with pairs on a small table, few and many pairs on a larger one."""
    if params.ebm.interactions is not None:
        return [with_defaults(rows, params)]
    pairs = (0, 8) if rows < 3_000 else (15, 45)
    return [with_defaults(rows, _updated(params, interactions=count)) for count in pairs]


def with_defaults(rows: int, params: ModelParams) -> ModelParams:
    """Fill what is not fixed by number of rows."""
    ebm = params.ebm
    return _updated(
        params,
        interactions=(8 if rows < 3_000 else 15) if ebm.interactions is None else ebm.interactions,
        rounds=1_500 if ebm.rounds is None else ebm.rounds,
    )


def train(data: TrainingData, encoding: Encoding, settings: EbmParams, seed: int) -> Any:
    """Fit interpret's classifier on the encoded training rows and return it."""
    from interpret.glassbox import ExplainableBoostingClassifier
    from joblib import parallel_config  # type: ignore[import-untyped]

    columns = encoding.columns
    machine = ExplainableBoostingClassifier(
        feature_names=[column.name for column in columns],
        feature_types=["nominal" if column.nominal else "continuous" for column in columns],
        max_bins=settings.max_bins,
        max_interaction_bins=32,
        interactions=settings.interactions,
        outer_bags=settings.bags,
        learning_rate=settings.learning_rate,
        max_rounds=settings.rounds,
        max_leaves=settings.max_leaves,
        reg_lambda=settings.l2,
        smoothing_rounds=50,
        interaction_smoothing_rounds=20,
        early_stopping_rounds=50,
        monotone_constraints=[column.monotone for column in columns],
        n_jobs=min(settings.bags, threads()),
        random_state=seed,
    )
    matrix = as_interpret(encoding.training_matrix, columns)
    weight = None if (data.weight == data.weight[0]).all() else data.weight
    try:
        # Threads: the work is native and releases the lock; processes would first import everything again.
        with parallel_config(backend="threading"), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns of missing values, which have a bin of their own
            machine.fit(matrix, data.y.astype(np.int64), sample_weight=weight)
    except Exception as error:
        raise ModelError(f"the explainable boosting machine could not be fitted: {error}") from error
    return machine


def as_interpret(matrix: Floats, columns: tuple[EncodedColumn, ...]) -> dict[str, NDArray[Any]]:
    """The encoded matrix as interpret wants it: columns by name, codes as text."""
    return {
        column.name: matrix[:, at].astype(np.int64).astype(str)
        if column.nominal
        else np.ascontiguousarray(matrix[:, at])
        for at, column in enumerate(columns)
    }


def export(machine: Any, encoding: Encoding) -> Terms:
    """Write a fitted classifier as terms of the inputs; the sum of terms and ``intercept_`` is its own margin.

    All columns that encode one input are functions of its value, so their terms add up in the input's own bins.
    """
    shapes = [_shape(machine, encoding, index) for index in range(len(encoding.inputs))]
    effects = [np.zeros(shape.bins.count) for shape in shapes]
    pairs = []
    owner = [column.input_index for column in encoding.columns]
    for features, scores in zip(machine.term_features_, machine.term_scores_, strict=True):
        own = [owner[feature] for feature in features]
        places = [shapes[one].places[feature, len(features)] for one, feature in zip(own, features, strict=True)]
        if len(set(own)) == 1:
            effects[own[0]] += scores[tuple(places)]
        else:
            pairs.append(Pair(own[0], own[1], places[0], places[1], np.ascontiguousarray(scores)))
    return Terms(tuple(shape.bins for shape in shapes), tuple(effects), tuple(pairs))


@dataclass(frozen=True)
class _Shape:
    """Bins of an input, and the place of each in interpret's tensors by (column, inputs in the term)."""

    bins: Bins
    places: dict[tuple[int, int], Indexes]


def _shape(machine: Any, encoding: Encoding, index: int) -> _Shape:
    features = [at for at, column in enumerate(encoding.columns) if column.input_index == index]
    table = encoding.tables[index]
    if table is not None:
        bins = Bins("category", np.empty(0), table.values)
        numbers = table.numbers
    else:
        levels = [np.asarray(cuts, dtype=np.float64) for cuts in machine.bins_[features[0]]]
        bins = Bins("number", np.unique(np.concatenate(levels)))
        numbers = np.concatenate([[-np.inf], bins.cuts, [np.nan]])[:, None]  # the lowest number of each bin
    places = {
        (feature, level): _place(machine.bins_[feature], level, numbers[:, at])
        for at, feature in enumerate(features)
        for level in (1, 2)
    }
    return _Shape(bins, places)


def _place(levels: list[Any], level: int, numbers: Floats) -> Indexes:
    """Index into a tensor of interpret: 0 is missing, then the bins, the last is unseen."""
    rule = levels[min(len(levels), level) - 1]
    if isinstance(rule, dict):
        return np.array([rule.get(str(int(number)), -1) for number in numbers], dtype=np.int64)
    places = np.searchsorted(rule, numbers, side="right") + 1
    places[np.isnan(numbers)] = 0
    return places


def _level(encoding: Encoding, terms: Terms) -> Terms:
    effects = list(terms.effects)
    for column in encoding.columns:
        bins, effect = terms.bins[column.input_index], effects[column.input_index].copy()
        if column.monotone:
            inner = slice(0, bins.count - 1 if bins.kind == "number" else len(bins.values))
            run = np.maximum if column.monotone > 0 else np.minimum
            levelled = run.accumulate(effect[inner])
            if np.abs(levelled - effect[inner]).max(initial=0.0) <= ROUNDING:
                effect[inner] = levelled
        effects[column.input_index] = effect
    return Terms(terms.bins, tuple(effects), terms.pairs)


def _details(machine: Any, encoding: Encoding, settings: EbmParams) -> dict[str, Any]:
    steps = np.atleast_2d(machine.best_iteration_).max(axis=1)
    singles = sum(len(term) == 1 for term in machine.term_features_)
    held = sorted({encoding.inputs[column.input_index].name for column in encoding.columns if column.monotone})
    return {
        "settings": settings.model_dump(),
        "rounds": int(np.ceil(steps[0] / max(singles, 1))),
        "terms": singles,
        "pairs": [machine.term_names_[at] for at, term in enumerate(machine.term_features_) if len(term) == 2],
        "inputs_without_pairs": held,
        "note": (
            f"{len(held)} of {len(encoding.inputs)} inputs have a direction that binds; "
            "interpret leaves these out of every pair."
        ),
        "encoded": {encoding.inputs[i].name: len(t.values) for i, t in enumerate(encoding.tables) if t is not None},
    }


def _updated(params: ModelParams, **changes: Any) -> ModelParams:
    return params.model_copy(update={"ebm": params.ebm.model_copy(update=changes)})
