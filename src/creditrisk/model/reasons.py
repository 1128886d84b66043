"""Reasons: the characteristics that raise the risk of an applicant most, in words that are true of the applicant.

A text given for high or low values is used only where the value is above or below the median of the training rows;
where no given text is true, the value itself is stated. The table's way gives exactly the texts of the single row's.
"""

from __future__ import annotations

import itertools
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
    places[parts <= 0.0] = len(inputs)
    texts: list[str | None] = [None]  # where a row has fewer reasons
    codes = np.zeros(places.size, dtype=np.int64)
    for item, where in zip(inputs, _where(places, len(inputs)), strict=True):
        if where.size:
            values = table[item.name].gather(where % places.shape[1])
            own, found = _texts(item, medians.get(item.name), values)
            codes[where] = found + len(texts)
            texts += own
    said = pl.Series(texts, dtype=pl.String)
    names = pl.Series([*(item.name for item in inputs), None], dtype=pl.String)
    by_rank = codes.reshape(places.shape)
    columns = {f"reason_{rank + 1}": said.gather(pl.Series(by_rank[rank])) for rank in range(limit)}
    columns |= {f"characteristic_{rank + 1}": names.gather(pl.Series(places[rank])) for rank in range(limit)}
    return pl.DataFrame(columns)


def _where(places: NDArray[np.int64], count: int) -> list[NDArray[np.int64]]:
    """For each input, where in the flattened places it stands."""
    flat = places.ravel().astype(np.int16 if count < 2**15 else np.int64)
    order = np.argsort(flat, kind="stable")
    limits = np.searchsorted(flat, np.arange(count + 1), sorter=order)
    return [order[low:high] for low, high in itertools.pairwise(limits)]


def _texts(item: Input, median: float | None, values: pl.Series) -> tuple[list[str], NDArray[np.int64]]:
    """The different texts of an input's values, and the number of each value's text among them.

    The text function is asked once for each different value; of numbers on one side of the median, where one text holds
    for all of them, once.
    """
    if item.kind == "number":
        values = _representatives(item, median, values)
    different = values.unique(maintain_order=True).to_frame("value").with_row_index("code")
    codes = values.to_frame("value").join(different, on="value", how="left", nulls_equal=True, maintain_order="left")
    text = compile_text(item, median)
    return [text(value) for value in different["value"].to_list()], codes["code"].cast(pl.Int64).to_numpy()


def _representatives(item: Input, median: float | None, values: pl.Series) -> pl.Series:
    """One number in the place of all that get the same text."""
    words = _words(item)
    value = pl.col("value")
    same = pl.lit(None, dtype=pl.Float64)
    if isinstance(item.reason, str) and item.monotone is None:
        same = pl.when(value.is_not_null()).then(0.0)
    elif median is not None:
        if words.high is not None:
            same = pl.when(value > median).then(math.inf).otherwise(same)
        if words.low is not None:
            same = pl.when(value < median).then(-math.inf).otherwise(same)
    return values.to_frame("value").select(pl.coalesce(same, value).alias("value"))["value"]


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
        return f"{before}{value + 0.0:,.0f}{after}"  # type: ignore[operator]  # no minus before a zero

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
