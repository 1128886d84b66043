"""The curves behind the pictures, as records of numbers that DVC, MLflow and a browser can draw."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from creditrisk.validation.calibration import calibration_curve
from creditrisk.validation.ranking import Outcomes, Ranking

Floats = NDArray[np.float64]
Records = list[dict[str, Any]]
MAX_POINTS = 500
SCORE_BINS = 40


def curves(rows: Outcomes, score: Floats | None = None) -> dict[str, Records]:
    """Curves by name: roc, precision_recall, calibration, gains, ks, and score_distribution where scores are given.

    Each has at most ``MAX_POINTS`` records of plain numbers.
    """
    ranking = Ranking.of(rows.y, rows.pd)
    bad, good = ranking.sums(rows.weight[ranking.order])
    hit, alarm = _share(bad), _share(good)
    flagged = _share(bad + good)
    precision = np.cumsum(bad) / np.maximum(np.cumsum(bad + good), 1e-300)
    cut = rows.pd[ranking.order][ranking.starts]
    even = (hit + alarm) / 2  # rare bads would be lost among the goods
    furthest = int(np.argmax(hit[1:] - alarm[1:]))
    found = {
        "roc": _records({"false_positive_rate": alarm, "true_positive_rate": hit}, even),
        "precision_recall": _records({"recall": hit[1:], "precision": precision}, hit[1:]),
        "gains": _records({"share_of_applications": flagged, "share_of_bads": hit}, even),
        "ks": _records({"pd": cut, "share_of_bads": hit[1:], "share_of_goods": alarm[1:]}, even[1:], furthest),
        "calibration": [
            {"mean_pd": b.mean_pd, "bad_rate": b.bad_rate, "low": b.low, "high": b.high, "rows": b.rows}
            for b in calibration_curve(rows)
        ],
    }
    if score is not None:
        found["score_distribution"] = score_distribution(rows.y, score, rows.weight)
    return found


def score_distribution(y: Floats, score: Floats, weight: Floats, bins: int = SCORE_BINS) -> Records:
    """Share of the bads and of the goods in each bin of the score; the outer half percents lie in the end bins."""
    low, high = np.quantile(score, [0.005, 0.995])
    width = max(np.ceil((high - low) / bins), 1.0)  # whole points
    edges = np.arange(np.floor(low), high + width, width)
    code = np.clip(np.searchsorted(edges, score, side="right") - 1, 0, max(len(edges) - 2, 0))
    many = max(len(edges) - 1, 1)
    bads, goods = (np.bincount(code, weight * part, minlength=many) / (weight @ part) for part in (y, 1 - y))
    return [
        {
            "score": float(edges[i] + width / 2),
            "from": float(edges[i]),
            "to": float(edges[i] + width),
            "share_of_bads": float(bads[i]),
            "share_of_goods": float(goods[i]),
        }
        for i in range(many)
    ]


def _share(sums: Floats) -> Floats:
    """Cumulative share, beginning at 0."""
    total = np.cumsum(sums)
    return np.concatenate([[0.0], total / total[-1]])


def _records(columns: Mapping[str, Floats], spread: Floats, kept: int = 0) -> Records:
    """Rows of the columns, thinned to points that lie about evenly over ``spread``; both ends and ``kept`` stay."""
    rows = np.arange(len(spread))
    if len(rows) > MAX_POINTS:
        wanted = np.linspace(spread[0], spread[-1], MAX_POINTS - 1)
        rows = np.unique(np.concatenate([[0, kept], np.searchsorted(spread, wanted)[1:-1], [len(spread) - 1]]))
        rows = rows[rows < len(spread)]
    return [{name: float(values[i]) for name, values in columns.items()} for i in rows]
