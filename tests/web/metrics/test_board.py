from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from pywharf.counting import SYNCS
from pywharf.web.metrics import series
from pywharf.web.metrics.board import HALF, Board, Shown
from pywharf.web.metrics.counts import Key, Values
from pywharf.web.metrics.exposition import summed
from pywharf.web.metrics.series import CPU, DURATIONS, REQUESTS, THREADS

pytestmark = pytest.mark.any_python

GET_LIST = (REQUESTS, "/simple", "GET", "200")
SYNCED = (SYNCS, "local", "done")


def in_a_child(work: Callable[[], None]) -> int:
    """Do it in a process of its own; the number that it ends with."""
    pid = os.fork()
    if not pid:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_what_one_process_shows_another_reads() -> None:
    board = Board(2)
    first, second = board.take(), board.take()

    assert in_a_child(lambda: first.show(Shown({GET_LIST: 2, (DURATIONS, "/simple", "GET"): [1.0, 0.5]}, {(THREADS,): 8})) or None) == 0
    assert in_a_child(lambda: second.show(Shown({GET_LIST: 3}, {(THREADS,): 4})) or None) == 0

    assert {number: shown.counts[GET_LIST] for number, shown in board.everything().workers.items()} == {1: 2, 2: 3}
    assert summed(board.everything())[GET_LIST] == 5
    assert summed(board.everything())[THREADS,] == 12
    assert summed(board.everything())[DURATIONS, "/simple", "GET"] == [1.0, 0.5]


def test_what_a_worker_counted_outlives_it_and_what_it_was_does_not() -> None:
    board = Board(1)
    for _ in range(3):
        seat = board.take()
        seat.show(Shown({GET_LIST: 2, (CPU,): 1.5}, {(THREADS,): 8}))
        assert summed(board.everything())[CPU, "1"] == 1.5
        board.free(seat)

    assert summed(board.everything()) == {GET_LIST: 6}


def test_the_number_of_a_seat_is_used_again_and_one_too_many_gets_none() -> None:
    board = Board(2)
    first, second, third = board.take(), board.take(), board.take()

    assert (first.number, second.number, third.number) == (1, 2, 0)
    assert third.show(Shown({GET_LIST: 1}))
    board.free(third)
    board.free(first)
    assert board.take().number == 1
    assert board.everything().workers == {}


def test_what_the_parent_tells_stays_beside_the_counts_of_those_that_ended() -> None:
    board = Board(1)
    seat = board.take()
    seat.show(Shown({GET_LIST: 2}))
    board.tell({(series.WORKER_STARTS,): 1}, {(series.WORKERS,): 1})
    board.free(seat)
    board.tell({(series.WORKER_STARTS,): 2}, {(series.WORKERS,): 0})

    assert summed(board.everything()) == {GET_LIST: 2, (series.WORKER_STARTS,): 2, (series.WORKERS,): 0}


class Dying:
    """Shared memory whose writer is killed in the midst of what it writes."""

    def __init__(self, memory: Any) -> None:
        self._memory = memory

    def __getitem__(self, at: Any) -> Any:
        return self._memory[at]

    def __setitem__(self, at: slice, data: bytes) -> None:
        if len(data) < 20:
            self._memory[at] = data
            return
        self._memory[at.start : at.start + len(data) // 2] = data[: len(data) // 2]
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_process_that_is_killed_while_it_writes_leaves_what_it_showed_last() -> None:
    board = Board(1)
    seat = board.take()
    for showings in range(1, 4):
        assert seat.show(Shown({GET_LIST: showings}))

        def write() -> None:
            board._memory = Dying(board._memory)  # type: ignore[assignment]
            seat.show(Shown({GET_LIST: 100}))

        assert in_a_child(write) == -signal.SIGKILL
        assert summed(board.everything()) == {GET_LIST: showings}
    board.free(seat)

    assert summed(board.everything()) == {GET_LIST: 3}


def test_damage_is_noticed_and_shows_nothing() -> None:
    board = Board(1)
    seat = board.take()
    seat.show(Shown({GET_LIST: 2}))

    board._memory[board._half(1, 1) + 12] = 0

    assert summed(board.everything()) == {}


def test_what_has_no_room_is_told_and_what_was_shown_before_stays() -> None:
    board = Board(1)
    seat = board.take()
    seat.show(Shown({GET_LIST: 2}))

    assert not seat.show(Shown({(REQUESTS, "/" + "x" * HALF, "GET", "200"): 1}))
    assert summed(board.everything()) == {GET_LIST: 2}


def test_a_question_is_answered_when_all_who_ever_showed_something_have_answered() -> None:
    board = Board(3)
    first, second = board.take(), board.take()
    board.take()  # has not come so far
    first.show(Shown(), board.ask())
    second.show(Shown(), first.asked)
    asked = board.ask()

    assert not board.is_answered(asked)
    first.show(Shown(), asked)
    assert not board.is_answered(asked)
    second.show(Shown(), asked)
    assert board.is_answered(asked)
    board.ask()
    assert board.is_answered(asked)


class Watched(Board):
    """Somebody reads at the very moment when the counts of a worker that ended are in two places."""

    readers: list[threading.Thread]
    seen: list[Values]

    def tell(self, counts: Values, gauges: Mapping[Key, float]) -> None:
        super().tell(counts, gauges)
        reader = threading.Thread(target=lambda: self.seen.append(summed(self.everything())))
        reader.start()
        reader.join(0.5)
        self.readers.append(reader)


def test_no_reader_sees_the_counts_of_a_worker_that_ends_twice_or_not_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pywharf.web.metrics.board.PATIENCE", 30.0)
    board = Watched(1)
    board.readers, board.seen = [], []
    seat = board.take()
    seat.show(Shown({GET_LIST: 7}))

    board.free(seat)
    for reader in board.readers:
        reader.join()

    assert board.seen == [{GET_LIST: 7}]


def test_a_reader_does_not_wait_for_ever_for_a_parent_that_died_while_it_added_up() -> None:
    board = Board(1)
    board.take().show(Shown({GET_LIST: 7}))
    board._words[0] = 1

    assert summed(board.everything()) == {GET_LIST: 7}


@pytest.mark.parametrize("combine", ["sum", "min", "max", "age"])
def test_gauges_of_several_workers_become_one(combine: str) -> None:
    name = next(
        name for name, one in series.SERIES.items() if one.kind == "gauge" and one.combine == combine and "worker" not in one.labels
    )
    labels = ("local",) if series.SERIES[name].labels == ("repository",) else tuple("x" for _ in series.SERIES[name].labels)
    board = Board(2)
    now = time.time()
    for value in (now - 1000, now - 5000):
        board.take().show(Shown({}, {(name, *labels): value}))

    told = summed(board.everything())[(name, *labels)]

    assert isinstance(told, float)
    assert told == pytest.approx({"sum": 2 * now - 6000, "min": now - 5000, "max": now - 1000, "age": 1000}[combine], abs=60)
