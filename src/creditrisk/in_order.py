"""Work on several pieces at once and hand the results back in the order of the pieces."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_order(work: Callable[[Item], Result], items: Iterable[Item], workers: int) -> Iterator[Result]:
    """Like ``map``, by threads: for work that spends its time where Python's lock is released, as in Polars and NumPy.

    Args:
        work: what is done with an item.
        items: taken one by one, in the caller's thread, as results are asked for: at most ``workers + 1`` are held.
        workers: threads; with one, there is none but the caller's.

    Raises:
        Exception: what ``work`` raised, in the place of its result.
    """
    if workers < 2:
        yield from map(work, items)
        return
    coming = iter(items)
    pool = ThreadPoolExecutor(workers, thread_name_prefix="in-order")
    try:
        ahead: deque[Future[Result]] = deque(pool.submit(work, item) for item in islice(coming, workers + 1))
        while ahead:
            result = ahead.popleft().result()
            ahead.extend(pool.submit(work, item) for item in islice(coming, 1))
            yield result
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
