"""Reasons: the characteristics that raise the risk of an applicant most, in words that are true of the applicant.

A text given for high or low values is used only where the value is above or below the median of the training rows;
where no given text is true, the value itself is stated. The table's way gives exactly the texts of the single row's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from creditrisk.contract import Input, Reason
from creditrisk.model.family import Value

LIMIT = 4


class ReasonGiven(NamedTuple):
    """One reason: the input's name, the text, and the log-odds it adds to the average applicant's."""

    characteristic: str
    text: str
    contribution: float


Medians = Mapping[str, float | None]
Reasons = Callable[[Sequence[Value], Sequence[float]], list[ReasonGiven]]


def compile_reasons(inputs: Sequence[Input], medians: Medians, limit: int = LIMIT) -> Reasons:
    """Prepare the reasons of one row.

    Args:
        inputs: in the model's order.
        medians: of the training rows by input; numbers alone need one.
        limit: the most reasons given.

    Returns:
        A function of a row's values and contributions. Its reasons come by falling contribution, equal ones in the
        inputs' order; only contributions above 0 count.
    """
    names = [item.name for item in inputs]
    texts = [compile_text(item, medians.get(item.name)) for item in inputs]
    largest = _largest_four if limit == 4 else partial(_largest, limit)
    new = tuple.__new__  # a third of the time of the class's own call

    def reasons(values: Sequence[Value], contributions: Sequence[float]) -> list[ReasonGiven]:
        given: list[ReasonGiven] = []
        before, at = math.inf, -1
        # Finding bare numbers and then their places is quicker than sorting places by their numbers.
        for part in largest(contributions):
            if part <= 0.0:
                break
            at = contributions.index(part, at + 1 if part == before else 0)
            given.append(new(ReasonGiven, (names[at], texts[at](values[at]), part)))
            before = part
        return given

    return reasons


def _largest(limit: int, numbers: Sequence[float]) -> Sequence[float]:
    return sorted(numbers, reverse=True)[:limit]


def _largest_four(numbers: Sequence[float]) -> Sequence[float]:
    """The four largest numbers above 0, falling, with zeros where there are fewer: one pass, in half a sort's time."""
    first = second = third = fourth = 0.0
    for number in numbers:
        if number > fourth:
            if number > second:
                if number > first:
                    first, second, third, fourth = number, first, second, third
                else:
                    second, third, fourth = number, second, third
            elif number > third:
                third, fourth = number, third
            else:
                fourth = number
    return first, second, third, fourth


def reasons_frame(
    inputs: Sequence[Input],
    medians: Medians,
    table: pl.DataFrame,
    contributions: NDArray[np.float64],
    limit: int = LIMIT,
) -> pl.DataFrame:
    """Reasons of every row of a table.

    Args:
        inputs: see ``compile_reasons``; medians and limit likewise.
        table: the inputs' values, n rows.
        contributions: shape (n, len(inputs)).

    Returns:
        Texts reason_1 ... and names characteristic_1 ..., null where a row has fewer reasons.
    """
    places, parts = _top(contributions, limit)
    given = parts > 0.0
    texts = np.full(places.shape, None, dtype=object)
    for at, item in enumerate(inputs):
        ranks, row = np.nonzero((places == at) & given)
        if row.size:
            text = compile_text(item, medians.get(item.name))
            texts[ranks, row] = list(map(text, table[item.name].gather(row).to_list()))
    names = pl.Series([item.name for item in inputs], dtype=pl.String)
    none = pl.Series([None], dtype=pl.Int64)
    columns = {f"reason_{rank + 1}": pl.Series(texts[rank].tolist(), dtype=pl.String) for rank in range(limit)}
    for rank in range(limit):
        picked = pl.Series(places[rank]).zip_with(pl.Series(given[rank]), none)
        columns[f"characteristic_{rank + 1}"] = names.gather(picked)
    return pl.DataFrame(columns)


def _top(contributions: NDArray[np.float64], limit: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Places and sizes of each row's largest contributions, shape (limit, n); the first of equal ones comes first."""
    rest = np.array(contributions, order="C")
    rows = np.arange(rest.shape[0])
    places = np.zeros((limit, rest.shape[0]), dtype=np.int64)
    parts = np.zeros((limit, rest.shape[0]))
    for rank in range(min(limit, rest.shape[1])):
        places[rank] = rest.argmax(axis=1)
        parts[rank] = rest[rows, places[rank]]
        rest[rows, places[rank]] = -np.inf
    return places, parts


def compile_text(item: Input, median: float | None) -> Callable[[Value], str]:
    """The text of one input for a value of its own, once it is known to raise the risk."""
    words = _words(item)
    neutral = f"{item.title}: "
    missing = words.missing or f"{item.title} is not known"
    if isinstance(item.reason, str) and item.monotone is None:
        return partial(_always, item.reason, missing)
    if item.kind == "category":
        return _Categories(_category_texts(item, words), neutral, missing).__getitem__
    stated = _stated(neutral, f" {item.unit}" if item.unit else "", missing)
    if median is None or (words.high is None and words.low is None):
        return stated
    return partial(_by_median, median, words.high, words.low, stated)


def _words(item: Input) -> Reason:
    """A plain text counts for high values where risk rises with the input, for low ones where it falls."""
    reason = item.reason
    if isinstance(reason, Reason):
        return reason
    return Reason(high=reason) if item.monotone == "increasing" else Reason(low=reason)


def _by_median(median: float, high: str | None, low: str | None, stated: Callable[[Value], str], value: Value) -> str:
    if value is not None:
        if high is not None and value > median:  # type: ignore[operator]
            return high
        if low is not None and value < median:  # type: ignore[operator]
            return low
    return stated(value)


def _stated(before: str, after: str, missing: str) -> Callable[[Value], str]:
    """State a number as people write it: no decimals where it is whole, else four significant digits."""

    def text(value: Value) -> str:
        if value is None:
            return missing
        if -1000.0 < value < 1000.0 and not value.is_integer():  # type: ignore[operator,union-attr]
            return f"{before}{value:.4g}{after}"
        return f"{before}{value:,.0f}{after}"

    return text


def _always(text: str, missing: str, value: Value) -> str:
    return missing if value is None else text


class _Categories(dict[Value, str]):
    """Text by value; one without a text of its own is stated."""

    def __init__(self, texts: dict[str, str], neutral: str, missing: str) -> None:
        super().__init__()
        self.update(texts)
        self[None] = missing
        self.neutral = neutral

    def __missing__(self, key: Value) -> str:
        return f"{self.neutral}{key}"


def _category_texts(item: Input, words: Reason) -> dict[str, str]:
    """Texts of the closed list; in an ordered one, high and low are the halves on either side of the middle."""
    titles = item.value_titles or item.values
    texts = {value: f"{item.title}: {title}" for value, title in zip(item.values, titles, strict=True)}
    middle = (len(item.values) - 1) / 2
    for place, value in enumerate(item.values if item.ordered else ()):
        side = words.high if place > middle else words.low if place < middle else None
        texts[value] = side or texts[value]
    return texts | words.values
