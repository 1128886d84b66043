"""Reasons of every row of a table: exactly the texts of ``model.reasons``, put together for all rows at once."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from creditrisk.contract import Input, Reason
from creditrisk.model.reasons import LIMIT, Medians, around, compile_text, missing_text, words_of
from creditrisk.model.stated import stated_column

BLOCK = 2048
"""Rows whose contributions stay in the processor's nearer memory while they are looked through several times."""
_STATED = 3
"""What is found of a number: missing, above or below the median with a text for it, or this."""


class ReasonsTable:
    """Reasons of tables of one model's inputs; what does not depend on the rows is made ready once.

    Args:
        inputs: see ``compile_reasons``; medians and limit likewise.
    """

    def __init__(self, inputs: Sequence[Input], medians: Medians, limit: int = LIMIT) -> None:
        self._inputs, self._limit = inputs, limit
        self._medians = [medians.get(item.name) for item in inputs]
        self._words = [words_of(item) for item in inputs]
        names = [item.name for item in inputs]
        self._names = pl.Series([*names, None], dtype=pl.Enum(names))
        shared: list[str | None] = [None]  # where a row has fewer reasons
        for item, words in zip(inputs, self._words, strict=True):
            shared += [missing_text(item), _one_text(item) or words.high, words.low]
        self._shared = pl.Series(shared, dtype=pl.String)

    def frame(self, table: pl.DataFrame, contributions: NDArray[np.float64]) -> pl.DataFrame:
        """Reasons of every row of a table.

        Args:
            table: the inputs' values, n rows.
            contributions: shape (n, len(inputs)).

        Returns:
            Texts reason_1 ... and names characteristic_1 ... (enums), null where a row has fewer reasons.
        """
        places, parts = _top(contributions, self._limit)
        places[parts <= 0.0] = len(self._inputs)
        said, codes = self._texts(table, places)
        by_rank = codes.reshape(places.shape)
        ranks = range(self._limit)
        return pl.select(
            *(pl.lit(said).gather(pl.lit(pl.Series(by_rank[rank]))).alias(f"reason_{rank + 1}") for rank in ranks),
            *(
                pl.lit(self._names).gather(pl.Series(places[rank])).alias(f"characteristic_{rank + 1}")
                for rank in ranks
            ),
        )

    def _texts(self, table: pl.DataFrame, places: NDArray[np.int64]) -> tuple[pl.Series, NDArray[np.int64]]:
        """All texts that are needed, and which of them stands in each of the flattened places.

        First come those that numbers share: none, and for each input those of a missing, a high and a low value. Then
        the numbers that are stated themselves, written together, and the texts of categories, one for each different
        value.
        """
        codes = np.zeros(places.size, dtype=np.int64)
        stated_numbers, categories = _Gathered(), _Gathered()
        for at, (item, where) in enumerate(zip(self._inputs, _where(places, len(self._inputs)), strict=True)):
            if not where.size:
                continue
            rows = where % places.shape[1]
            if item.kind == "category":
                categories.add(item, where, table[item.name].gather(rows))
                continue
            numbers = table[item.name].to_numpy()[rows]
            found = _known(numbers) if _one_text(item) else _sides(self._words[at], self._medians[at], numbers)
            states = found == _STATED
            codes[where] = 1 + 3 * at + found
            if states.any():
                stated_numbers.add(item, where[states], pl.Series(numbers[states]))
        series = [self._shared]
        if stated_numbers.items:
            codes[stated_numbers.flat_places()] = np.arange(stated_numbers.count) + self._shared.len()
            series.append(_stated_texts(stated_numbers))
        if categories.items:
            own, found = _category_column(categories)
            codes[categories.flat_places()] = found + sum(part.len() for part in series)
            series.append(own)
        return pl.concat(series, rechunk=True), codes


def _one_text(item: Input) -> str | None:
    """The text that stands for every known value, where there is such a one."""
    return item.reason if isinstance(item.reason, str) and item.monotone is None else None


class _Gathered:
    """Values of several inputs, one input after the other, with the places where they are given as reasons."""

    def __init__(self) -> None:
        self.items: list[Input] = []
        self._places: list[NDArray[np.int64]] = []
        self._values: list[pl.Series] = []
        self.count = 0

    def add(self, item: Input, places: NDArray[np.int64], values: pl.Series) -> None:
        """Add an input's."""
        self.items.append(item)
        self._places.append(places)
        self._values.append(values)
        self.count += values.len()

    def flat_places(self) -> NDArray[np.int64]:
        """Where each value is given."""
        return np.concatenate(self._places)

    def values(self) -> pl.Series:
        """All values."""
        return pl.concat([part.alias("value") for part in self._values])

    def owners(self) -> NDArray[np.int64]:
        """Which of ``items`` each value is of."""
        return np.repeat(np.arange(len(self.items)), [part.len() for part in self._values])


def _known(numbers: NDArray[np.float64]) -> NDArray[np.int64]:
    known: NDArray[np.int64] = np.logical_not(np.isnan(numbers)).astype(np.int64)
    return known


def _sides(words: Reason, median: float | None, numbers: NDArray[np.float64]) -> NDArray[np.int64]:
    found = np.full(numbers.size, _STATED)
    found[np.isnan(numbers)] = 0
    if median is not None and words.high is not None:
        found[numbers > median] = 1
    if median is not None and words.low is not None:
        found[numbers < median] = 2
    return found


def _stated_texts(gathered: _Gathered) -> pl.Series:
    parts = [around(item) for item in gathered.items]
    owners = pl.Series(gathered.owners())
    before, after = (pl.Series(part, dtype=pl.String).gather(owners) for part in zip(*parts, strict=True))
    return before + stated_column(gathered.values().to_numpy()) + after


def _category_column(gathered: _Gathered) -> tuple[pl.Series, NDArray[np.int64]]:
    """Texts of different values, and the place of each value's text among them."""
    values = pl.DataFrame({"owner": gathered.owners(), "value": gathered.values()})
    different = values.unique().with_row_index("code")
    codes = values.join(different, on=["owner", "value"], how="left", nulls_equal=True, maintain_order="left")["code"]
    texts = [compile_text(item, None) for item in gathered.items]
    written = [texts[owner](value) for owner, value in different.select("owner", "value").iter_rows()]
    return pl.Series(written, dtype=pl.String), codes.cast(pl.Int64).to_numpy()


def _where(places: NDArray[np.int64], count: int) -> list[NDArray[np.int64]]:
    """For each input, where in the flattened places it stands."""
    flat = places.ravel().astype(np.int16 if count < 2**15 else np.int64)
    order = np.argsort(flat, kind="stable")
    limits = np.searchsorted(flat, np.arange(count + 1), sorter=order)
    return [order[low:high] for low, high in itertools.pairwise(limits)]


def _top(contributions: NDArray[np.float64], limit: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Places and sizes of each row's largest contributions, shape (limit, n); the first of equal ones comes first."""
    count, width = contributions.shape
    places, parts = np.zeros((limit, count), dtype=np.int64), np.zeros((limit, count))
    for start in range(0, count, BLOCK):
        rest = np.array(contributions[start : start + BLOCK], order="C")
        block, rows = slice(start, start + rest.shape[0]), np.arange(rest.shape[0])
        for rank in range(min(limit, width)):
            found = rest.argmax(axis=1)
            places[rank, block], parts[rank, block] = found, rest[rows, found]
            rest[rows, found] = -np.inf
    return places, parts
