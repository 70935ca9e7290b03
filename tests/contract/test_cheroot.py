"""What the HTTP server relies on in Cheroot beyond its documented interface: an upgrade that changes it fails here, with its name.

Each test says what of ours would break.
"""

from __future__ import annotations

import inspect
import io
import queue
import threading
from typing import Any

import pytest
from cheroot import server as cheroot_server
from cheroot.workers import threadpool
from cheroot.wsgi import Server
from hypothesis import given
from hypothesis import strategies as st

from pywharf.web.server.http_request import USUAL


class Line(cheroot_server.HTTPRequest):
    """Reads one request line, and remembers how it was refused."""

    def __init__(self, line: bytes) -> None:
        class Plain:
            ssl_adapter = None
            protocol = "HTTP/1.1"
            max_request_header_size = 0

        super().__init__(Plain(), None)  # type: ignore[no-untyped-call]  # as Cheroot's stubs have it
        self.rfile = io.BytesIO(line)
        self.refused: list[str] = []

    def simple_response(self, status: Any, msg: Any = "") -> None:
        self.refused.append(str(status))


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"get / HTTP/1.1\r\n", "400"),
        (b"GET  / HTTP/1.1\r\n", "400"),
        (b"GET /\r\n", "400"),
        (b"GET / HTTP/1.1 x\r\n", "400"),
        (b"GET / HTTX/1.1\r\n", "400"),
        (b"GET / HTTP/1\r\n", "400"),
        (b"GET / HTTP/2.0\r\n", "505"),
        (b"GET / HTTP/0.9\r\n", "505"),
        (b"GET http://a/ HTTP/1.1\r\n", "400"),
        (b"GET //a/ HTTP/1.1\r\n", "400"),
        (b"GET a HTTP/1.1\r\n", "400"),
        (b"GET /#a HTTP/1.1\r\n", "400"),
        (b"CONNECT a:1 HTTP/1.1\r\n", "405"),
        (b"GET / HTTP/1.1\n", "400"),
    ],
)
def test_a_request_line_that_is_unusual_is_refused_through_simple_response(line: bytes, status: str) -> None:
    """`Request.read_request_line` leaves all but the usual to Cheroot."""
    request = Line(line)

    assert not request.read_request_line()  # type: ignore[no-untyped-call]
    assert [refused[:3] for refused in request.refused] == [status]


def test_a_target_that_the_url_parser_stumbles_over_is_a_value_error() -> None:
    """`Request.read_request_line` catches that."""
    with pytest.raises(ValueError):
        Line(b"GET //[ HTTP/1.1\r\n").read_request_line()  # type: ignore[no-untyped-call]


def test_a_request_line_is_taken_apart_as_ours_is() -> None:
    """The short way of `Request.read_request_line` sets the same."""
    request = Line(b"GET /a%20b%2fc/?x=%20 HTTP/1.0\r\n")

    assert request.read_request_line()  # type: ignore[no-untyped-call]
    assert (request.method, request.uri, request.path, request.qs) == (b"GET", b"/a%20b%2fc/?x=%20", b"/a b%2Fc/", b"x=%20")
    assert (request.request_protocol, request.response_protocol) == (b"HTTP/1.0", "HTTP/1.0")


class FakeConnection:
    remote_addr, remote_port = "127.0.0.1", 1

    def __init__(self, stays: bool | Exception) -> None:
        self.stays = stays
        self.closed = False

    def communicate(self) -> bool:
        if isinstance(self.stays, Exception):
            raise self.stays
        return self.stays

    def close(self) -> None:
        self.closed = True


class FakeServer:
    def __init__(self) -> None:
        self.stats = {"Enabled": False, "Worker Threads": {}}
        self.interrupt: object = None
        self.requests = queue.SimpleQueue[Any]()
        self.kept: list[Any] = []
        self.logged: list[str] = []

    def put_conn(self, connection: Any) -> None:
        self.kept.append(connection)

    def error_log(self, msg: str = "", level: int = 0, traceback: bool = False) -> None:
        self.logged.append(msg)


def test_a_worker_works_off_what_it_gets_keeps_what_stays_and_survives_what_fails() -> None:
    """`Threads` starts Cheroot's workers, and ends them with Cheroot's own word for it."""
    server = FakeServer()
    connections = [FakeConnection(True), FakeConnection(False), FakeConnection(RuntimeError("x")), FakeConnection(ConnectionResetError())]
    for connection in (*connections, threadpool._SHUTDOWNREQUEST):  # type: ignore[attr-defined]
        server.requests.put(connection)
    worker = threadpool.WorkerThread(server)  # type: ignore[no-untyped-call]
    worker.daemon = True
    worker.start()
    worker.join(30)

    assert not worker.is_alive()
    assert server.kept == connections[:1]
    assert [connection.closed for connection in connections] == [False, True, True, True]
    assert server.interrupt is None
    assert worker.conn is None


def test_threads_are_kept_where_ours_look_for_them() -> None:
    """`Threads` fills and empties the list itself."""
    pool = threadpool.ThreadPool(None, min=1)  # type: ignore[no-untyped-call]

    assert pool._threads == []  # type: ignore[attr-defined]
    assert "grow" in inspect.getsource(threadpool.ThreadPool.start)


def test_a_server_is_made_without_a_socket_and_says_that_it_is_not_ready() -> None:
    """`Server.__init__` sets what it needs before any socket is there; `stop` looks at `ready`."""
    server = Server(("127.0.0.1", 0), lambda environ, start_response: [])  # type: ignore[no-untyped-call]

    assert server.ready is False
    assert isinstance(server.requests, threadpool.ThreadPool)
    assert callable(server.wsgi_app)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("CP Server")]


@given(st.from_regex(USUAL, fullmatch=True))
def test_what_goes_the_short_way_would_be_read_the_same_by_cheroot(line: bytes) -> None:
    """`Request.read_request_line` must not read a target otherwise, only faster."""
    theirs, ours = Line(line), USUAL.fullmatch(line)
    assert ours is not None
    assert theirs.read_request_line()  # type: ignore[no-untyped-call]

    method, uri, path, query, protocol = ours.groups()
    assert (theirs.method, theirs.uri, theirs.path, theirs.qs) == (method, uri, path, query or b"")
    assert (theirs.request_protocol, theirs.response_protocol.encode()) == (protocol, protocol)
