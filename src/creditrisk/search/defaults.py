"""The first trials: settings that do well by size of table, so that a short search is never worse than they are.

What is best for 1,000 rows loses on 25,000 with strong interactions, and the reverse, so each size has a careful
setting and a large one; the careful one of each family comes first.
"""

from __future__ import annotations

from creditrisk.search.space import Number, Search

SMALL, MEDIUM = 3_000, 30_000
"""Rows in a fold's training part up to which a table is small, or of medium size."""

Setting = dict[str, Number]


def first_settings(search: Search, families: tuple[str, ...], rows: int) -> list[tuple[str, Setting]]:
    """Settings to try first, (family, parameters) in the order they are run; within the space that is searched."""
    table = _SMALL if rows <= SMALL else _MEDIUM if rows <= MEDIUM else _LARGE
    most = max(len(settings) for settings in table.values())
    found: list[tuple[str, Setting]] = []
    for place in range(most):
        for family in families:
            if place < len(table[family]):
                setting = (family, search.bounded(family, table[family][place]))
                if setting not in found:
                    found.append(setting)
    return found


_SCORECARD: list[Setting] = [
    {"max_bins": 8, "min_bin_share": 0.03, "min_iv": 0.02, "c": 1.0},
    {"max_bins": 5, "min_bin_share": 0.05, "min_iv": 0.01, "c": 0.1},
]


def _ebm(pairs: int, bags: int, rate: float, l2: float, bins: int = 256, of_trees: int = 40) -> Setting:
    return {
        "interactions": pairs,
        "tree_pairs": of_trees,
        "bags": bags,
        "learning_rate": rate,
        "rounds": 1_500,
        "max_bins": bins,
        "max_leaves": 2,
        "l2": l2,
        "one_hot_up_to": 40,
    }


def _catboost(rounds: int, depth: int, rate: float, l2: float = 3.0, one_hot: int = 40) -> Setting:
    return {"rounds": rounds, "depth": depth, "learning_rate": rate, "l2_leaf_reg": l2, "one_hot_up_to": one_hot}


def _lightgbm(rounds: int, leaves: int, rate: float = 0.03, rows: int = 40, share: float = 0.7) -> Setting:
    return {
        "rounds": rounds,
        "leaves": leaves,
        "learning_rate": rate,
        "min_rows_in_leaf": rows,
        "feature_share": share,
        "one_hot_up_to": 40,
    }


def _xgboost(rounds: int, leaves: int, rate: float = 0.03, weight: float = 5.0, share: float = 0.7) -> Setting:
    return {
        "rounds": rounds,
        "leaves": leaves,
        "learning_rate": rate,
        "min_child_weight": weight,
        "feature_share": share,
        "one_hot_up_to": 40,
    }


_SMALL: dict[str, list[Setting]] = {
    "scorecard": _SCORECARD,
    "ebm": [_ebm(0, 8, 0.03, 10.0, of_trees=0), _ebm(8, 8, 0.03, 10.0, of_trees=0)],
    "catboost": [_catboost(300, 4, 0.03), _catboost(600, 6, 0.04)],
    "lightgbm": [_lightgbm(200, 7), _lightgbm(300, 31, rows=10)],
    "xgboost": [_xgboost(200, 7), _xgboost(300, 31, weight=2.0)],
}
_MEDIUM: dict[str, list[Setting]] = {
    "scorecard": _SCORECARD,
    "ebm": [_ebm(15, 4, 0.04, 10.0), _ebm(45, 4, 0.04, 50.0), _ebm(30, 4, 0.04, 50.0, bins=32)],
    "catboost": [_catboost(600, 5, 0.03), _catboost(1_500, 7, 0.05), _catboost(600, 5, 0.03, one_hot=2)],
    "lightgbm": [_lightgbm(400, 12), _lightgbm(1_000, 31)],
    "xgboost": [_xgboost(400, 12), _xgboost(1_000, 31)],
}
_LARGE: dict[str, list[Setting]] = {
    "scorecard": _SCORECARD,
    "ebm": [_ebm(15, 4, 0.04, 10.0), _ebm(45, 4, 0.04, 50.0), _ebm(30, 4, 0.04, 50.0, bins=32)],
    "catboost": [_catboost(1_000, 5, 0.03), _catboost(2_000, 7, 0.05), _catboost(1_000, 5, 0.03, one_hot=2)],
    "lightgbm": [_lightgbm(600, 12), _lightgbm(1_500, 31)],
    "xgboost": [_xgboost(600, 12), _xgboost(1_500, 31)],
}
