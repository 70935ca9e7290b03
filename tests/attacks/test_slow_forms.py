"""Everybody may send the login form: while it is on its way no thread waits for it, however its head is spelled."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from .recording import Recording, ours

pytestmark = pytest.mark.any_python

HEAD = b"POST /form HTTP/1.1\r\nHost: a\r\n"
LENGTH = b"Content-Length: 10\r\n"
TYPE = b"Content-Type: application/x-www-form-urlencoded\r\n"


@pytest.fixture(scope="module")
def recording() -> Iterator[Recording]:
    with ours(numthreads=1) as recording:
        yield recording


def is_served(address: tuple[str, int]) -> bool:
    with socket.create_connection(address, timeout=15) as client:
        client.sendall(b"GET /other HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        try:
            return client.recv(65536).startswith(b"HTTP/1.1 200")
        except TimeoutError:
            return False


@pytest.mark.parametrize(
    "lines",
    [
        TYPE + LENGTH,
        LENGTH + TYPE,
        TYPE.lower() + LENGTH.upper(),
        TYPE.replace(b"\r", b"; charset=utf-8\r") + LENGTH,
        TYPE.replace(b": ", b":\t ") + LENGTH.replace(b"10", b" 10 \t"),
        TYPE + LENGTH.replace(b"10", b"000000000000000010"),
        TYPE.replace(b"\r", b"\t;\r") + LENGTH,
    ],
)
def test_a_form_on_its_way_holds_up_nobody(recording: Recording, lines: bytes) -> None:
    address, executed = recording
    executed()
    with socket.create_connection(address, timeout=30) as client:
        client.sendall(HEAD + lines + b"\r\na=b")

        assert is_served(address)
        client.sendall(b"&cc=ddd")

        assert client.recv(65536).startswith(b"HTTP/1.1 200")
    assert list(executed()) == ["GET /other", "POST /form a=b&cc=ddd"]


def test_half_a_form_is_never_taken_for_a_whole_one(recording: Recording) -> None:
    address, executed = recording
    executed()
    with socket.create_connection(address, timeout=30) as client:
        client.sendall(HEAD + TYPE + LENGTH + b"\r\na=b")
        client.shutdown(socket.SHUT_WR)

        assert client.recv(65536).startswith(b"HTTP/1.1 400")
    assert list(executed()) == ["POST /form (cut short)"]


def test_a_form_behind_another_request_is_read_to_its_end(recording: Recording) -> None:
    address, executed = recording
    executed()
    form = HEAD + TYPE + LENGTH + b"\r\na=b&cc=ddd"
    with socket.create_connection(address, timeout=30) as client:
        client.sendall(form + form[:-3])
        first = client.recv(65536)
        client.sendall(form[-3:])

        assert first.startswith(b"HTTP/1.1 200")
        assert client.recv(65536).startswith(b"HTTP/1.1 200")
    assert list(executed()) == ["POST /form a=b&cc=ddd"] * 2
