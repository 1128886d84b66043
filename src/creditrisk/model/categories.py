"""What the values of one category become: a dictionary from text to numbers, complete without the training library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from creditrisk.errors import ModelError
from creditrisk.model.evidence import category_code, frequent_values

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class Vocabulary:
    """The values of a category that stand for themselves.

    A value seen in too few training rows is pooled with its like: too rare to learn from, and to be anonymous. A value
    never seen is taken for a rare one. A missing value is a value of its own.
    """

    values: tuple[str, ...]

    @classmethod
    def learn(cls, column: pl.Series, min_rows: int, group: NDArray[np.int64] | None = None) -> Vocabulary:
        """Keep the values that are frequent enough, sorted; see ``evidence.frequent_values``."""
        return cls(frequent_values(column, min_rows, group))

    @property
    def missing(self) -> int:
        """Code of the missing value."""
        return len(self.values)

    @property
    def other(self) -> int:
        """Code of values pooled or never seen."""
        return len(self.values) + 1

    def order(self) -> NDArray[np.float32]:
        """Each code as a number, the value's place; NaN for the missing one and for values that have no place."""
        return np.array([*range(len(self.values)), np.nan, np.nan], dtype=np.float32)

    def code(self, column: pl.Expr) -> pl.Expr:
        """The code of each row's text: the value's place, ``missing`` or ``other``."""
        return category_code(column, self.values, self.other, self.missing)

    def codes(self, column: pl.Series) -> NDArray[np.int64]:
        """The same of one column, shape (n,)."""
        import polars as pl

        return column.to_frame("value").select(self.code(pl.col("value"))).to_series().to_numpy()


@dataclass(frozen=True)
class Statistics:
    """The numbers that stand for a category's values in the trees."""

    input: int
    """Which input of the model."""
    vocabulary: Vocabulary
    numbers: NDArray[np.float64]
    """Shape (values + 2, statistics): a row for each value, then for the missing one, then for all others. NaN is a
    number that is missing: the place of an ordered category's value that has none."""

    @property
    def width(self) -> int:
        """How many numbers a value becomes."""
        return int(self.numbers.shape[1])

    def row_bytes(self) -> tuple[dict[str | None, bytes], bytes]:
        """Numbers by value as float64 in memory, the missing value included, and those of any other value."""
        rows = [row.tobytes() for row in self.numbers]
        return dict(zip((*self.vocabulary.values, None), rows, strict=False)), rows[self.vocabulary.other]

    def to_json(self) -> dict[str, Any]:
        """What ``from_json`` reads."""
        numbers = [[None if number != number else number for number in row] for row in self.numbers.tolist()]
        return {"input": self.input, "values": list(self.vocabulary.values), "numbers": numbers}

    @classmethod
    def from_json(cls, content: Any, kinds: Sequence[str], where: str) -> Statistics:
        """Check and read one category.

        Raises:
            ModelError: it is no category of this model, or its numbers are incomplete.
        """
        try:
            place, values = content["input"], tuple(content["values"])
            numbers = np.array(content["numbers"], dtype=np.float64)
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(
                f"{where}: the statistics of a category cannot be read ({error!r}). Train again."
            ) from None
        whole = (
            isinstance(place, int)
            and 0 <= place < len(kinds)
            and kinds[place] == "category"
            and all(isinstance(value, str) for value in values)
            and len(set(values)) == len(values)
            and numbers.ndim == 2
            and numbers.shape[0] == len(values) + 2
            and not bool(np.isinf(numbers).any())
        )
        if not whole:
            raise ModelError(f"{where}: the statistics of a category do not fit the model's inputs. Train again.")
        return cls(place, Vocabulary(values), numbers)
