"""Connections that wait: for a head, for their next request, for a client that reads; and how each of them ends."""

from __future__ import annotations

import http.client
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pywharf.web.server import accepting, connections, run
from pywharf.web.server.listening import listen
from pywharf.web.server.sending import FilePart

from .conftest import Raw, SmallApp, Starting, started, wait_until

pytestmark = pytest.mark.any_python

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
SOON = 30  # seconds that everything here has, on a slow machine too


def get(address: str) -> int:
    connection = http.client.HTTPConnection(address, timeout=SOON)
    try:
        connection.request("GET", "/")
        response = connection.getresponse()
        response.read()
        return response.status
    finally:
        connection.close()


def drip(raw: Raw, piece: bytes, is_over: Callable[[], bool]) -> None:
    """Send a piece every now and then, for some seconds at most, until it is over or the server has had enough."""
    try:
        for _ in range(200):
            raw.send(piece)
            time.sleep(0.02)
            if is_over():
                return
    except OSError:
        return


# --- heads -----------------------------------------------------------------------------------------------------------


def test_many_that_say_nothing_or_little_keep_nobody_from_being_answered(start: Starting) -> None:
    with start(numthreads=1) as address, ExitStack() as stack:
        for number in range(60):
            raw = Raw(address)
            stack.callback(raw.close)
            raw.send(b"GET / HTTP/1.1\r\nX-Drip: "[: number % 20])

        assert get(address) == 200


def test_a_head_may_arrive_byte_by_byte(start: Starting) -> None:
    with start(numthreads=1) as address:
        raw = Raw(address)
        for byte in GET:
            raw.send(bytes([byte]))

        assert raw.head().startswith(b"HTTP/1.1 200")


def test_one_that_says_nothing_is_closed_at_its_deadline_without_a_word(start: Starting) -> None:
    with start(head_timeout=0.2) as address:
        assert Raw(address).rest() == b""


def test_a_head_that_drips_is_refused_at_its_deadline_however_often_it_drips(start: Starting) -> None:
    with start(head_timeout=0.5) as address:
        raw = Raw(address)
        stop = threading.Event()

        def drip() -> None:
            try:
                raw.send(b"GET / HTTP/1.1\r\nX: ")
                while not stop.wait(0.05):
                    raw.send(b"x")
            except OSError:
                pass

        thread = threading.Thread(target=drip)
        thread.start()
        answer = raw.head()
        stop.set()
        thread.join()

        assert answer.startswith(b"HTTP/1.1 408")


def test_the_deadline_of_a_next_request_begins_with_its_first_byte(start: Starting) -> None:
    with start(head_timeout=0.3, timeout=20) as address:
        raw = Raw(address)
        raw.send(GET)
        raw.head()
        assert raw.socket.recv(5) == b"hello"
        time.sleep(0.8)  # idle, longer than a head has
        raw.send(GET[:5])
        assert raw.rest().startswith(b"HTTP/1.1 408")


def test_a_kept_connection_is_closed_when_it_was_idle_too_long(start: Starting) -> None:
    with start(timeout=0.2) as address:
        raw = Raw(address)
        raw.send(GET)

        assert raw.rest().endswith(b"hello")


def test_an_empty_line_before_a_request_is_forgiven_once(start: Starting) -> None:
    with start() as address:
        forgiven, not_forgiven = Raw(address), Raw(address)
        forgiven.send(b"\r\n" + GET)
        not_forgiven.send(b"\r\n\r\n" + GET)

        assert forgiven.head().startswith(b"HTTP/1.1 200")
        assert not_forgiven.rest().startswith(b"HTTP/1.1 400")


def test_lines_that_end_otherwise_are_refused_at_once(start: Starting) -> None:
    with start(head_timeout=60) as address:
        raw = Raw(address)
        raw.send(b"GET / HTTP/1.1\nHost: a\n\n")

        assert raw.rest().startswith(b"HTTP/1.1 400")


