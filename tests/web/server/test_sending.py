"""Responses of applications that are not as they should be, of file systems that cannot, and to clients that read slowly."""

from __future__ import annotations

import errno
import os
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import trustme

from pywharf.web.server import sending
from pywharf.web.server.listening import listen
from pywharf.web.server.pace import Pace
from pywharf.web.server.run import running
from pywharf.web.server.sending import FilePart, Outgoing

from .conftest import Raw

pytestmark = pytest.mark.any_python

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
BAD = GET.replace(b"/ ", b"/bad ", 1)
LAST = GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
Start = Callable[..., Any]


class Given:
    """What an application gives: pieces, then perhaps an error; and an error of its close()."""

    def __init__(self, pieces: Iterable[bytes] = (), *, fails: BaseException | None = None, close_fails: bool = False) -> None:
        self._pieces, self._fails, self._close_fails = pieces, fails, close_fails
        self.closed = 0

    def __iter__(self) -> Iterator[bytes]:
        yield from self._pieces
        if self._fails is not None:
            raise self._fails

    def close(self) -> None:
        self.closed += 1
        if self._close_fails:
            raise OSError(errno.EIO, "input/output error")


class NotIterable(Given):
    __iter__ = None  # type: ignore[assignment]


class PartFails(Given):
    def file_part(self) -> FilePart:
        raise RuntimeError("no part")


def answering(given: Given | BaseException, headers: list[tuple[str, str]], status: str = "200 OK", *, starts: bool = True) -> Any:
    """Gives this at /bad, and a good answer everywhere else."""

    def app(environ: dict[str, Any], start_response: Start) -> Any:
        if environ["PATH_INFO"] != "/bad":
            start_response("200 OK", [("Content-Length", "5")])
            return [b"hello"]
        if starts:
            start_response(status, headers)
        if isinstance(given, BaseException):
            raise given
        return given

    return app


@pytest.mark.parametrize(
    ("given", "starts"),
    [
        (Given(fails=RuntimeError("x")), True),
        (Given(fails=OSError(errno.ENOSPC, "no space left")), True),
        (Given(fails=SystemExit(1)), True),
        (Given([b"hello"]), False),
        (Given([b"hello"], close_fails=True), False),
        (NotIterable(), True),
        (PartFails([b"hello"]), True),
    ],
    ids=["an error", "of the system", "an exit", "no head", "no head and no close", "no iterable", "no part"],
)
def test_an_application_that_fails_before_its_answer_began_is_a_500_and_costs_no_thread(given: Given, starts: bool) -> None:
    with running(answering(given, [("Content-Length", "5")], starts=starts), listen("127.0.0.1", 0), options={"numthreads": 1}) as address:
        for _ in range(3):
            raw = Raw(address)
            raw.send(BAD)
            assert raw.rest().startswith(b"HTTP/1.1 500 ")
        raw = Raw(address)
        raw.send(LAST)
        assert raw.rest().endswith(b"hello")

    assert given.closed == 3


@pytest.mark.parametrize("error", [RuntimeError("x"), SystemExit(1)])
def test_an_application_that_raises_in_place_of_an_answer_is_a_500(error: BaseException) -> None:
    with running(answering(error, []), listen("127.0.0.1", 0), options={"numthreads": 1}) as address:
        for _ in range(3):
            raw = Raw(address)
            raw.send(BAD)
            assert raw.rest().startswith(b"HTTP/1.1 500 ")


def test_an_error_in_the_middle_ends_the_connection_and_closes_once() -> None:
    given = Given([b"12"], fails=RuntimeError("x"))
    with running(answering(given, [("Content-Length", "5")]), listen("127.0.0.1", 0), options={"numthreads": 1}) as address:
        raw = Raw(address)
        raw.send(BAD)
        assert raw.rest().endswith(b"\r\n\r\n12")

    assert given.closed == 1


def test_a_close_that_fails_leaves_a_whole_answer_and_the_connection_as_they_are() -> None:
    given = Given([b"12345"], close_fails=True)
    with running(answering(given, [("Content-Length", "5")]), listen("127.0.0.1", 0), options={"numthreads": 1}) as address:
        raw = Raw(address)
        raw.send(BAD + BAD + LAST)
        answer = raw.rest()

    assert (answer.count(b"12345"), answer.count(b"hello"), given.closed) == (2, 1, 2)


def test_a_close_that_fails_at_a_deadline_does_not_end_the_server() -> None:
    given = Given((b"x" * 100_000 for _ in range(1000)), close_fails=True)
    app = answering(given, [("Content-Length", "100000000")])
    with running(app, listen("127.0.0.1", 0), options={"numthreads": 1, "timeout": 0.2}) as address:
        raw = Raw(address)
        raw.send(BAD)
        raw.head()
        end = time.monotonic() + 20
        while not given.closed and time.monotonic() < end:
            time.sleep(0.01)
        other = Raw(address)
        other.send(LAST)

        assert other.rest().endswith(b"hello")
    assert given.closed == 1


