"""Work on a long sequence with several threads, a bounded part of it at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


def bounded_map(pool: ThreadPoolExecutor, function: Callable[[Item], Outcome], items: Iterable[Item], *, ahead: int) -> Iterator[Outcome]:
    """The outcome of `function` for each item, in order, with at most `ahead` items begun and not yet handed out.

    `items` is advanced in the caller's thread. What `function` raises is raised when its turn comes; then, or when the caller stops
    early, what was not begun is not done.
    """
    waiting: deque[Future[Outcome]] = deque()
    try:
        for item in items:
            if len(waiting) >= ahead:
                yield waiting.popleft().result()
            waiting.append(pool.submit(function, item))
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()
