from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest

from pywharf.errors import WharfError
from pywharf.web.server.listening import listen
from pywharf.web.server.run import Server, running

SOON = 30  # seconds that everything has that is waited for, on a slow machine too


class SmallApp:
    """Answers by the path, and remembers what it was asked and what it read."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.environs: list[dict[str, Any]] = []
        self.read: list[bytes] = []
        self.cut_short = 0
        self.entered = threading.Event()
        self.go_on = threading.Event()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        self.asked.append(path)
        self.environs.append(environ)
        self.entered.set()
        headers = []
        status, body = "200 OK", b"hello"
        if path == "/refuse":
            status, body = "401 The secret is wrong", b"no"
        elif path == "/goodbye":
            headers.append(("Connection", "close"))
        elif path == "/wait":
            self.go_on.wait(10)
        elif path in ("/read", "/lines"):
            try:
                stream = environ["wsgi.input"]
                body = b"".join(stream) if path == "/lines" else stream.read()
                self.read.append(body)
            except WharfError:
                self.cut_short += 1
                status, body = "400 Cut short", b"cut"
        start_response(status, [("Content-Length", str(len(body))), *headers])
        return [body]


class Raw:
    """A connection that sends what it is told."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self.socket = socket.create_connection((host, int(port)), timeout=60)

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def head(self) -> bytes:
        """The next bytes up to an empty line, or to the end."""
        received = b""
        while b"\r\n\r\n" not in received:
            chunk = self.socket.recv(1)
            if not chunk:
                break
            received += chunk
        return received

    def rest(self) -> bytes:
        """Everything up to the end of the connection."""
        return b"".join(iter(lambda: self.socket.recv(65536), b""))

    def close(self) -> None:
        self.socket.close()


def wait_until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + SOON
    while not is_so():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.005)


@contextmanager
def started(app: Any, **options: object) -> Iterator[Server]:
    """A server that can be looked into."""
    server = Server(app, listen("127.0.0.1", 0), {"numthreads": 1, "shutdown_timeout": 5, **options})
    server.prepare()
    thread = threading.Thread(target=server.serve)
    thread.start()
    try:
        yield server
    finally:
        server.stop()
        thread.join(SOON)


Starting = Callable[..., AbstractContextManager[str]]


@pytest.fixture
def small_app() -> Iterator[SmallApp]:
    app = SmallApp()
    yield app
    app.go_on.set()


@pytest.fixture
def start(small_app: SmallApp) -> Starting:
    """Starts a server with `small_app` and these options; gives its address."""

    @contextmanager
    def start(**options: object) -> Iterator[str]:
        given = {"numthreads": 4, "shutdown_timeout": 5, **options}
        with running(small_app, listen("127.0.0.1", 0), options=given) as address:
            yield address

    return start


@pytest.fixture(scope="module")
def shared_app() -> SmallApp:
    return SmallApp()


@pytest.fixture(scope="module")
def shared_address(shared_app: SmallApp) -> Iterator[str]:
    """One server for all tests of a module that do not stop it."""
    options = {"numthreads": 8, "shutdown_timeout": 1}
    with running(shared_app, listen("127.0.0.1", 0), options=options) as address:
        yield address


@pytest.fixture
def app(shared_app: SmallApp) -> SmallApp:
    """The shared server's application, as if nothing had been asked yet."""
    shared_app.__init__()  # type: ignore[misc]
    return shared_app


@pytest.fixture
def connect(shared_address: str) -> Iterator[Callable[[], Raw]]:
    """Opens connections to the shared server."""
    opened: list[Raw] = []

    def connect() -> Raw:
        opened.append(Raw(shared_address))
        return opened[-1]

    yield connect
    for raw in opened:
        raw.close()
