"""Lines of the access log are written a moment later, together; every other event at once and in its place."""

from __future__ import annotations

import http.client
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

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
        wait_for(lambda: gathering._nap._sleeps)

    assert sink.lines == ["GET /0\n", "GET /1\n", "GET /2\n"]


def test_any_other_event_is_written_at_once_behind_the_requests_before_it(gathering: Gathering, sink: Lines, held: threading.Event) -> None:
    gathering.handle(request(1))
    gathering.handle(event("synced"))

    assert sink.lines == ["GET /1\n", "synced\n"]


def test_a_request_that_somebody_wants_to_know_of_is_no_matter_of_a_moment(
    gathering: Gathering, sink: Lines, held: threading.Event
) -> None:
    gathering.handle(request(1, logging.ERROR))

    assert sink.lines == ["GET /1\n"]


class Stuck(Lines):
    """Takes its time for what it is given first."""

    def __init__(self) -> None:
        super().__init__()
        self.has_begun, self.may_end = threading.Event(), threading.Event()

    def write(self, lines: Sequence[str]) -> None:
        self.has_begun.set()
        assert self.may_end.wait(SOON)
        super().write(lines)


def test_no_request_waits_while_the_lines_of_others_are_written() -> None:
    sink = Stuck()
    gathering = Gathering([sink])
    gathering.handle(request(1))
    assert sink.has_begun.wait(SOON)
    asking = threading.Thread(target=gathering.handle, args=(request(2),), daemon=True)
    asking.start()
    asking.join(SOON)

    assert not asking.is_alive()
    sink.may_end.set()
    gathering.close()
    assert sink.lines == ["GET /1\n", "GET /2\n"]


def test_an_event_has_its_place_also_while_lines_are_written() -> None:
    sink = Stuck()
    gathering = Gathering([sink])
    gathering.handle(request(1))
    assert sink.has_begun.wait(SOON)
    gathering.handle(request(2))
    telling = threading.Thread(target=gathering.handle, args=(event("synced"),), daemon=True)
    telling.start()
    sink.may_end.set()
    telling.join(SOON)

    assert sink.lines == ["GET /1\n", "GET /2\n", "synced\n"]
    gathering.close()


class Telling:
    """Tells of something itself when it is written down, at a moment when another thread tells of something too."""

    def __init__(self, gathering: Gathering) -> None:
        self._gathering = gathering
        self.telling = threading.Thread(target=gathering.handle, args=(event("theirs"),), daemon=True)

    def __str__(self) -> str:
        self.telling.start()
        time.sleep(0.2)  # so that it waits by now for whoever writes
        self._gathering.handle(event("mine"))
        return "told"


def test_threads_that_tell_of_something_while_lines_are_made_do_not_wait_for_each_other(gathering: Gathering, sink: Lines) -> None:
    telling = Telling(gathering)
    gathering.handle(logging.LogRecord(GATHERED, logging.INFO, "app.py", 0, "GET /%s", (telling,), None))
    wait_for(lambda: len(sink.lines) == 3)
    telling.telling.join(SOON)

    assert sorted(sink.lines) == ["GET /told\n", "mine\n", "theirs\n"]


def test_an_event_is_not_slowed_by_what_others_gathered(
    gathering: Gathering, sink: Lines, held: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread that writes them otherwise makes room for requests; who tells of an event does not, also not for two sinks."""
    monkeypatch.setattr(log_gathering, "PORTION", 1)
    for number in range(3):
        gathering.handle(request(number))
    gathering.handle(event("synced"))  # would wait for `held`

    assert sink.lines == ["GET /0\n", "GET /1\n", "GET /2\n", "synced\n"]


def test_many_lines_are_all_written_and_in_order(gathering: Gathering, sink: Lines) -> None:
    """However many are made in a row."""
    for number in range(3 * log_gathering.PORTION + 1):
        gathering.handle(request(number))
    gathering.flush()

    assert sink.lines == [f"GET /{number}\n" for number in range(3 * log_gathering.PORTION + 1)]


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


class Unspeakable:
    """Cannot be written down."""

    def __str__(self) -> str:
        raise MemoryError("secret")


def test_an_event_that_cannot_be_written_down_costs_nothing_but_its_facts(gathering: Gathering, sink: Lines) -> None:
    """Neither those gathered with it nor those after it, nor whoever told it."""
    for number in range(3):
        gathering.handle(request(number))
        gathering.handle(logging.LogRecord(GATHERED, logging.INFO, "app.py", 0, "GET /%s", (Unspeakable(),), None))
        wait_for(lambda: len(sink.lines) == 2 * number + 2)  # noqa: B023
    gathering.handle(logging.LogRecord("pywharf.sync", logging.ERROR, "sync.py", 0, "%s", (Unspeakable(),), None))

    lost = "INFO pywharf.access: this event could not be written down: MemoryError\n"
    assert sink.lines[:6] == ["GET /0\n", lost, "GET /1\n", lost, "GET /2\n", lost]
    assert sink.lines[6] == lost.replace("INFO", "ERROR").replace("access", "sync")


def test_the_thread_survives_a_sink_that_does_not_keep_its_word() -> None:
    class Failing(Lines):
        def write(self, lines: Sequence[str]) -> None:
            super().write(lines)
            if len(self.writes) == 1:
                raise MemoryError

    sink = Failing()
    gathering = Gathering([sink])
    for number in range(2):
        gathering.handle(request(number))
        wait_for(lambda: len(sink.lines) == number + 1)  # noqa: B023
    gathering.close()


def test_a_process_that_answers_no_request_has_no_thread_for_it(gathering: Gathering) -> None:
    """So that the one that supervises workers may fork them."""
    gathering.handle(event("reading the configuration"))
    gathering.handle(logging.LogRecord(GATHERED, logging.ERROR, "app.py", 0, "failed", (), None))

    assert gathering._thread is None


WORKERS = """
import logging, sys, threading
from pathlib import Path
from pywharf.logs import set_up
from pywharf.web.server.listening import listen, shown
from pywharf.web.server.run import serve
from pywharf.web.server.supervisor import supervise

access = logging.getLogger("pywharf.access")

def app(environ, start_response):
    start_response("200 OK", [("Content-Length", "2")])
    access.info("asked: %s", environ["PATH_INFO"])
    return [b"ok"]

class Job:
    def prepare(self, again): pass
    def open(self): self.listener = listen("127.0.0.1", 0)
    def work(self, parent):
        serve(app, self.listener, options={"numthreads": 2}, on_ready=lambda _: parent.ready(), supervisor=parent.channel)
    def serving(self, told): print(shown(self.listener), threading.active_count(), flush=True)
    def close(self): self.listener.close()

set_up(Path(sys.argv[1]), debug=False, stderr_level=logging.WARNING)
supervise(Job(), number=2, drain=20.0)
"""


def test_the_log_is_complete_when_workers_are_told_to_stop(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", WORKERS, str(tmp_path)], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        address, threads = server.stdout.readline().split()
        asked = []
        for number in range(8):
            connection = http.client.HTTPConnection(address, timeout=SOON)
            for more in range(25):
                asked.append(f"asked: /{number}-{more}")
                connection.request("GET", f"/{number}-{more}")
                assert connection.getresponse().read() == b"ok"
            connection.close()
        server.send_signal(signal.SIGTERM)
        server.wait(timeout=SOON)

    told = (tmp_path / "pywharf.log").read_text().splitlines()
    assert (server.returncode, threads) == (0, "1")
    assert sorted(line.partition("pywharf.access: ")[2] for line in told if "pywharf.access" in line) == sorted(asked)
