"""CatBoost's JSON export -> forest and statistics of categories, so that serving needs no CatBoost.

With ``max_ctr_complexity=1`` each statistic is a function of one category, hence a table from value to number. Its
formulas in float32, its hash and the numbering of splits are CatBoost's (catboost/libs/model: ctr_value_table,
online_ctr, hash); the tests hold the result to CatBoost's own margins bit for bit.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from creditrisk.contract import LARGEST
from creditrisk.errors import ModelError
from creditrisk.model.categories import Statistics, Vocabulary
from creditrisk.model.oblivious.forest import Forest, as_float64_threshold

HASH_FACTOR = 0x4906BA494954CB65
BITS_64 = 2**64 - 1
PRESENT = 0.5
"""A one-hot comparison asks whether its indicator, 0 or 1, is above this."""

Key = tuple[str, int]
"""A statistic: ("ctr", its number in the export), ("one-hot of <category>", hash of the value) or ("order", input)."""
Comparison = tuple[int | Key, float]
"""What is compared, an input's number or a statistic, and the float64 threshold."""


def read_export(
    export: Mapping[str, Any], inputs: int, vocabularies: Mapping[int, Vocabulary]
) -> tuple[Forest, tuple[Statistics, ...]]:
    """Make the runtime's parts of a model exported as JSON.

    Args:
        export: the parsed export; the model was fitted on the inputs in order, categories given as codes.
        inputs: how many inputs there are.
        vocabularies: by input, the vocabulary that gave the codes; an ordered category went in as a number.

    Raises:
        ModelError: the model holds what the runtime does not serve.
    """
    reader = _Reader(export, vocabularies)
    trees = [[reader.comparison(split) for split in tree["splits"] or []] for tree in export["oblivious_trees"]]
    keys = {what for tree in trees for what, _ in tree if not isinstance(what, int)}
    by_input: dict[int, list[Key]] = {}
    for key in sorted(keys):
        by_input.setdefault(reader.input_of(key), []).append(key)
    slots: dict[int | Key, int] = {number: number for number in range(inputs)}
    categories = []
    for number in sorted(by_input):
        for key in by_input[number]:
            slots[key] = len(slots)
        columns = [reader.column(key, vocabularies[number]) for key in by_input[number]]
        categories.append(Statistics(number, vocabularies[number], np.stack(columns, axis=1).astype(np.float64)))
    return _forest(export, trees, slots), tuple(categories)


class _Reader:
    """Reads splits and statistics of one export."""

    def __init__(self, export: Mapping[str, Any], vocabularies: Mapping[int, Vocabulary]) -> None:
        info = export["features_info"]
        self.vocabularies = vocabularies
        self.tables = export.get("ctr_data") or {}
        floats, categories = info.get("float_features") or [], info.get("categorical_features") or []
        if any(item["nan_value_treatment"] == "AsTrue" for item in floats):
            raise ModelError("CatBoost's nan_mode Max is not served; fit with nan_mode Min.")
        self.float_input = {item["feature_index"]: item["flat_feature_index"] for item in floats}
        self.category_input = {item["feature_index"]: item["flat_feature_index"] for item in categories}
        self.hashes = {item["value"]: _signed(item["hash"]) for item in info.get("cat_features_hash") or []}
        self.ctrs = info.get("ctrs") or []
        # A split's index runs over the numbers' borders, then the one-hot values, then the statistics' borders.
        before = sum(len(item.get("borders") or []) for item in floats)
        before += sum(len(item.get("values") or []) for item in categories)
        self.ctr_ends = list(accumulate((len(item["borders"]) for item in self.ctrs), initial=before))[1:]

    def comparison(self, split: Mapping[str, Any]) -> Comparison:
        kind = split["split_type"]
        if kind == "FloatFeature":
            place = self.float_input[split["float_feature_index"]]
            what: int | Key = ("order", place) if place in self.vocabularies else place
            # Below all numbers that it was given, it tells a missing one from any other.
            lowest = split["border"] < -LARGEST
            return what, -math.inf if lowest else as_float64_threshold(split["border"])
        if kind == "OneHotFeature":
            return (f"one-hot of {split['cat_feature_index']}", _signed(split["value"])), PRESENT
        if kind == "OnlineCtr":
            return ("ctr", bisect.bisect_right(self.ctr_ends, split["split_index"])), as_float64_threshold(
                split["border"]
            )
        raise ModelError(f"a split of type {kind!r} is not served; expected numbers, one-hot values and statistics.")

    def input_of(self, key: Key) -> int:
        kind, number = key
        if kind == "order":
            return number
        if kind != "ctr":
            return int(self.category_input[int(kind.rsplit(" ", 1)[1])])
        elements = self.ctrs[number]["elements"]
        if len(elements) != 1 or elements[0]["combination_element"] != "cat_feature_value":
            raise ModelError("a statistic of several categories is not served; fit with max_ctr_complexity 1.")
        return int(self.category_input[elements[0]["cat_feature_index"]])

    def column(self, key: Key, vocabulary: Vocabulary) -> NDArray[np.float32]:
        """One statistic of every code of a vocabulary, float32 as CatBoost computes it."""
        kind, number = key
        if kind == "order":
            return vocabulary.order()
        codes = [self.hashes.get(str(code)) for code in range(vocabulary.other + 1)]
        if kind != "ctr":
            return np.array([code == number for code in codes], dtype=np.float32)
        return _statistic(self.ctrs[number], self.tables, codes)


