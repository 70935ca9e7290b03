"""A thread that rests is woken by whatever was brought, whenever that was."""

from __future__ import annotations

import collections
import threading

from pywharf.nap import Nap

SOON = 30.0  # seconds
MANY = 5000


def test_nothing_that_is_brought_is_slept_through() -> None:
    nap, brought, taken = Nap(), collections.deque[int](), list[int]()
    all_taken = threading.Event()

    def work() -> None:
        while len(taken) < MANY:
            while brought:
                taken.append(brought.popleft())
            nap.until_woken(lambda: not brought and len(taken) < MANY)
        all_taken.set()

    threading.Thread(target=work, daemon=True).start()
    for number in range(MANY):
        brought.append(number)
        nap.wake()

    assert all_taken.wait(SOON)
    assert taken == list(range(MANY))


def test_what_came_before_keeps_it_awake() -> None:
    nap = Nap()
    nap.wake()

    nap.until_woken(lambda: False)
