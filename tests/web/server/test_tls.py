"""TLS: what a certificate may be, and handshakes that hold up nobody."""

from __future__ import annotations

import http.client
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import trustme

from pywharf.errors import ConfigInvalid
from pywharf.web.server.listening import listen
from pywharf.web.server.run import running
from pywharf.web.server.tls import THREADS, tls_context

from .conftest import Raw, SmallApp

GET = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
SOON = 30  # seconds


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA(key_type=trustme.KeyType.ECDSA)


@pytest.fixture(scope="module")
def pem(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificate and key of 127.0.0.1 in one file."""
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    authority.issue_cert("127.0.0.1", key_type=trustme.KeyType.ECDSA).private_key_and_cert_chain_pem.write_to_path(path)
    return path


@pytest.fixture
def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.fixture
def address(small_app: SmallApp, pem: Path) -> Iterator[str]:
    options = {"numthreads": 2, "head_timeout": 1.0, "shutdown_timeout": 5}
    with running(small_app, listen("127.0.0.1", 0), options=options, tls=tls_context(str(pem), "")) as address:
        yield address


def get(address: str, trusting: ssl.SSLContext, path: str = "/") -> tuple[int, bytes]:
    connection = http.client.HTTPSConnection(address, timeout=SOON, context=trusting)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def test_requests_are_answered_and_the_application_knows_that_it_is_https(
    address: str, small_app: SmallApp, trusting: ssl.SSLContext
) -> None:
    connection = http.client.HTTPSConnection(address, timeout=SOON, context=trusting)
    for _ in range(3):
        connection.request("POST", "/read", b"x" * 100_000)
        assert connection.getresponse().read() == b"x" * 100_000
    connection.close()

    assert small_app.environs[0]["wsgi.url_scheme"] == "https"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_both_versions_that_are_safe_are_spoken(address: str, trusting: ssl.SSLContext, version: ssl.TLSVersion) -> None:
    trusting.minimum_version = trusting.maximum_version = version

    assert get(address, trusting) == (200, b"hello")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
def test_an_old_version_is_not(address: str, trusting: ssl.SSLContext) -> None:
    trusting.set_ciphers("ALL:@SECLEVEL=0")
    trusting.minimum_version = trusting.maximum_version = ssl.TLSVersion.TLSv1_1

    with pytest.raises((ssl.SSLError, ConnectionError)):
        get(address, trusting)


def test_clients_that_are_mute_or_stop_in_the_middle_hold_up_nobody(address: str, trusting: ssl.SSLContext) -> None:
    with ExitStack() as stack:
        for number in range(30):
            raw = Raw(address)
            stack.callback(raw.close)
            raw.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[: number % 11])

        for _ in range(THREADS + 1):
            assert get(address, trusting) == (200, b"hello")


@pytest.mark.any_python
def test_a_handshake_that_is_not_finished_in_time_ends(address: str) -> None:
    raw = Raw(address)
    raw.send(b"\x16\x03\x01")
    began = time.monotonic()

    assert raw.rest() == b""
    assert time.monotonic() - began < SOON


@pytest.mark.any_python
def test_a_head_that_is_not_finished_in_time_is_refused(address: str, trusting: ssl.SSLContext) -> None:
    with (
        socket.create_connection(address.split(":"), timeout=SOON) as plain,
        trusting.wrap_socket(plain, server_hostname="127.0.0.1") as tls,
    ):
        tls.sendall(GET[:10])

        assert tls.recv(1000).startswith(b"HTTP/1.1 408")


def test_plain_http_is_told_that_it_is_at_the_wrong_port(address: str) -> None:
    raw = Raw(address)
    raw.send(GET)

    answer = raw.rest()

    assert answer.startswith(b"HTTP/1.1 400")
    assert b"use an https address" in answer


def test_what_the_client_sent_together_with_its_handshake_is_not_forgotten(address: str, trusting: ssl.SSLContext) -> None:
    """Records that arrive with the end of the handshake are in OpenSSL's hands then: no selector tells of them."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = trusting.wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
    with socket.create_connection(address.split(":"), timeout=SOON) as plain:
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                plain.sendall(outgoing.read())
                incoming.write(plain.recv(65536))
        tls.write(GET.replace(b"Connection: close", b"X: y") + GET)  # two requests, and the last of the handshake, in one piece
        plain.sendall(outgoing.read())
        answer = b""
        while answer.count(b"hello") < 2:
            try:
                answer += tls.read(65536)
            except ssl.SSLWantReadError:
                received = plain.recv(65536)
                assert received, answer
                incoming.write(received)


def test_requests_in_one_record_are_all_answered_whichever_thread_has_the_first(
    address: str, trusting: ssl.SSLContext, small_app: SmallApp
) -> None:
    """What TLS has taken off the socket already no selector tells of."""
    kept = GET.replace(b"Connection: close\r\n", b"")
    with Raw(address).socket as plain, trusting.wrap_socket(plain, server_hostname="127.0.0.1") as client:
        for count in (1, 3, 2):
            client.sendall(kept * count)
            received = b""
            while received.count(b"hello") < count:
                received += client.recv(65536)
            assert received.count(b"HTTP/1.1 200") == count
        client.sendall(kept + GET[:20])
        client.sendall(GET[20:])
        while piece := client.recv(65536):
            received += piece
    assert len(small_app.asked) == 8


def test_a_slow_reader_holds_no_thread(pem: Path, trusting: ssl.SSLContext) -> None:
    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Length", "20000000")])
        return (b"x" * 100_000 for _ in range(200))

    with (
        running(app, listen("127.0.0.1", 0), options={"numthreads": 1}, tls=tls_context(str(pem), "")) as address,
        socket.create_connection(address.split(":"), timeout=SOON) as plain,
        trusting.wrap_socket(plain, server_hostname="127.0.0.1") as slow,
    ):
        slow.sendall(GET)
        slow.recv(10)

        assert get(address, trusting) == (200, b"x" * 20_000_000)
        received = 10
        while piece := slow.recv(1_000_000):
            received += len(piece)
    assert received > 20_000_000


# --- what is given ---------------------------------------------------------------------------------------------------


def told(certificate: Path | str, key: Path | str = "") -> str:
    with pytest.raises(ConfigInvalid) as caught:
        tls_context(str(certificate), str(key))
    return str(caught.value)


def test_a_file_that_is_not_there_is_named(pem: Path, tmp_path: Path) -> None:
    assert told(tmp_path / "none").startswith("--tls_cert")
    assert told(pem, tmp_path / "none").startswith("--tls_key")


def test_a_key_of_another_certificate_is_told(authority: trustme.CA, pem: Path, tmp_path: Path) -> None:
    authority.issue_cert("other.example", key_type=trustme.KeyType.ECDSA).private_key_pem.write_to_path(tmp_path / "key")

    assert "is not the key of this certificate" in told(pem, tmp_path / "key")


def test_what_is_no_pem_is_told(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello")

    assert "have to be PEM" in told(tmp_path / "text")


def test_a_key_with_a_password_is_told_and_nobody_is_asked_for_it(authority: trustme.CA, pem: Path, tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization

    key = serialization.load_pem_private_key(authority.issue_cert("127.0.0.1").private_key_pem.bytes(), None)
    (tmp_path / "key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"hunter22"))
    )

    assert "without" in told(pem, tmp_path / "key")