def test_a_head_that_never_ends_is_refused_when_it_is_too_large(start: Starting) -> None:
    with start(head_timeout=60, max_request_header_size=1000) as address:
        fields, target = Raw(address), Raw(address)
        fields.send(b"GET / HTTP/1.1\r\nX: " + b"x" * 1000)
        target.send(b"GET /" + b"x" * 1000)

        assert fields.rest().startswith(b"HTTP/1.1 431")
        assert target.rest().startswith(b"HTTP/1.1 414")


def test_requests_sent_ahead_are_answered_in_order(start: Starting, small_app: SmallApp) -> None:
    with start(numthreads=2) as address:
        raw = Raw(address)
        raw.send(b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % number for number in range(200)) + GET.replace(b"/ ", b"/goodbye "))

        assert raw.rest().count(b"200 OK") == 201
        assert small_app.asked == [f"/{number}" for number in range(200)] + ["/goodbye"]


# --- room ------------------------------------------------------------------------------------------------------------


def test_where_there_is_no_room_the_longest_idle_one_makes_it(small_app: SmallApp) -> None:
    with started(small_app, max_connections=2) as server:
        first, second = Raw(server.address), Raw(server.address)
        for number, raw in enumerate((first, second), 1):
            raw.send(GET)
            raw.head()
            raw.socket.recv(5)
            wait_until(lambda number=number: server._connections.waiting.idle == number)  # type: ignore[misc]

        assert get(server.address) == 200
        assert first.rest() == b""


def test_where_nobody_is_idle_a_new_connection_is_told_to_come_again(start: Starting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "FAIR", SOON)
    with start(max_connections=1) as address:
        busy = Raw(address)
        busy.send(GET[:10])
        time.sleep(0.2)

        answer = Raw(address).rest()

        assert answer.startswith(b"HTTP/1.1 503")
        assert b"Retry-After: 1" in answer
        busy.send(GET[10:])
        assert busy.head().startswith(b"HTTP/1.1 200")


def test_counts_tell_who_is_where(small_app: SmallApp) -> None:
    server = run.Server(small_app, listen("127.0.0.1", 0), {"numthreads": 2})
    server.prepare()
    thread = threading.Thread(target=server.serve)
    thread.start()
    try:
        raw = Raw(server.address)
        raw.send(GET.replace(b"/ ", b"/wait "))
        small_app.entered.wait(SOON)
        assert (len(server.open_connections), server.counts().threads_busy) == (1, 1)
        small_app.go_on.set()
        raw.head()
        wait_until(lambda: server._connections.waiting.idle == 1 and server.counts().threads_busy == 0)
        raw.close()
        wait_until(lambda: not server.open_connections)
    finally:
        server.stop()
        thread.join(SOON)


