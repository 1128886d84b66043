"""The runtime of scorecard and ebm: look-ups in tables, NumPy alone, arrays and JSON on disk.

The margin is the contributions of the inputs, added in their order, plus the baseline; a contribution is what the
input's bin adds, plus half of each pair it stands in, in the pairs' order. One row (``additive.row``) and a table add
in the same order, so both ways agree to the last bit.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from creditrisk.contract import Input
from creditrisk.errors import ModelError
from creditrisk.model.additive.files import Reader, join, parse, read_arrays
from creditrisk.model.additive.row import compile_row
from creditrisk.model.additive.terms import Floats, Terms
from creditrisk.model.family import MODEL_FILE, RowFunction, read_json

if TYPE_CHECKING:
    import polars as pl

FORMAT = 1
ARRAYS_FILE = "arrays.npz"


class AdditiveModel:
    """A sum of tables, centred on the training rows. Use ``ScorecardModel`` or ``EbmModel``."""

    family: ClassVar[str] = ""

    def __init__(self, inputs: tuple[Input, ...], baseline: float, terms: Terms) -> None:
        self.inputs, self.baseline, self.terms = inputs, baseline, terms

    @classmethod
    def build(
        cls, inputs: tuple[Input, ...], intercept: float, terms: Terms, table: pl.DataFrame, weight: Floats
    ) -> Self:
        """Centre terms on the training rows ``table`` (weighted) and drop bins that nothing tells apart."""
        centred, moved = terms.pruned().centred(table, weight)
        return cls(inputs, intercept + moved, centred)

    def margin(self, table: pl.DataFrame) -> NDArray[np.float64]:
        """Log-odds of bad, shape (n,)."""
        return self.explain(table)[0]

    def contributions(self, table: pl.DataFrame) -> NDArray[np.float64]:
        """What each input adds to the baseline, shape (n, len(inputs))."""
        return self.explain(table)[1]

    def explain(self, table: pl.DataFrame) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Margin (n,) and contributions (n, len(inputs)) in one pass."""
        terms = self.terms
        parts = np.empty((len(self.inputs), table.height))  # one input's numbers lie together
        found = terms.find(table, [item.name for item in self.inputs])
        for part, rows, effect in zip(parts, found, terms.effects, strict=True):
            np.take(effect + 0.0, rows, out=part, mode="clip")  # no negative zero: one row's sums start from zero
        for pair in terms.pairs:
            half = pair.halves[pair.index(found)]
            parts[pair.first] += half
            parts[pair.second] += half
        margin = np.zeros(table.height)
        for part in parts:
            margin += part
        margin += self.baseline
        return margin, parts.T

    def row(self) -> RowFunction:
        """Compile the path for one row."""
        return compile_row(self.baseline, self.terms)

    def save(self, folder: Path) -> None:
        """Write ``model.json`` and ``arrays.npz``; the same model gives the same bytes."""
        terms = self.terms
        shapes = [
            {"kind": "number", "cuts": bins.cuts.size}
            if bins.kind == "number"
            else {"kind": "category", "values": bins.values}
            for bins in terms.bins
        ]
        content = {
            "family": self.family,
            "format": FORMAT,
            "baseline": self.baseline,
            "inputs": [item.model_dump(mode="json") for item in self.inputs],
            "bins": shapes,
            "pairs": [{"first": p.first, "second": p.second, "shape": p.table.shape} for p in terms.pairs],
        }
        indexes = [index for p in terms.pairs for index in (p.first_index, p.second_index)]
        arrays = {
            "cuts": join([bins.cuts for bins in terms.bins], np.float64),
            "effects": join(terms.effects, np.float64),
            "indexes": join(indexes, np.int64),
            "tables": join([p.table.ravel() for p in terms.pairs], np.float64),
        }
        (folder / MODEL_FILE).write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        np.savez(folder / ARRAYS_FILE, **arrays)  # type: ignore[arg-type]

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read and check what ``save`` wrote.

        Raises:
            ModelError: a file is absent, damaged, of another family or version, or does not fit the other.
        """
        content = read_json(folder / MODEL_FILE)
        if content.get("family") != cls.family or content.get("format") != FORMAT:
            raise ModelError(
                f"{folder / MODEL_FILE}: family {content.get('family')!r} in format {content.get('format')!r}, "
                f"expected {cls.family!r} in format {FORMAT}. Use the version that wrote it, or train again."
            )
        try:
            return cls(*parse(content, Reader(read_arrays(folder / ARRAYS_FILE))))
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            raise ModelError(f"{folder}: the model's files do not fit each other: {error}. Train again.") from None


class ScorecardModel(AdditiveModel):
    """A scorecard: weight-of-evidence bins times coefficients."""

    family = "scorecard"


class EbmModel(AdditiveModel):
    """An explainable boosting machine."""

    family = "ebm"
