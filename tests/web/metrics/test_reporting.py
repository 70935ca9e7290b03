from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable

import pytest

from pywharf.web.metrics import reporting
from pywharf.web.metrics.attendance import BoardAttendance
from pywharf.web.metrics.board import Board
from pywharf.web.metrics.counts import MOST, Counts
from pywharf.web.metrics.exposition import summed, text
from pywharf.web.metrics.readings import Reading
from pywharf.web.metrics.reporting import Metrics, Scraper
from pywharf.web.metrics.series import THREADS, UPLOADS, WORKER_DEATHS, WORKER_STARTS, WORKERS

pytestmark = pytest.mark.any_python

CREATED = (UPLOADS, "local", "created")
PATIENCE = 30.0  # seconds


def nothing(_: Reading) -> None:
    """A source that knows nothing."""


def wait_until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_what_one_worker_counts_another_tells_without_being_asked_for_it() -> None:
    board = Board(2)
    one, other = Metrics(board.take()), Metrics(board.take())
    one.begin(nothing)
    one.counts.count(*CREATED)

    try:
        wait_until(lambda: summed(board.everything()).get(CREATED) == 1)
        assert summed(other.scraper.everything())[CREATED] == 1
    finally:
        one.close()


def test_a_question_is_answered_with_what_is_so_now_by_all_who_are_there() -> None:
    board = Board(2)
    one, other = Metrics(board.take()), Metrics(board.take())
    busy = 1

    def read(reading: Reading) -> None:
        reading.gauges[THREADS,] = busy

    for metrics in (one, other):
        metrics.begin(read)
    try:
        assert summed(Scraper(board).everything())[THREADS,] == 2
        busy = 5
        assert summed(Scraper(board).everything())[THREADS,] == 10
        assert summed(one.scraper.everything())[THREADS,] == 10
    finally:
        one.close()
        other.close()


def test_what_was_counted_last_is_shown_at_the_end() -> None:
    board = Board(1)
    metrics = Metrics(board.take())
    metrics.begin(nothing)
    metrics.counts.count(*CREATED)

    metrics.close()

    assert summed(board.everything())[CREATED] == 1


def test_one_who_does_not_answer_is_waited_for_a_moment_and_told_of_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reporting, "PATIENCE", 0.05)
    board = Board(2)
    hangs, answers = Metrics(board.take()), Metrics(board.take())
    hangs.counts.count(*CREATED)
    hangs.show()
    answers.counts.count(*CREATED)

    assert summed(answers.scraper.everything())[CREATED] == 2


def test_of_many_who_ask_at_the_same_time_one_finds_it_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reporting, "FRESH", 3600.0)
    reads = []
    metrics = Metrics()
    metrics.watch(lambda reading: reads.append(reading))
    threads = [threading.Thread(target=metrics.scraper.everything) for _ in range(16)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(reads) == 1


def test_a_source_that_fails_takes_no_other_with_it() -> None:
    def fails(_: Reading) -> None:
        raise OSError("the disk is gone")

    def read(reading: Reading) -> None:
        reading.gauges[THREADS,] = 1

    metrics = Metrics()
    metrics.watch(fails)
    metrics.watch(read)

    assert summed(metrics.scraper.everything())[THREADS,] == 1


def test_no_count_gets_lost_between_threads() -> None:
    counts = Counts()
    threads = [threading.Thread(target=lambda: [counts.count(*CREATED) for _ in range(2000)]) for _ in range(8)]
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)

    assert counts.values()[CREATED] == 16_000


def test_the_number_of_values_is_bounded_whatever_is_counted() -> None:
    counts = Counts()
    for number in range(MOST + 1000):
        counts.count(UPLOADS, "local", str(number))
    counts.count(UPLOADS, "local", "0")

    assert len(counts.values()) == MOST
    assert counts.values()[UPLOADS, "local", "0"] == 2


def test_workers_are_counted_as_they_come_and_go() -> None:
    board = Board(2)
    attendance = BoardAttendance(board)
    seats = [attendance.begins() for _ in range(3)]
    attendance.ended(seats[0], 0)
    attendance.ended(seats[1], -9)
    attendance.ended(attendance.begins(), -15)  # told to stop before it had begun

    told = summed(board.everything())

    assert (told[WORKERS,], told[WORKER_STARTS,], told[WORKER_DEATHS,]) == (1, 4, 1)


def test_names_of_repositories_are_written_so_that_they_are_read_back() -> None:
    metrics = Metrics()
    metrics.counts.count(UPLOADS, 'a"b\\c\nd', "created")

    assert b'pywharf_uploads_total{outcome="created",repository="a\\"b\\\\c\\nd"} 1.0\n' in text(metrics.scraper.everything())


def test_a_server_starts_without_what_only_an_answer_needs() -> None:
    program = "import sys, pywharf.cli.start; sys.exit('prometheus_client' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
