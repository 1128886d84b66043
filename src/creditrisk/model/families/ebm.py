"""The explainable boosting machine (Lou et al. 2013, GA2M; interpret-core), exported to the additive runtime.

It is a sum of step functions of one input each and of tables of two inputs, so its export is exact. Training is tuned
down from interpret's defaults (bags, rounds, learning rate) to take seconds.

interpret leaves inputs with a direction out of every pair, so its machine is averaged with boosted trees of two inputs
(``pair_trees``), which keep a direction in pairs too. Both are sums of such tables, hence so is their mean.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from creditrisk.errors import ModelError
from creditrisk.model.additive.columns import ColumnTerm, terms_of_inputs
from creditrisk.model.additive.directions import hold_directions
from creditrisk.model.additive.runtime import EbmModel
from creditrisk.model.additive.terms import Floats, Indexes, Terms
from creditrisk.model.encoding import EncodedColumn, Encoding, fit_encoding
from creditrisk.model.families.pair_trees import PairTrees, fit_pair_trees
from creditrisk.model.families.threads import threads
from creditrisk.model.family import SMALL, Fitted, TrainingData
from creditrisk.params import EbmParams, ModelParams

HALF = 0.5
"""Share of the machine and of the trees in their mean."""


def fit(data: TrainingData, params: ModelParams, seed: int, valid: TrainingData | None = None) -> Fitted:
    """Fit on training rows; each bag stops early on its own held-out rows, so ``valid`` is not needed and not used.

    Raises:
        ModelError: interpret cannot fit these rows.
    """
    settings = with_defaults(data.table.height, params).ebm
    encoding = fit_encoding(data, params, seed, one_hot=False)
    machine = train(data, encoding, settings, seed)
    trees = fit_pair_trees(data, encoding, settings, seed) if settings.tree_pairs else None
    intercept = float(machine.intercept_[0])
    if trees is None:
        terms = export(machine, encoding)
    else:
        intercept, terms = HALF * (intercept + trees.intercept), _mean(machine, trees, encoding)
    model = EbmModel.build(data.inputs, intercept, terms, data.table, data.weight)
    model = EbmModel(model.inputs, model.baseline, hold_directions(model.inputs, model.terms))
    return Fitted(model, None, _details(machine, trees, encoding, settings))


def candidates(rows: int, params: ModelParams) -> list[ModelParams]:
    """Capacities to try: without and with pairs on a small table, few and many pairs on a larger one."""
    if params.ebm.interactions is not None:
        return [with_defaults(rows, params)]
    pairs = (0, 8) if rows <= SMALL else (15, 45)
    return [with_defaults(rows, _updated(params, interactions=count)) for count in pairs]


def with_defaults(rows: int, params: ModelParams) -> ModelParams:
    """Fill what is not fixed by number of rows."""
    ebm = params.ebm
    return _updated(
        params,
        interactions=(8 if rows <= SMALL else 15) if ebm.interactions is None else ebm.interactions,
        tree_pairs=(0 if rows <= SMALL else 40) if ebm.tree_pairs is None else ebm.tree_pairs,
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
    """Write a fitted classifier as terms of the inputs; the sum of terms and ``intercept_`` is its own margin."""
    cuts = [_cuts(machine, encoding, index) for index in range(len(encoding.inputs))]
    return terms_of_inputs(encoding, cuts, _column_terms(machine))


def _mean(machine: Any, trees: PairTrees, encoding: Encoding) -> Terms:
    """The machine and the trees in equal parts."""
    cuts = [np.union1d(_cuts(machine, encoding, index), own) for index, own in enumerate(trees.cuts)]
    parts = [replace(term, table=HALF * term.table) for term in (*_column_terms(machine), *trees.terms)]
    return terms_of_inputs(encoding, cuts, parts)


def _column_terms(machine: Any) -> list[ColumnTerm]:
    return [
        ColumnTerm(tuple(features), tuple(_rule(machine, feature, len(features)) for feature in features), scores)
        for features, scores in zip(machine.term_features_, machine.term_scores_, strict=True)
    ]


def _cuts(machine: Any, encoding: Encoding, index: int) -> Floats:
    """Where the bins of a number begin; none for a category."""
    if encoding.tables[index] is not None:
        return np.empty(0)
    column = [column.input_index for column in encoding.columns].index(index)
    return np.unique(np.concatenate([np.asarray(cuts, dtype=np.float64) for cuts in machine.bins_[column]]))


def _rule(machine: Any, feature: int, inputs: int) -> Callable[[Floats], Indexes]:
    """How numbers of a column find their place in the tensor of a term of one input or of two."""
    levels = machine.bins_[feature]
    return partial(_place, levels[min(len(levels), inputs) - 1])


def _place(rule: Any, numbers: Floats) -> Indexes:
    """Index into a tensor of interpret: 0 is missing, then the bins, the last is unseen."""
    if isinstance(rule, dict):
        return np.array([rule.get(str(int(number)), -1) for number in numbers], dtype=np.int64)
    places = np.searchsorted(rule, numbers, side="right") + 1
    places[np.isnan(numbers)] = 0
    return places


def _details(machine: Any, trees: PairTrees | None, encoding: Encoding, settings: EbmParams) -> dict[str, Any]:
    steps = np.atleast_2d(machine.best_iteration_).max(axis=1)
    singles = sum(len(term) == 1 for term in machine.term_features_)
    details: dict[str, Any] = {
        "settings": settings.model_dump(),
        "rounds": int(np.ceil(steps[0] / max(singles, 1))),
        "terms": singles,
        "pairs": [machine.term_names_[at] for at, term in enumerate(machine.term_features_) if len(term) == 2],
        "encoded": {encoding.inputs[i].name: len(t.values) for i, t in enumerate(encoding.tables) if t is not None},
    }
    if trees is not None:
        names = [column.name for column in encoding.columns]
        pairs = [" & ".join(names[at] for at in term.columns) for term in trees.terms if len(term.columns) == 2]
        return details | {"trees": trees.trees, "pairs_of_trees": pairs}
    held = sorted({encoding.inputs[column.input_index].name for column in encoding.columns if column.monotone})
    note = (
        f"{len(held)} of {len(encoding.inputs)} inputs have a direction that binds; "
        "interpret leaves these out of every pair."
    )
    return details | {"inputs_without_pairs": held, "note": note}


def _updated(params: ModelParams, **changes: Any) -> ModelParams:
    return params.model_copy(update={"ebm": params.ebm.model_copy(update=changes)})
