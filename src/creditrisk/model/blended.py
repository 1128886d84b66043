"""The runtime of a blend: an intercept and a weighted sum of its members' margins and contributions.

One row and a table multiply and add in the same order, so both ways agree to the last bit; weights are not negative,
so a direction that every member follows is the blend's. It needs what its members need: NumPy alone for scorecard, ebm
and catboost.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, get_args

import numpy as np
from numpy.typing import NDArray

from creditrisk.errors import ModelError
from creditrisk.model.family import MODEL_FILE, Model, RowFunction, Value, load_model, read_json
from creditrisk.params import Member

if TYPE_CHECKING:
    import polars as pl

FORMAT = 1
MEMBERS: tuple[str, ...] = get_args(Member)

Floats = NDArray[np.float64]


class BlendModel:
    """Models of two or more families over the same inputs, one weight for each."""

    family: ClassVar[str] = "blend"

    def __init__(self, members: Sequence[Model], weights: Sequence[float], intercept: float) -> None:
        self.members, self.weights, self.intercept = tuple(members), tuple(map(float, weights)), float(intercept)
        if len(self.members) != len(self.weights) or len(self.members) < 2:
            raise ModelError(f"a blend of {len(self.members)} members with {len(self.weights)} weights; train again.")
        self.inputs = self.members[0].inputs
        for member in self.members[1:]:
            if member.inputs != self.inputs:
                raise ModelError(
                    f"a blend's members {self.members[0].family} and {member.family} have different inputs; "
                    "expected the same. Train again."
                )
        baselines = [member.baseline for member in self.members]
        self.baseline = _weighted(self.weights, baselines) + self.intercept

    def margin(self, table: pl.DataFrame) -> Floats:
        """Log-odds of bad, shape (n,)."""
        return self._sum([member.margin(table) for member in self.members]) + self.intercept

    def contributions(self, table: pl.DataFrame) -> Floats:
        """What each input adds to the baseline, shape (n, inputs)."""
        return self._sum([member.contributions(table) for member in self.members])

    def explain(self, table: pl.DataFrame) -> tuple[Floats, Floats]:
        """Margin (n,) and contributions (n, inputs), each member asked once."""
        margins, contributions = zip(*(member.explain(table) for member in self.members), strict=True)
        return self._sum(margins) + self.intercept, self._sum(contributions)

    def row(self) -> RowFunction:
        """Compose the members' compiled rows."""
        rows, weights, intercept = [member.row() for member in self.members], self.weights, self.intercept
        if len(rows) == 2:
            return _row_of_two(rows[0], rows[1], weights[0], weights[1], intercept)

        def score(values: Sequence[Value]) -> tuple[float, Sequence[float]]:
            margins, parts = zip(*(row(values) for row in rows), strict=True)
            return _weighted(weights, margins) + intercept, [_weighted(weights, part) for part in zip(*parts)]  # noqa: B905

        return score

    def save(self, folder: Path) -> None:
        """Write ``model.json``, and each member into a folder of its family's name."""
        content = {
            "family": self.family,
            "format": FORMAT,
            "members": [member.family for member in self.members],
            "weights": self.weights,
            "intercept": self.intercept,
        }
        for member in self.members:
            (folder / member.family).mkdir()
            member.save(folder / member.family)
        (folder / MODEL_FILE).write_text(json.dumps(content, allow_nan=False, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> BlendModel:
        """Read and check what ``save`` wrote.

        Raises:
            ModelError: a file is absent or damaged, a member is no family that a blend can have, or its inputs are
                not those of the others.
        """
        path = folder / MODEL_FILE
        content = read_json(path)
        if content.get("family") != cls.family or content.get("format") != FORMAT:
            raise ModelError(f"{path}: expected a {cls.family} model in format {FORMAT}. Train again.")
        names = _checked_members(content.get("members"), path)
        weights, intercept = _checked_numbers(content, len(names), path)
        return cls([_member(folder / name, name) for name in names], weights, intercept)

    def _sum(self, parts: Sequence[Floats]) -> Floats:
        total = parts[0] * self.weights[0]
        for part, weight in zip(parts[1:], self.weights[1:], strict=True):
            total += part * weight
        return total


def families_of(model: Model) -> tuple[str, ...]:
    """The families that answer: a blend's members, else the model's own."""
    return tuple(member.family for member in model.members) if isinstance(model, BlendModel) else (model.family,)


def _weighted(weights: Sequence[float], numbers: Sequence[float]) -> float:
    """The sum of products, added in order; ``sum`` would round otherwise in later versions of Python."""
    total = numbers[0] * weights[0]
    for number, weight in zip(numbers[1:], weights[1:], strict=True):
        total += number * weight
    return total


def _row_of_two(first: RowFunction, second: RowFunction, a: float, b: float, intercept: float) -> RowFunction:
    """The same for two members, without a call for each input."""

    def score(values: Sequence[Value]) -> tuple[float, Sequence[float]]:
        (x, xs), (y, ys) = first(values), second(values)
        return x * a + y * b + intercept, [p * a + q * b for p, q in zip(xs, ys, strict=True)]

    return score


def _checked_members(names: Any, path: Path) -> list[str]:
    if not isinstance(names, list) or len(names) < 2:
        raise ModelError(f"{path}: members are {names!r}, expected a list of two families or more. Train again.")
    for name in names:
        if name not in MEMBERS:
            raise ModelError(f"{path}: {name!r} cannot be in a blend; expected one of {', '.join(MEMBERS)}.")
        if names.count(name) > 1:
            raise ModelError(f"{path}: member {name} stands there twice. Train again.")
    return names


def _checked_numbers(content: dict[str, Any], count: int, path: Path) -> tuple[list[float], float]:
    weights, intercept = content.get("weights"), content.get("intercept")
    if (
        not isinstance(weights, list)
        or len(weights) != count
        or not all(_number(weight) and weight >= 0 for weight in weights)
        or not any(weights)
    ):
        raise ModelError(
            f"{path}: weights are {weights!r}, expected {count} numbers, none negative and not all 0. Train again."
        )
    if not _number(intercept):
        raise ModelError(f"{path}: intercept is {intercept!r}, expected a finite number. Train again.")
    return weights, float(intercept)  # type: ignore[arg-type]  # _number has looked


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _member(folder: Path, name: str) -> Model:
    found = read_json(folder / MODEL_FILE).get("family")
    if found != name:
        raise ModelError(f"{folder / MODEL_FILE}: family {found!r}, expected {name!r} as the folder says. Train again.")
    return load_model(folder)
