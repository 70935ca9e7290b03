"""Connections that wait, each in one place and until its own time."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pywharf.web.server.waiting import Waiting

pytestmark = pytest.mark.any_python


class Held:
    """Stands for a connection: a socket, and the other end of it."""

    def __init__(self) -> None:
        self.socket, self.client = socket.socketpair()
        self.deadline = 0.0
        self.is_closed = False

    def close(self) -> None:
        self.is_closed = True
        self.socket.close()
        self.client.close()


@pytest.fixture
def held() -> Iterator[Callable[[], Any]]:
    made: list[Held] = []

    def make() -> Held:
        made.append(Held())
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def waiting() -> Iterator[Waiting]:
    waiting = Waiting()
    yield waiting
    waiting.close()


def came_forward(waiting: Waiting) -> list[object]:
    return [key.data for key, _ in waiting.selector.select(0)]


def test_each_is_told_of_when_what_it_waits_for_is_there(waiting: Waiting, held: Callable[[], Any]) -> None:
    new, kept, slow = held(), held(), held()
    waiting.for_head(new, 1)
    waiting.for_next(kept, 1)
    assert came_forward(waiting) == []

    waiting.for_room(slow)
    new.client.send(b"x")
    kept.client.close()

    assert set(came_forward(waiting)) == {new, kept, slow}
    assert [waiting.wants_room(one) for one in (new, kept, slow)] == [False, False, True]
    assert (len(waiting), waiting.silent, waiting.idle) == (3, 2, 1)


def test_what_is_taken_is_told_of_no_more_and_may_come_back(waiting: Waiting, held: Callable[[], Any]) -> None:
    one = held()
    waiting.for_head(one, 1)
    one.client.send(b"x")
    waiting.take(one)
    waiting.take(one)
    assert (came_forward(waiting), len(waiting)) == ([], 0)

    waiting.for_next(one, 1)
    assert came_forward(waiting) == [one]


def test_the_time_of_a_head_begins_with_its_first_bytes_and_not_again(waiting: Waiting, held: Callable[[], Any]) -> None:
    one = held()
    waiting.for_next(one, 100)
    waiting.has_begun(one, 10)
    waiting.has_begun(one, 20)

    assert (waiting.late(9), waiting.late(10), waiting.idle) == ([], [one], 0)


def test_what_is_set_aside_is_nobodys_and_still_in_the_selector(waiting: Waiting, held: Callable[[], Any]) -> None:
    """So it is sent away by nobody, and costs no system call where it comes back."""
    one = held()
    waiting.for_head(one, 10)
    waiting.set_aside(one)
    assert (len(waiting), waiting.late(1000), waiting.least_needed(1000)) == (0, [], None)

    waiting.put_back(one, 20)
    one.client.send(b"x")
    assert (waiting.idle, waiting.late(20), came_forward(waiting)) == (1, [one], [one])


def test_who_reads_slowly_is_late_by_its_own_deadline(waiting: Waiting, held: Callable[[], Any]) -> None:
    one = held()
    one.deadline = 30.0
    waiting.for_room(one)

    assert (waiting.late(29), waiting.late(30)) == ([], [one])


def test_the_longest_idle_one_is_needed_least_then_one_that_had_time_for_its_head(waiting: Waiting, held: Callable[[], Any]) -> None:
    new, first, second, slow = held(), held(), held(), held()
    waiting.for_room(slow)
    assert waiting.least_needed(1000) is None

    waiting.for_head(new, 10)
    waiting.for_next(first, 30)
    waiting.for_next(second, 31)
    assert waiting.least_needed(9) is first
    waiting.take(first)
    assert waiting.least_needed(9) is second
    waiting.take(second)
    assert waiting.least_needed(9) is None
    assert waiting.least_needed(10) is new


def test_who_comes_when_all_is_over_or_is_gone_already_is_closed(waiting: Waiting, held: Callable[[], Any]) -> None:
    gone, left, late = held(), held(), held()
    gone.socket.close()
    waiting.for_head(gone, 1)
    assert (gone.is_closed, len(waiting)) == (True, 0)

    waiting.for_next(left, 1)
    assert waiting.close() == [left]
    waiting.for_room(late)
    assert (late.is_closed, len(waiting)) == (True, 0)
