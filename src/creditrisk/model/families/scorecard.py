"""The scorecard: weight-of-evidence bins and a logistic regression with signs checked.

Evidence is risk up (log-odds of bad over average), so every coefficient must be positive; an input whose coefficient
is not stands in for another and is dropped, worst first (Siddiqi 2017, Intelligent Credit Scoring).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from creditrisk.errors import ModelError
from creditrisk.model.additive.runtime import ScorecardModel
from creditrisk.model.additive.terms import Floats, Terms
from creditrisk.model.families.binning import Binned, bin_input
from creditrisk.model.family import Fitted, TrainingData
from creditrisk.params import ModelParams


def fit(data: TrainingData, params: ModelParams, seed: int, valid: TrainingData | None = None) -> Fitted:
    """Bin, select and weigh the inputs; it has no rounds, so ``valid`` is not used.

    Raises:
        ModelError: no input tells good from bad, or the regression finds no solution.
    """
    binned = [bin_input(data, index, params, seed) for index in range(len(data.inputs))]
    kept, dropped = _informative(binned, params)
    kept, coefficients, intercept = _select(binned, kept, dropped, data, params)
    weights = np.zeros(len(binned))
    weights[kept] = coefficients
    # Without + 0.0 a dropped input's effects would be -0.0 here and there.
    effects = tuple(one.woe * weight + 0.0 for one, weight in zip(binned, weights, strict=True))
    terms = Terms(tuple(one.bins for one in binned), effects)
    model = ScorecardModel.build(data.inputs, intercept, terms, data.table, data.weight)
    tests = wald(
        np.column_stack([binned[at].training for at in kept]), data, coefficients, intercept, params.scorecard.c
    )
    return Fitted(model, None, _details(data, binned, kept, dropped, tests))


def candidates(rows: int, params: ModelParams) -> list[ModelParams]:
    """A scorecard has one capacity: its own."""
    return [params]


def _informative(binned: list[Binned], params: ModelParams) -> tuple[list[int], dict[int, str]]:
    """Inputs of enough information value; the best one where none has enough."""
    limit = params.scorecard.min_iv
    kept = [at for at, one in enumerate(binned) if one.iv >= limit and one.iv > 0]
    best = max(range(len(binned)), key=lambda at: binned[at].iv)
    if not kept and binned[best].iv > 0:
        kept = [best]
    if not kept:
        raise ModelError("no input tells good from bad: each has an information value of 0. Check the columns' types.")
    return kept, {
        at: f"information value {one.iv:.3f} is below {limit}" for at, one in enumerate(binned) if at not in kept
    }


def _select(
    binned: list[Binned], kept: list[int], dropped: dict[int, str], data: TrainingData, params: ModelParams
) -> tuple[list[int], Floats, float]:
    """Regress until every coefficient is positive, dropping the most negative one each time."""
    while True:
        matrix = np.column_stack([binned[at].training for at in kept])
        coefficients, intercept = regress(matrix, data, params.scorecard.c)
        worst = int(coefficients.argmin())
        if coefficients[worst] > 0:
            return kept, coefficients, intercept
        if len(kept) == 1:
            raise ModelError(
                f"the scorecard's only input, {data.inputs[kept[0]].name}, has a coefficient against its own bins. "
                "Lower scorecard.min_iv or add inputs."
            )
        dropped[kept[worst]] = f"its coefficient {coefficients[worst]:.3f} goes against its own bins"
        kept = [at for place, at in enumerate(kept) if place != worst]


def regress(matrix: Floats, data: TrainingData, c: float) -> tuple[Floats, float]:
    """Weighted logistic regression with an L2 penalty of 1 / (2 c) on coefficients; coefficients and intercept."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=c, solver="newton-cholesky", max_iter=100, tol=1e-10)
    try:
        model.fit(matrix, data.y, sample_weight=data.weight)
    except ValueError as error:
        raise ModelError(f"the scorecard's regression could not be fitted: {error}") from error
    return model.coef_[0].astype(np.float64), float(model.intercept_[0])


def wald(
    matrix: Floats, data: TrainingData, coefficients: Floats, intercept: float, c: float
) -> list[dict[str, float]]:
    """Wald test of each coefficient: standard error from the penalised Hessian, z and two-sided p value."""
    probability = 1 / (1 + np.exp(-np.clip(matrix @ coefficients + intercept, -500, 500)))
    design = np.column_stack([np.ones(matrix.shape[0]), matrix])
    curvature = data.weight * probability * (1 - probability)
    hessian = design.T @ (design * curvature[:, None])
    hessian[1:, 1:] += np.eye(matrix.shape[1]) / c
    errors: NDArray[np.float64] = np.sqrt(np.clip(np.diag(np.linalg.pinv(hessian)), 0, None))[1:]
    tests = []
    for coefficient, error in zip(coefficients.tolist(), errors.tolist(), strict=True):
        z = coefficient / error if error > 0 else math.inf
        tests.append(
            {"coefficient": coefficient, "std_error": error, "z": z, "p_value": math.erfc(abs(z) / math.sqrt(2))}
        )
    return tests


def _details(
    data: TrainingData, binned: list[Binned], kept: list[int], dropped: dict[int, str], tests: list[dict[str, float]]
) -> dict[str, Any]:
    by_input = dict(zip(kept, tests, strict=True))
    return {
        "inputs": [
            {"input": item.name, "iv": binned[at].iv, "bins": binned[at].report}
            | (by_input[at] if at in by_input else {"dropped": dropped[at]})
            for at, item in enumerate(data.inputs)
        ],
        "kept": [data.inputs[at].name for at in kept],
        "dropped": {data.inputs[at].name: reason for at, reason in dropped.items()},
        "not_significant": [data.inputs[at].name for at in kept if by_input[at]["p_value"] > 0.05],
    }
