"""Whatever one connection meets, the threads that look after all of them go on; and what has begun is brought to its end."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import Any

import pytest

from pywharf.web.server import connections, run
from pywharf.web.server.connection import Connection
from pywharf.web.server.lead import Lead
from pywharf.web.server.listening import listen

from .conftest import SOON, Raw, SmallApp, Starting, started, wait_until

pytestmark = pytest.mark.any_python

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
LAST = GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")


def answer(address: str) -> bytes:
    raw = Raw(address)
    raw.send(LAST)
    return raw.rest()


@pytest.mark.parametrize("failing", ["receive", "has_head"])
def test_a_connection_that_cannot_be_looked_after_ends_alone(
    start: Starting, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, failing: str
) -> None:
    good = getattr(Connection, failing)

    def fails(self: Connection) -> Any:
        found = good(self)
        if b"/bad" in self._received:
            raise MemoryError
        return found

    with start(numthreads=1) as address:
        kept = Raw(address)
        kept.send(GET)
        kept.head()
        kept.socket.recv(5)
        monkeypatch.setattr(Connection, failing, fails)
        for _ in range(3):
            raw = Raw(address)
            time.sleep(0.1)  # it waits in the selector
            raw.send(b"GET /bad HTTP/1.1\r\n")
            assert raw.rest() == b""
        monkeypatch.undo()

        assert answer(address).endswith(b"hello")
        kept.send(LAST)
        assert kept.rest().endswith(b"hello")
    assert caplog.text.count("a connection is given up") == 3


def test_a_failing_selector_is_tried_again_and_then_told(small_app: SmallApp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "PAUSE", 0.001)
    ended = threading.Event()
    turns: list[int] = []

    def fails(self: object) -> None:
        turns.append(1)
        raise ValueError("broken")

    monkeypatch.setattr(connections.Connections, "_turn", fails)
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    with run.running(small_app, listen("127.0.0.1", 0), options={"numthreads": 1}, on_end=ended.set):
        assert ended.wait(SOON)

    assert len(turns) == connections.MOST_FAILURES


class Pieces:
    """A large answer at /big, in which every byte is an x; and one that waits at /wait."""

    size = 40_000_000

    def __init__(self) -> None:
        self.entered, self.go_on = threading.Event(), threading.Event()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/big":
            start_response("200 OK", [("Content-Length", str(self.size))])
            return (b"x" * 100_000 for _ in range(self.size // 100_000))
        self.entered.set()
        self.go_on.wait(SOON)
        start_response("200 OK", [("Content-Length", "5")])
        return [b"hello"]


def test_no_refusal_comes_in_the_middle_of_a_response_however_many_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Lead, "begin", lambda *_: False)  # each goes to the one thread
    app = Pieces()
    with started(app, accepted_queue_size=1) as server:
        reading = Raw(server.address)
        reading.send(GET.replace(b"/ ", b"/big ").replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        reading.head()
        wait_until(lambda: bool(server._connections.waiting._sending))
        with ExitStack() as stack:
            for is_there in (app.entered.is_set, lambda: server.requests.waiting == 1):  # one has the thread, one the place in the queue
                raw = Raw(server.address)
                stack.callback(raw.close)
                raw.send(GET)
                wait_until(is_there)
            threading.Timer(0.5, app.go_on.set).start()
            body = reading.rest()

    assert len(body) == Pieces.size
    assert body.count(b"x") == len(body)


# --- room ------------------------------------------------------------------------------------------------------------


def test_where_there_is_no_room_one_that_had_time_for_its_head_makes_it(small_app: SmallApp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "FAIR", 0.1)
    with started(small_app, max_connections=2, head_timeout=60) as server:
        mute = [Raw(server.address) for _ in range(2)]
        wait_until(lambda: server._connections.waiting.silent == 2)
        time.sleep(0.2)

        assert answer(server.address).endswith(b"hello")
        assert mute[0].rest() == b""


def test_connections_leave_descriptors_for_files(
    small_app: SmallApp, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    most = []
    for limit in (100, 1024, 4096, 65536):
        monkeypatch.setattr(run.resource, "getrlimit", lambda _, limit=limit: (limit, limit))
        with started(small_app) as server:
            most.append(server.max_connections)

    assert most == [50, 768, 3072, 16384]
    assert caplog.text.count("max_connections is lowered") == 2  # a limit that leaves a team its connections is nobody's worry


# --- the end ---------------------------------------------------------------------------------------------------------


def test_a_connection_that_comes_back_when_all_is_over_is_closed(small_app: SmallApp) -> None:
    with started(small_app) as server:
        pass
    ours, theirs = socket.socketpair()
    connection = Connection(server, ours, "unix", None)
    server.open_connections.add(connection)

    server.put_conn(connection)

    assert theirs.recv(1) == b""
    assert not server.open_connections
    theirs.close()


def test_it_is_not_done_while_any_request_is_anywhere(small_app: SmallApp) -> None:
    """Between two threads' hands a connection is counted by neither: what is counted is who has no request."""
    with started(small_app) as server:
        raw = Raw(server.address)
        raw.send(GET)
        raw.head()
        wait_until(lambda: server._connections.waiting.silent == 1)
        (connection,) = server.open_connections
        assert server._is_done()

        server._connections.waiting.take(connection)

        assert not server._is_done()
        server.put_conn(connection)
        assert server._is_done()
        raw.close()


def test_a_listener_is_closed_also_where_the_server_ends_by_itself(small_app: SmallApp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MOST_FAILURES", 1)

    def fails(self: object) -> None:
        raise ValueError("broken")

    monkeypatch.setattr(connections.Connections, "_turn", fails)
    server = run.Server(small_app, listen("127.0.0.1", 0), {"numthreads": 1})
    server.prepare()
    with pytest.raises(ValueError, match="broken"):
        server.serve()
    began = time.monotonic()

    server.stop()

    assert time.monotonic() - began < SOON
    with pytest.raises(OSError):
        Raw(server.address)
