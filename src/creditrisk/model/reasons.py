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
from creditrisk.model.stated import stated, stated_column

LIMIT = 4
BLOCK = 2048
"""Rows whose contributions stay in the processor's nearer memory while they are looked through several times."""


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
    said, codes = _texts(inputs, medians, table, places)
    names = pl.Series([*(item.name for item in inputs), None], dtype=pl.String)
    by_rank = codes.reshape(places.shape)
    columns = {f"reason_{rank + 1}": said.gather(pl.Series(by_rank[rank])) for rank in range(limit)}
    columns |= {f"characteristic_{rank + 1}": names.gather(pl.Series(places[rank])) for rank in range(limit)}
    return pl.DataFrame(columns)


def _texts(
    inputs: Sequence[Input], medians: Medians, table: pl.DataFrame, places: NDArray[np.int64]
) -> tuple[pl.Series, NDArray[np.int64]]:
    """All texts that are needed, and which of them stands in each of the flattened places.

    First come those that numbers share: none, and for each input those of a missing, a high and a low value. Then the
    numbers that are stated themselves, written together, and the texts of categories, one for each different value.
    """
    shared: list[str | None] = [None]  # where a row has fewer reasons
    codes = np.zeros(places.size, dtype=np.int64)
    stated_numbers, categories = _Gathered(), _Gathered()
    for item, where in zip(inputs, _where(places, len(inputs)), strict=True):
        words, rows = _words(item), where % places.shape[1]
        first = len(shared)
        shared += [_missing(item), words.high, words.low]
        if not where.size:
            continue
        if item.kind == "category":
            categories.add(item, where, table[item.name].gather(rows))
            continue
        numbers = table[item.name].to_numpy()[rows]
        if isinstance(item.reason, str) and item.monotone is None:
            shared[first + 1] = item.reason
            found = np.isnan(numbers) ^ True
        else:
            found = _sides(words, medians.get(item.name), numbers)
        states = found == _STATED
        codes[where] = first + found
        if states.any():
            stated_numbers.add(item, where[states], pl.Series(numbers[states]))
    series = [pl.Series(shared, dtype=pl.String)]
    if stated_numbers.items:
        codes[stated_numbers.flat_places()] = np.arange(stated_numbers.count) + len(shared)
        series.append(_stated_texts(stated_numbers))
    if categories.items:
        own, found = _category_column(categories)
        codes[categories.flat_places()] = found + sum(part.len() for part in series)
        series.append(own)
    return pl.concat(series, rechunk=True), codes


_STATED = 3
"""What is found of a number: missing, above or below the median with a text for it, or this."""


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


def _sides(words: Reason, median: float | None, numbers: NDArray[np.float64]) -> NDArray[np.int64]:
    found = np.full(numbers.size, _STATED)
    found[np.isnan(numbers)] = 0
    if median is not None and words.high is not None:
        found[numbers > median] = 1
    if median is not None and words.low is not None:
        found[numbers < median] = 2
    return found


def _stated_texts(gathered: _Gathered) -> pl.Series:
    around = [_around(item) for item in gathered.items]
    owners = pl.Series(gathered.owners())
    before, after = (pl.Series(part, dtype=pl.String).gather(owners) for part in zip(*around, strict=True))
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


def _missing(item: Input) -> str:
    return _words(item).missing or f"{item.title} is not known"


def _around(item: Input) -> tuple[str, str]:
    """What stands before and after a number that is stated."""
    return f"{item.title}: ", f" {item.unit}" if item.unit else ""


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


def compile_text(item: Input, median: float | None) -> Callable[[Value], str]:
    """The text of one input for a value of its own, once it is known to raise the risk."""
    words = _words(item)
    neutral, unit = _around(item)
    missing = _missing(item)
    if isinstance(item.reason, str) and item.monotone is None:
        return partial(_always, item.reason, missing)
    if item.kind == "category":
        return _Categories(_category_texts(item, words), neutral, missing).__getitem__
    say = _stated(neutral, unit, missing)
    if median is None or (words.high is None and words.low is None):
        return say
    return partial(_by_median, median, words.high, words.low, say)


def _words(item: Input) -> Reason:
    """A plain text counts for high values where risk rises with the input, for low ones where it falls."""
    reason = item.reason
    if isinstance(reason, Reason):
        return reason
    return Reason(high=reason) if item.monotone == "increasing" else Reason(low=reason)


def _by_median(median: float, high: str | None, low: str | None, say: Callable[[Value], str], value: Value) -> str:
    if value is not None:
        if high is not None and value > median:  # type: ignore[operator]
            return high
        if low is not None and value < median:  # type: ignore[operator]
            return low
    return say(value)


def _stated(before: str, after: str, missing: str) -> Callable[[Value], str]:
    def text(value: Value) -> str:
        return missing if value is None else f"{before}{stated(value)}{after}"  # type: ignore[arg-type]

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
