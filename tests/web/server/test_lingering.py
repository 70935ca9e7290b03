from __future__ import annotations

import contextlib
import errno
import os
import selectors
import socket
import threading
import time
from collections.abc import Callable

import pytest

from pywharf.web.server.lingering import LONGEST, Lingering

pytestmark = pytest.mark.any_python


def pair() -> tuple[socket.socket, socket.socket]:
    """A connection's two ends, over TCP as in life: a pair of Unix sockets has no resets."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname(), timeout=30)
        server, _ = listener.accept()
    return server, client


def is_reset(client: socket.socket, *, within: float = 10) -> bool:
    """Whether sending fails within so many seconds."""
    end = time.monotonic() + within
    with contextlib.suppress(TimeoutError):
        while time.monotonic() < end:
            try:
                client.sendall(b"x" * 1000)
            except ConnectionError:
                return True
            time.sleep(0.01)
    return False


def test_the_client_reads_the_last_answer_after_sending_everything() -> None:
    server, client = pair()
    server.sendall(b"401")

    Lingering().add(server)
    client.sendall(bytes(5_000_000))

    assert client.recv(10) == b"401"
    assert client.recv(10) == b""
    client.close()


def test_who_never_finishes_is_cut_off_after_a_while() -> None:
    server, client = pair()
    lingering = Lingering(longest=0.2)

    lingering.add(server)

    assert is_reset(client)
    client.close()


def test_who_sends_too_much_is_cut_off() -> None:
    server, client = pair()

    Lingering(most_bytes=5_000).add(server)

    assert is_reset(client)
    client.close()


def test_beyond_its_number_connections_are_closed_at_once() -> None:
    lingering = Lingering(most_sockets=2)
    pairs = [pair() for _ in range(3)]

    for server, _ in pairs:
        lingering.add(server)

    assert is_reset(pairs[2][1])
    assert [is_reset(client, within=0.2) for _, client in pairs[:2]] == [False, False]
    for _, client in pairs:
        client.close()


def test_a_connection_that_is_gone_already_is_no_trouble() -> None:
    server, client = pair()
    client.close()
    server.shutdown(socket.SHUT_RDWR)
    server.close()

    Lingering().add(server)


def test_its_thread_ends_and_begins_anew() -> None:
    lingering = Lingering()
    for _ in range(3):
        server, client = pair()
        lingering.add(server)
        client.close()
        lingering_since = time.monotonic()
        while lingering._running and time.monotonic() - lingering_since < 30:
            time.sleep(0.01)
        assert not lingering._running


def test_closing_waits_only_so_long() -> None:
    server, client = pair()
    lingering = Lingering()
    lingering.add(server)
    began = time.monotonic()

    lingering.close(0.1)

    assert time.monotonic() - began < LONGEST
    client.close()


def test_where_no_thread_can_be_had_the_connection_is_closed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    server, client = pair()
    lingering = Lingering()
    monkeypatch.setattr(threading.Thread, "start", refuse)

    lingering.add(server)

    monkeypatch.undo()
    assert is_reset(client)
    client.close()
    server, client = pair()
    lingering.add(server)  # and the next one lingers again
    client.sendall(b"x")
    assert not is_reset(client, within=0.1)
    client.close()


def test_where_no_descriptor_can_be_had_the_connection_is_closed_and_the_next_one_lingers(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> selectors.BaseSelector:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    server, client = pair()
    lingering = Lingering()
    with monkeypatch.context() as patch:
        patch.setattr(selectors, "DefaultSelector", refuse)
        lingering.add(server)
        assert is_reset(client)
    client.close()

    server, client = pair()
    lingering.add(server)
    client.sendall(b"x")
    assert not is_reset(client, within=0.1)
    client.close()
    settle(lambda: server.fileno() == -1)


def test_a_network_that_goes_away_ends_one_connection_and_not_the_thread() -> None:
    class Unreachable(socket.socket):
        def recv_into(self, *_: object) -> int:  # type: ignore[override]
            raise OSError(errno.EHOSTUNREACH, os.strerror(errno.EHOSTUNREACH))

    lingering = Lingering()
    server, client = pair()
    unreachable = Unreachable(fileno=server.detach())
    lingering.add(unreachable)
    client.sendall(b"x")
    settle(lambda: unreachable.fileno() == -1)
    client.close()

    server, client = pair()
    lingering.add(server)
    client.close()
    settle(lambda: server.fileno() == -1)


def settle(condition: Callable[[], bool], within: float = 30) -> None:
    """Wait until it holds."""
    end = time.monotonic() + within
    while not condition():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.01)