@pytest.mark.parametrize(
    ("method", "status"),
    [("HEAD", "200 OK"), ("GET", "204 No Content"), ("GET", "304 Not Modified")],
)
@pytest.mark.parametrize("headers", [[("Content-Length", "5")], []], ids=["length", "no length"])
def test_a_body_that_must_not_be_there_is_not_sent(method: str, status: str, headers: list[tuple[str, str]]) -> None:
    given = Given([b"12345", b"67890"])
    with running(answering(given, headers, status), listen("127.0.0.1", 0)) as address:
        raw = Raw(address)
        raw.send(BAD.replace(b"GET", method.encode()) + LAST)
        answer = raw.rest()

    assert b"\r\n\r\nHTTP/1.1 200 OK" in answer
    assert b"12345" not in answer
    assert given.closed == 1


@pytest.mark.parametrize("status", ["200 OK", "205 Reset Content"])
def test_nothing_at_all_is_an_answer_that_ends(status: str) -> None:
    with running(answering(Given(), [], status), listen("127.0.0.1", 0)) as address:
        raw = Raw(address)
        raw.send(BAD + LAST)

        assert b"\r\n\r\n0\r\n\r\nHTTP/1.1 200 OK" in raw.rest()


# --- files -----------------------------------------------------------------------------------------------------------


class File(Given):
    """A file, in pieces or as a part."""

    def __init__(self, path: Path, size: int) -> None:
        content = path.read_bytes()
        super().__init__(content[at : at + 100_000] for at in range(0, size, 100_000))
        self._file = path.open("rb")
        self._size = size
        self.moved = 0

    def file_part(self) -> FilePart:
        return FilePart(self._file.fileno(), 0, self._size, self._count)

    def _count(self, sent: int) -> None:
        self.moved += sent


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOSYS])
def test_a_file_system_that_cannot_send_by_itself_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def cannot(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(sending.os, "sendfile", cannot)
    content = os.urandom(1_000_000)
    (tmp_path / "file").write_bytes(content)
    file = File(tmp_path / "file", len(content))
    with running(answering(file, [("Content-Length", str(len(content)))]), listen("127.0.0.1", 0)) as address:
        raw = Raw(address)
        raw.send(BAD + LAST)
        answer = raw.rest()

    assert answer.partition(b"\r\n\r\n")[2].startswith(content)
    assert answer.endswith(b"hello")
    assert (file.moved, file.closed) == (0, 1)


def test_a_file_that_cannot_be_read_is_told_in_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*_: object) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(sending.os, "sendfile", fails)
    (tmp_path / "file").write_bytes(b"12345")
    with running(answering(File(tmp_path / "file", 5), [("Content-Length", "5")]), listen("127.0.0.1", 0)) as address:
        raw = Raw(address)
        raw.send(BAD)
        raw.rest()

    assert "response cut short: a file cannot be read" in caplog.text


def test_a_file_of_unknown_length_is_sent_in_chunks(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    with running(answering(File(tmp_path / "file", 5), []), listen("127.0.0.1", 0)) as address:
        raw = Raw(address)
        raw.send(BAD + LAST)

        assert b"\r\n\r\n5\r\n12345\r\n0\r\n\r\nHTTP/1.1" in raw.rest()


def test_of_a_file_longer_than_its_content_length_nothing_passes_for_the_next_answer(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345HTTP/1.1 200 OK")
    with running(answering(File(tmp_path / "file", 20), [("Content-Length", "5")]), listen("127.0.0.1", 0)) as address:
        raw = Raw(address)
        raw.send(BAD + LAST)

        assert raw.rest().count(b"HTTP/1.1") <= 1


# --- slow readers ----------------------------------------------------------------------------------------------------


class Answer:
    """A request whose response is one large piece."""

    close_connection = False
    sent_headers = False
    chunked_write = False
    has_body = True

    def head(self) -> bytes:
        return b""

    def declared_length(self) -> int | None:
        return None


PACE = Pace(silence=30, grace=30, rate=0, longest=3600)


def test_over_tls_each_record_that_went_out_counts_as_progress() -> None:
    """OpenSSL does not tell how much of a large piece is out: a slow reader of a large page would seem to stand still."""
    authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
    serving, trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("127.0.0.1", key_type=trustme.KeyType.ECDSA).configure_cert(serving)
    authority.configure_trust(trusting)
    ours, theirs = socket.socketpair()
    incoming, told = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = trusting.wrap_bio(incoming, told, server_hostname="127.0.0.1")
    server = serving.wrap_socket(ours, server_side=True, do_handshake_on_connect=False)
    server.setblocking(False)
    for step in (client, server, client, server):
        with suppress(ssl.SSLWantReadError):
            step.do_handshake()
        if step is client:
            theirs.sendall(told.read())
        else:
            incoming.write(theirs.recv(65536))
    outgoing = Outgoing(server, Answer(), [bytes(5_000_000)], PACE)
    assert not outgoing.go_on()
    first = outgoing._sent
    with suppress(BlockingIOError):
        while theirs.recv(65536, socket.MSG_DONTWAIT):
            pass
    assert not outgoing.go_on()

    assert 0 < first < outgoing._sent < 5_000_000
    outgoing.close()
    for each in (server, theirs):
        each.close()


def test_a_client_that_takes_a_little_all_the_time_does_not_keep_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "TURN", 0.0)  # its turn is over at once
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    polled: list[object] = []
    monkeypatch.setattr(sending.select, "poll", lambda: polled.append(1))
    outgoing = Outgoing(ours, Answer(), [bytes(5_000_000)], PACE)

    assert not outgoing.go_on()
    assert polled == []
    for each in (ours, theirs):
        each.close()
