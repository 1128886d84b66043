"""A small lender's rows, plan and space for tests of the search: every fit takes a fraction of a second."""

from __future__ import annotations

from functools import cache

import numpy as np
from support import SMALL_CONTRACT, small_table

from creditrisk.contract import Contract
from creditrisk.data.characteristics import add_characteristics
from creditrisk.data.cleaning.clean import clean_training
from creditrisk.model.family import TrainingData
from creditrisk.params import Params
from creditrisk.pipeline.train_model import training_data
from creditrisk.search.plan import Plan, make_plan
from creditrisk.search.space import Search

SPACE = {
    "scorecard": {"max_bins": {"low": 3, "high": 6}, "min_bin_share": {"low": 0.02, "high": 0.1, "log": True}},
    "ebm": {"rounds": {"low": 20, "high": 60}, "interactions": [0, 2], "bags": [1, 2]},
    "catboost": {"rounds": {"low": 10, "high": 40}, "depth": {"low": 2, "high": 4}, "learning_rate": [0.1]},
}
SEARCH = Search.model_validate({"rows": 700, "folds": 2, "small_folds": 3, "small_repeats": 1, "space": SPACE})
PARAMS = Params.model_validate({"portfolio": "small"})


@cache
def rows(count: int = 900) -> TrainingData:
    """The small lender's training rows."""
    contract = Contract.model_validate(SMALL_CONTRACT)
    table = add_characteristics(clean_training(small_table(count).lazy(), contract).table, contract).collect()
    return training_data(table, contract)


@cache
def plan() -> Plan:
    """Three folds over 700 of its rows."""
    return make_plan(rows(), SEARCH, seed=0)


def noise(seed: int) -> list[np.ndarray[tuple[int], np.dtype[np.float64]]]:
    """Margins of every fold that know nothing."""
    random = np.random.default_rng(seed)
    return [random.normal(size=y.size) for y, _ in plan().truths]


def knowing(strength: float, seed: int = 1) -> list[np.ndarray[tuple[int], np.dtype[np.float64]]]:
    """Margins of every fold that know the outcome by so much."""
    return [strength * (2 * y - 1) + found for (y, _), found in zip(plan().truths, noise(seed), strict=True)]