@pytest.mark.parametrize(("workers", "breathes"), [(1, False), (2, True)])
def test_a_burst_is_taken_without_pauses_but_where_other_workers_are_to_have_some_of_it(
    small_app: SmallApp, monkeypatch: pytest.MonkeyPatch, workers: int, breathes: bool
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(accepting, "time", SimpleNamespace(sleep=pauses.append, monotonic=time.monotonic))
    server = run.Server(small_app, listen("127.0.0.1", 0), {"numthreads": 2})
    server.workers = workers
    burst = [Raw(server.address) for _ in range(2 * accepting.ACCEPTS)]
    for raw in burst:
        raw.send(GET)
    server.prepare()
    thread = threading.Thread(target=server.serve)
    thread.start()
    try:
        assert all(raw.head().startswith(b"HTTP/1.1 200") for raw in burst)
    finally:
        server.stop()
        thread.join(SOON)

    assert (pauses != []) is breathes


# --- bodies ----------------------------------------------------------------------------------------------------------


def test_a_body_that_stands_still_is_given_up(start: Starting, small_app: SmallApp) -> None:
    with start(timeout=0.2) as address:
        raw = Raw(address)
        raw.send(b"POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n12345")

        assert raw.rest().startswith(b"HTTP/1.1 400 Cut short")
    assert (small_app.read, small_app.cut_short) == ([], 1)


def test_a_body_that_drips_is_given_up_when_its_grace_is_over(start: Starting, small_app: SmallApp) -> None:
    with start(timeout=10, slow_grace=0.3, min_rate=1000) as address:
        raw = Raw(address)
        raw.send(b"POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n")
        drip(raw, b"x", lambda: bool(small_app.cut_short))
    assert small_app.cut_short == 1


def test_a_body_has_an_end_also_where_it_keeps_the_rate(start: Starting, small_app: SmallApp) -> None:
    with start(body_timeout=0.3) as address:
        raw = Raw(address)
        raw.send(b"POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n")
        drip(raw, b"x" * 5000, lambda: bool(small_app.cut_short))
    assert small_app.cut_short == 1


def test_a_head_and_its_body_in_one_piece_are_told_apart(start: Starting, small_app: SmallApp) -> None:
    with start() as address:
        raw = Raw(address)
        raw.send(b"POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n12345" + GET.replace(b"/ ", b"/goodbye "))

        assert raw.rest().count(b"200 OK") == 2
    assert small_app.read == [b"12345"]


# --- responses -------------------------------------------------------------------------------------------------------


class Big:
    """An application whose every answer is `size` bytes in pieces; counts those that were closed."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.closed = 0

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/":
            start_response("200 OK", [("Content-Length", "5")])
            return [b"hello"]
        start_response("200 OK", [("Content-Length", str(self.size))])
        return self.pieces()

    def pieces(self) -> Iterator[bytes]:
        try:
            for _ in range(self.size // 100_000):
                yield b"x" * 100_000
        finally:
            self.closed += 1


def test_clients_that_do_not_read_hold_no_thread() -> None:
    app = Big(50_000_000)
    with run.running(app, listen("127.0.0.1", 0), options={"numthreads": 1}) as address, ExitStack() as stack:
        for _ in range(8):
            raw = Raw(address)
            stack.callback(raw.close)
            raw.send(GET.replace(b"/ ", b"/big "))
            raw.head()

        assert get(address) == 200


def test_one_that_reads_late_gets_all_of_it() -> None:
    app = Big(20_000_000)
    with run.running(app, listen("127.0.0.1", 0), options={"numthreads": 1}) as address:
        raw = Raw(address)
        raw.send(GET.replace(b"/ ", b"/big ").replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        time.sleep(0.3)

        assert len(raw.rest().partition(b"\r\n\r\n")[2]) == 20_000_000


def test_one_that_never_reads_is_cut_off_and_what_it_was_to_get_is_let_go() -> None:
    app = Big(50_000_000)
    with run.running(app, listen("127.0.0.1", 0), options={"timeout": 0.3}) as address:
        raw = Raw(address)
        raw.send(GET.replace(b"/ ", b"/big "))
        raw.head()

        wait_until(lambda: app.closed == 1)


def test_one_that_reads_too_slowly_is_cut_off() -> None:
    app = Big(50_000_000)
    with run.running(app, listen("127.0.0.1", 0), options={"timeout": 10, "slow_grace": 0.3, "min_rate": 50_000_000}) as address:
        raw = Raw(address)
        raw.send(GET.replace(b"/ ", b"/big "))
        end = time.monotonic() + SOON
        while not app.closed and time.monotonic() < end:
            raw.socket.recv(1000)
            time.sleep(0.01)

        assert app.closed == 1


@pytest.mark.parametrize("given", [4, 6], ids=["less", "more"])
def test_a_body_of_another_length_than_its_head_said_ends_the_connection(given: int) -> None:
    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Length", "5")])
        return [b"x" * given]

    with run.running(app, listen("127.0.0.1", 0)) as address:
        raw = Raw(address)
        raw.send(GET)

        assert len(raw.rest().partition(b"\r\n\r\n")[2]) <= 5


def test_a_body_of_unknown_length_is_sent_in_chunks() -> None:
    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("200 OK", [])
        return [b"one", b"", b"two"]

    with run.running(app, listen("127.0.0.1", 0)) as address:
        connection = http.client.HTTPConnection(address, timeout=SOON)
        for _ in range(2):
            connection.request("GET", "/")
            response = connection.getresponse()
            assert (response.read(), response.getheader("Transfer-Encoding")) == (b"onetwo", "chunked")
        connection.close()


# --- files -----------------------------------------------------------------------------------------------------------


class FileApp:
    """Answers with a part of a file, which it says that it is."""

    def __init__(self, path: Path, offset: int, size: int) -> None:
        self._descriptor = os.open(path, os.O_RDONLY)
        self._offset, self._size = offset, size
        self.sent = 0
        self.asked_for_pieces = False

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> FileApp:
        start_response("200 OK", [("Content-Length", str(self._size))])
        return self

    def file_part(self) -> FilePart:
        return FilePart(self._descriptor, self._offset, self._size, self._count)

    def _count(self, sent: int) -> None:
        self.sent += sent

    def __iter__(self) -> Iterator[bytes]:
        self.asked_for_pieces = True
        return iter(())


def test_a_part_of_a_file_is_sent_by_the_kernel(tmp_path: Path) -> None:
    content = os.urandom(5_000_000)
    (tmp_path / "file").write_bytes(content)
    app = FileApp(tmp_path / "file", 1000, 4_000_000)
    with run.running(app, listen("127.0.0.1", 0), options={"numthreads": 1}) as address:
        connection = http.client.HTTPConnection(address, timeout=SOON)
        for _ in range(2):
            connection.request("GET", "/")
            assert connection.getresponse().read() == content[1000:4_001_000]
        connection.close()

    assert app.sent == 8_000_000


def test_a_file_that_is_shorter_than_it_was_ends_the_connection(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * 1000)
    with run.running(FileApp(tmp_path / "file", 0, 2000), listen("127.0.0.1", 0)) as address:
        raw = Raw(address)
        raw.send(GET)

        assert len(raw.rest().partition(b"\r\n\r\n")[2]) == 1000


def test_a_slow_reader_of_a_file_holds_no_thread(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(30_000_000))
    with run.running(FileApp(tmp_path / "file", 0, 30_000_000), listen("127.0.0.1", 0), options={"numthreads": 1}) as address:
        slow = Raw(address)
        slow.send(GET)
        slow.head()
        quick = Raw(address)
        quick.send(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))

        assert len(quick.rest()) > 30_000_000
        slow.close()


# --- the end ---------------------------------------------------------------------------------------------------------


def test_a_kept_connection_may_bring_one_more_request_while_the_server_stops(small_app: SmallApp) -> None:
    server = run.Server(small_app, listen("127.0.0.1", 0), {"numthreads": 2})
    server.goodbye = SOON
    server.prepare()
    thread = threading.Thread(target=server.serve)
    thread.start()
    raw = Raw(server.address)
    raw.send(GET)
    raw.head()
    assert raw.socket.recv(5) == b"hello"
    wait_until(lambda: server._connections.waiting.idle == 1)
    stopping = threading.Thread(target=server.stop)
    stopping.start()
    wait_until(lambda: not server.ready)

    raw.send(GET)
    answer = raw.rest()

    stopping.join(SOON)
    thread.join(SOON)
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"Connection: close" in answer


def test_a_download_in_progress_is_completed_when_the_server_stops() -> None:
    app = Big(20_000_000)
    with run.running(app, listen("127.0.0.1", 0), options={"numthreads": 1, "shutdown_timeout": SOON}) as address:
        raw = Raw(address)
        raw.send(GET.replace(b"/ ", b"/big "))
        raw.head()
        received: list[bytes] = []
        reading = threading.Timer(0.3, lambda: received.append(raw.rest()))
        reading.start()
    reading.join()

    assert len(received[0]) == 20_000_000


def test_a_connection_that_is_reset_leaves_the_server_as_it_was(start: Starting) -> None:
    with start(numthreads=1) as address:
        for count in (0, 5, len(GET)):
            raw = Raw(address)
            raw.send(GET[:count])
            raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            raw.close()

        assert get(address) == 200
