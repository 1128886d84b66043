"""Weight-of-evidence bins of one input by OptBinning (Navas-Palencia 2020), with weights and smoothing of our own."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from creditrisk.contract import LARGEST, Input
from creditrisk.model.additive.terms import Bins, Floats, Indexes
from creditrisk.model.encoding import fit_encoding
from creditrisk.model.evidence import category_codes, evidence, frequent_values
from creditrisk.model.family import TrainingData
from creditrisk.params import ModelParams

PREBINS = 20
SECONDS = 2.0
"""Limit of the solver for one input; what it has found by then is taken."""


@dataclass(frozen=True)
class Binned:
    """One input in bins: weight of evidence of each bin and of each training row, and what to report of it."""

    bins: Bins
    woe: Floats
    training: Floats
    """Shape (n,); of a category of many values it is out-of-fold."""
    iv: float
    report: list[dict[str, Any]]


def bin_input(data: TrainingData, index: int, params: ModelParams, seed: int) -> Binned:
    """Find the bins of one input on training rows; a binding direction holds from bin to bin."""
    item, column = data.inputs[index], data.table[data.inputs[index].name]
    if item.kind == "number":
        numbers = column.to_numpy().astype(np.float64)
        cuts = _cuts(numbers, data, _trend(item, params), params)
        bins = Bins("number", cuts)
        return _finish(item, bins, np.arange(bins.count), bins.find(column), data, params)
    if item.ordered:
        places = category_codes(column, item.values)
        return _by_number(item, Bins("category", np.empty(0), item.values), places, data, params)
    values = frequent_values(column, params.encoding.min_rows, data.group)
    bins = Bins("category", np.empty(0), values)
    if len(values) > params.encoding.one_hot_up_to:
        return _by_evidence(data, index, params, seed)
    codes = bins.find(column)
    groups = _groups(codes, bins.count, data, params)
    return _finish(item, bins, groups, codes, data, params)


def _by_number(item: Input, bins: Bins, places: Indexes, data: TrainingData, params: ModelParams) -> Binned:
    """An ordered category: neighbours in its list share a bin."""
    numbers = np.where(places < len(bins.values), places, np.nan)
    cuts = _cuts(numbers, data, _trend(item, params), params)
    own = np.searchsorted(cuts, np.arange(len(bins.values)), side="right")
    groups = np.concatenate([own, [cuts.size + 1, cuts.size + 1]])
    return _finish(item, bins, groups, places, data, params)


def _by_evidence(data: TrainingData, index: int, params: ModelParams, seed: int) -> Binned:
    """A category of many values: values of similar evidence share a bin; rows are placed by out-of-fold evidence."""
    one = TrainingData(
        data.table.select(data.inputs[index].name), data.y, data.weight, (data.inputs[index],), data.group
    )
    encoding = fit_encoding(one, params, seed)
    table = encoding.tables[0]
    assert table is not None  # the input is a category
    numbers = encoding.training_matrix[:, 0]
    cuts = _cuts(numbers, data, "ascending", params)
    groups = np.searchsorted(cuts, table.numbers[:, 0], side="right")
    places = np.searchsorted(cuts, numbers, side="right")
    woe = evidence(places, data.y, data.weight, cuts.size + 1)
    report = _report(data, places, woe, [f"group {at + 1} by risk" for at in range(cuts.size + 1)])
    bins = Bins("category", np.empty(0), table.values)
    return Binned(bins, woe[groups], woe[places], _information(places, woe, data), report)


def _finish(
    item: Input, bins: Bins, groups: Indexes, codes: Indexes, data: TrainingData, params: ModelParams
) -> Binned:
    """Groups of bins -> evidence of each bin; neighbouring groups against the direction are joined."""
    size = int(groups.max()) + 1
    if params.monotone:
        groups = _join_against(item, groups, codes, data, size)
    labels = _labels(bins, groups, size)
    places = groups[codes]
    woe = evidence(places, data.y, data.weight, size)
    return Binned(bins, woe[groups], woe[places], _information(places, woe, data), _report(data, places, woe, labels))


def _join_against(item: Input, groups: Indexes, codes: Indexes, data: TrainingData, size: int) -> Indexes:
    sign = {"increasing": 1.0, "decreasing": -1.0, None: 0.0}[item.monotone]
    while sign:
        woe = evidence(groups[codes], data.y, data.weight, size)
        order = np.unique(groups[: groups.size - 2 if item.kind == "category" else groups.size - 1])
        wrong = np.flatnonzero(sign * np.diff(woe[order]) < 0)
        if not wrong.size:
            break
        groups = np.where(groups == order[wrong[0] + 1], order[wrong[0]], groups)
    return groups


def _cuts(numbers: Floats, data: TrainingData, trend: str, params: ModelParams) -> Floats:
    given = ~np.isnan(numbers)
    if np.unique(numbers[given][:1000]).size < 2 and np.unique(numbers[given]).size < 2:
        return np.empty(0)
    numbers = np.clip(numbers, -LARGEST, LARGEST)  # its trees compare in float32
    fitted = _optimal(numbers[given], data, given, params, dtype="numerical", monotonic_trend=trend)
    return np.empty(0) if fitted is None else np.unique(np.asarray(fitted, dtype=np.float64))


def _groups(codes: Indexes, size: int, data: TrainingData, params: ModelParams) -> Indexes:
    """Group of each code; missing and, where no training row has it, unseen stand alone."""
    given = codes < size - 1
    texts = codes[given].astype(str).astype(object)
    groups = np.zeros(size, dtype=np.int64)
    found = None
    if np.unique(codes[given]).size > 1:
        found = _optimal(texts, data, given, params, dtype="categorical", monotonic_trend="ascending")
    for at, members in enumerate([] if found is None else found):
        groups[[int(member) for member in members]] = at
    last = int(groups.max()) + 1
    seen = np.bincount(codes, minlength=size) > 0
    groups[size - 1] = last + 1
    if not seen[size - 2]:
        groups[size - 2] = last
    return groups


def _optimal(x: NDArray[Any], data: TrainingData, rows: NDArray[np.bool_], params: ModelParams, **kind: str) -> Any:
    """Splits by OptBinning; None where the rows have one outcome alone."""
    from optbinning import OptimalBinning

    y, weight = data.y[rows].astype(np.int64), data.weight[rows]
    if y.size == 0 or y.min() == y.max():
        return None
    settings = params.scorecard
    share = settings.min_bin_share
    binning = OptimalBinning(
        max_n_prebins=max(PREBINS, settings.max_bins),
        min_prebin_size=min(share, 0.05),
        max_n_bins=settings.max_bins,
        min_bin_size=share,
        time_limit=SECONDS,
        **kind,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        binning.fit(x, y, sample_weight=None if (weight == weight[0]).all() else weight)
    return binning.splits


def _trend(item: Input, params: ModelParams) -> str:
    bound = item.monotone if params.monotone else None
    return {"increasing": "ascending", "decreasing": "descending", None: "auto_heuristic"}[bound]


def _information(places: Indexes, woe: Floats, data: TrainingData) -> float:
    bad = np.bincount(places, weights=data.weight * data.y, minlength=woe.size)
    good = np.bincount(places, weights=data.weight * (1 - data.y), minlength=woe.size)
    return float(((bad / bad.sum() - good / good.sum()) * woe).sum())


def _report(data: TrainingData, places: Indexes, woe: Floats, labels: list[str]) -> list[dict[str, Any]]:
    rows = np.bincount(places, minlength=woe.size)
    weight = np.bincount(places, weights=data.weight, minlength=woe.size)
    bad = np.bincount(places, weights=data.weight * data.y, minlength=woe.size)
    return [
        {"bin": labels[at], "rows": int(rows[at]), "bad_rate": float(bad[at] / weight[at]), "woe": float(woe[at])}
        for at in range(woe.size)
        if weight[at] > 0
    ]


def _labels(bins: Bins, groups: Indexes, size: int) -> list[str]:
    return [bins.label(np.flatnonzero(groups == group)) for group in range(size)]
