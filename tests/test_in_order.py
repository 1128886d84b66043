from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from creditrisk.in_order import cores, in_order


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_results_come_in_the_order_of_the_items(workers: int) -> None:
    def work(item: int) -> int:
        time.sleep(0.002 * (item % 3 == 0))
        return item * item

    assert list(in_order(work, range(40), workers)) == [item * item for item in range(40)]


@pytest.mark.parametrize("workers", [1, 3])
def test_items_are_taken_as_they_are_needed(workers: int) -> None:
    taken = 0

    def items() -> Iterator[int]:
        nonlocal taken
        for item in range(100):
            taken = item + 1
            yield item

    results = in_order(str, items(), workers)
    assert next(results) == "0"
    assert taken <= workers + 2
    assert list(results) == [str(item) for item in range(1, 100)]


def test_two_are_worked_on_at_once() -> None:
    meeting = threading.Barrier(2, timeout=30)
    assert list(in_order(lambda _: meeting.wait() >= 0, range(2), 2)) == [True, True]


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_comes_in_the_place_of_its_result(workers: int) -> None:
    results = in_order(lambda item: 1 // item, [1, 0, 1], workers)
    assert next(results) == 1
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_cores_are_at_least_one() -> None:
    assert cores() >= 1
