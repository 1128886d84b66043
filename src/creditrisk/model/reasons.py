"""Reasons: the characteristics that raise the risk of an applicant most, in words that are true of the applicant.

A text given for high or low values is used only where the value is above or below the median of the training rows;
where no given text is true, the value itself is stated.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from creditrisk.contract import Input, Reason
from creditrisk.model.family import Value
from creditrisk.model.stated import stated

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


def missing_text(item: Input) -> str:
    """What is said where the value is missing."""
    return words_of(item).missing or f"{item.title} is not known"


def around(item: Input) -> tuple[str, str]:
    """What stands before and after a number that is stated."""
    return f"{item.title}: ", f" {item.unit}" if item.unit else ""


def compile_text(item: Input, median: float | None) -> Callable[[Value], str]:
    """The text of one input for a value of its own, once it is known to raise the risk."""
    words = words_of(item)
    neutral, unit = around(item)
    missing = missing_text(item)
    if isinstance(item.reason, str) and item.monotone is None:
        return partial(_always, item.reason, missing)
    if item.kind == "category":
        return _Categories(_category_texts(item, words), neutral, missing).__getitem__
    say = _stated(neutral, unit, missing)
    if median is None or (words.high is None and words.low is None):
        return say
    return partial(_by_median, median, words.high, words.low, say)


def words_of(item: Input) -> Reason:
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
