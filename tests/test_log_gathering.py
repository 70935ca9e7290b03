"""Lines of the access log are written a moment later, together; every other event at once and in its place."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence

import pytest

from pywharf import log_gathering
from pywharf.log_gathering import GATHERED, Gathering

SOON = 30.0  # seconds


class Lines:
    """A sink that keeps what it is given."""

    def __init__(self, level: int = logging.NOTSET) -> None:
        self.level = level
        self.writes: list[list[str]] = []
        self.closed = False

    def write(self, lines: Sequence[str]) -> None:
        self.writes.append(list(lines))

    def close(self) -> None:
        self.closed = True

    @property
    def lines(self) -> list[str]:
        return [line for lines in self.writes for line in lines]


@pytest.fixture
def sink() -> Lines:
    return Lines()


@pytest.fixture
def gathering(sink: Lines) -> Iterator[Gathering]:
    gathering = Gathering([sink])
    yield gathering
    gathering.close()


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Nothing gathered is written by the thread until this is set."""
    moment = threading.Event()
    monkeypatch.setattr(log_gathering.time, "sleep", lambda seconds: moment.wait(SOON))
    yield moment
    moment.set()


def request(number: int, level: int = logging.INFO) -> logging.LogRecord:
    return logging.LogRecord(GATHERED, level, "app.py", 0, "GET /%d", (number,), None)


def event(text: str) -> logging.LogRecord:
    return logging.LogRecord("pywharf.sync", logging.INFO, "sync.py", 0, text, (), None)


def wait_for(happened: Callable[[], bool]) -> None:
    end = time.monotonic() + SOON
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.005)


def test_requests_are_written_together_and_in_order(gathering: Gathering, sink: Lines, held: threading.Event) -> None:
    for number in range(100):
        gathering.handle(request(number))
    assert sink.writes == []
    held.set()
    wait_for(lambda: bool(sink.writes))

    assert sink.writes == [[f"GET /{number}\n" for number in range(100)]]


def test_what_comes_after_a_rest_is_written_too(gathering: Gathering, sink: Lines) -> None:
    for number in range(3):
        gathering.handle(request(number))
        wait_for(lambda: len(sink.lines) == number + 1)  # noqa: B023
        wait_for(lambda: gathering._sleeps)

    assert sink.lines == ["GET /0\n", "GET /1\n", "GET /2\n"]


def test_any_other_event_is_written_at_once_behind_the_requests_before_it(gathering: Gathering, sink: Lines, held: threading.Event) -> None:
    gathering.handle(request(1))
    gathering.handle(event("synced"))

    assert sink.lines == ["GET /1\n", "synced\n"]


def test_a_request_that_somebody_wants_to_know_of_is_no_matter_of_a_moment(gathering: Gathering, sink: Lines, held: threading.Event) -> None:
    gathering.handle(request(1, logging.ERROR))

    assert sink.lines == ["GET /1\n"]


def test_no_more_are_gathered_than_there_is_room_for(
    gathering: Gathering, sink: Lines, held: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_gathering, "MOST", 10)
    for number in range(25):
        gathering.handle(request(number))

    assert len(sink.lines) == 22
    assert sink.lines == [f"GET /{number}\n" for number in range(22)]


def test_the_end_writes_what_is_gathered_and_closes_the_sinks(gathering: Gathering, sink: Lines, held: threading.Event) -> None:
    gathering.handle(request(1))
    gathering.close()

    assert sink.lines == ["GET /1\n"]
    assert sink.closed


def test_each_sink_is_told_what_is_meant_for_it(held: threading.Event) -> None:
    all_, grave = Lines(), Lines(logging.ERROR)
    gathering = Gathering([all_, grave])
    gathering.handle(request(1))
    gathering.handle(event("synced"))
    gathering.handle(logging.LogRecord("pywharf", logging.ERROR, "", 0, "failed", (), None))
    gathering.close()

    assert all_.lines == ["GET /1\n", "synced\n", "failed\n"]
    assert grave.lines == ["failed\n"]


def test_a_child_writes_nothing_that_its_parent_gathered(gathering: Gathering, sink: Lines, held: threading.Event) -> None:
    """And gathers and writes its own."""
    gathering.handle(request(1))
    receiving, sending = os.pipe()
    if not os.fork():
        gathering.handle(request(2))
        held.set()
        gathering.flush()
        os.write(sending, "".join(sink.lines).encode())
        os._exit(0)
    os.close(sending)
    with open(receiving, encoding="utf-8") as told:
        assert told.read() == "GET /2\n"
    os.wait()
    gathering.flush()

    assert sink.lines == ["GET /1\n"]