def _statistic(ctr: Mapping[str, Any], tables: Mapping[str, Any], hashes: Sequence[int | None]) -> NDArray[np.float32]:
    """(count + prior) / (total + prior's weight), shifted and scaled; a value never seen has counts of zero."""
    table = tables[ctr["identifier"]]
    stride, flat = table["hash_stride"], table["hash_map"]
    counts = {int(flat[at]): flat[at + 1 : at + stride] for at in range(0, len(flat), stride)}
    found = [None if value is None else counts.get(_table_key(value)) for value in hashes]
    if ctr["ctr_type"] == "Borders":
        border = ctr["target_border_idx"]
        upper = np.array([sum(row[border + 1 :]) if row else 0 for row in found], dtype=np.float32)
        total = np.array([sum(row) if row else 0 for row in found], dtype=np.float32)
    elif ctr["ctr_type"] == "Counter":
        upper = np.array([row[0] if row else 0 for row in found], dtype=np.float32)
        total = np.full(len(found), table["counter_denominator"], dtype=np.float32)
    else:
        raise ModelError(f"a statistic of type {ctr['ctr_type']!r} is not served; expected Borders or Counter.")
    number = {name: np.float32(ctr[name]) for name in ("prior_numerator", "prior_denomerator", "shift", "scale")}
    share = (upper + number["prior_numerator"]) / (total + number["prior_denomerator"])
    return np.asarray((share + number["shift"]) * number["scale"], dtype=np.float32)


def _signed(value: int) -> int:
    """A 32-bit hash, written with or without its sign, as a signed number."""
    low = int(value) & 0xFFFFFFFF
    return low - 2**32 if low >= 2**31 else low


def _table_key(value_hash: int) -> int:
    """CatBoost's key of a single category in a table of counts."""
    return (HASH_FACTOR * ((HASH_FACTOR * (value_hash & BITS_64)) & BITS_64)) & BITS_64


def _forest(export: Mapping[str, Any], trees: Sequence[Sequence[Comparison]], slots: Mapping[int | Key, int]) -> Forest:
    scale, biases = export["scale_and_bias"]
    if scale != 1:
        raise ModelError(f"CatBoost's scale is {scale}; only 1 is served.")
    depth = max(1, max(len(tree) for tree in trees))
    slot = np.zeros((len(trees), depth), dtype=np.int64)
    threshold = np.full((len(trees), depth), np.inf)
    values, weights = np.zeros((len(trees), 1 << depth)), np.zeros((len(trees), 1 << depth))
    for number, (tree, exported) in enumerate(zip(trees, export["oblivious_trees"], strict=True)):
        for level, (what, border) in enumerate(tree):
            slot[number, level], threshold[number, level] = slots[what], border
        values[number, : 1 << len(tree)] = exported["leaf_values"]
        weights[number, : 1 << len(tree)] = exported["leaf_weights"]
    return Forest(slot, threshold, values, weights, float(sum(biases)))
