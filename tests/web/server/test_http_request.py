from __future__ import annotations

import http.client
import resource
import socket
import time
from collections.abc import Callable

import pytest

from .conftest import Raw, SmallApp, Starting

HEAD = b"POST /read HTTP/1.1\r\nHost: localhost\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"

AMBIGUOUS = [
    ("two lengths", HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n12345", b"400"),
    ("the same length twice", HEAD + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\n12345", b"400"),
    ("two lengths in one line", HEAD + b"Content-Length: 5, 5\r\n\r\n12345", b"400"),
    ("a negative length", HEAD + b"Content-Length: -1\r\n\r\n", b"400"),
    ("a length with a sign", HEAD + b"Content-Length: +5\r\n\r\n12345", b"400"),
    ("a length with an underscore", HEAD + b"Content-Length: 1_0\r\n\r\n1234567890", b"400"),
    ("a length in hex", HEAD + b"Content-Length: 0x5\r\n\r\n12345", b"400"),
    ("an empty length", HEAD + b"Content-Length:\r\n\r\n", b"400"),
    ("a space before the colon", HEAD + b"Content-Length : 5\r\n\r\n12345", b"400"),
    ("chunked", HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n0\r\n\r\n", b"411"),
    ("chunked and a length", HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", b"411"),
    ("chunked in HTTP/1.0", b"POST /read HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"411"),
    ("an unknown coding", HEAD + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", b"411"),
    ("a chunked GET", b"GET / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"411"),
    ("no Host", b"GET / HTTP/1.1\r\n\r\n", b"400"),
    ("two Hosts", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", b"400"),
    ("two Authorizations", b"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Basic YQ==\r\nAuthorization: Basic YQ==\r\n\r\n", b"400"),
    ("a folded line", b"GET / HTTP/1.1\r\nHost: a\r\nX-A: b\r\n c\r\n\r\n", b"400"),
    ("a line without a name", b"GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", b"400"),
    ("a line without a colon", b"GET / HTTP/1.1\r\nHost: a\r\nnonsense\r\n\r\n", b"400"),
    ("a name that is none", b"GET / HTTP/1.1\r\nHost: a\r\nX(A): b\r\n\r\n", b"400"),
    ("NUL in a value", b"GET / HTTP/1.1\r\nHost: a\r\nX-A: b\x00c\r\n\r\n", b"400"),
    ("a bare CR in a value", b"GET / HTTP/1.1\r\nHost: a\r\nX-A: b\rc\r\n\r\n", b"400"),
    ("a bare LF at the end", b"GET / HTTP/1.1\r\nHost: a\nX-A: b\r\n\r\n", b"400"),
    ("a target no parser likes", b"GET //[ HTTP/1.1\r\nHost: a\r\n\r\n", b"400"),
    ("an absolute target", b"GET http://evil.example/ HTTP/1.1\r\nHost: a\r\n\r\n", b"400"),
    ("a target of two slashes", b"GET //evil.example/ HTTP/1.1\r\nHost: a\r\n\r\n", b"400"),
    ("too many lines", b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X-A: b\r\n" * 300 + b"\r\n", b"400"),
    ("too long a head", b"GET / HTTP/1.1\r\nHost: a\r\nX-A: " + b"b" * 100_000 + b"\r\n\r\n", b"431"),
    ("too long a target", b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", b"414"),
]


@pytest.mark.parametrize(("request_", "status"), [(raw, status) for _, raw, status in AMBIGUOUS], ids=[name for name, _, _ in AMBIGUOUS])
def test_what_could_be_read_in_two_ways_is_refused_and_ends_the_connection(
    app: SmallApp, connect: Callable[[], Raw], request_: bytes, status: bytes
) -> None:
    raw = connect()

    raw.send(request_ + SMUGGLED)
    answer = raw.rest()

    assert answer.startswith(b"HTTP/1.1 " + status)
    assert answer.count(b"HTTP/1.1") == 1
    assert b"Connection: close" in answer
    assert app.asked == []


def test_a_body_that_was_read_leaves_the_connection_open(app: SmallApp, connect: Callable[[], Raw]) -> None:
    raw = connect()

    raw.send(HEAD + b"Content-Length: 5\r\n\r\n12345" + HEAD.replace(b"/read", b"/goodbye") + b"Content-Length: 0\r\n\r\n")
    answer = raw.rest()

    assert answer.count(b"200 OK") == 2
    assert app.read == [b"12345"]


def test_a_body_that_was_not_read_is_never_taken_for_a_request(app: SmallApp, connect: Callable[[], Raw]) -> None:
    raw = connect()

    raw.send(HEAD.replace(b"/read", b"/refuse") + b"Content-Length: %d\r\n\r\n" % len(SMUGGLED) + SMUGGLED + SMUGGLED)
    answer = raw.rest()

    assert answer.startswith(b"HTTP/1.1 401 The secret is wrong\r\n")
    assert b"Connection: close" in answer
    assert app.asked == ["/refuse"]


def test_a_refusal_does_not_wait_for_the_body(connect: Callable[[], Raw]) -> None:
    raw = connect()
    began = time.monotonic()

    raw.send(HEAD.replace(b"/read", b"/refuse") + b"Content-Length: 1000000000\r\n\r\n")
    answer = raw.head()

    assert answer.startswith(b"HTTP/1.1 401")
    assert time.monotonic() - began < 15  # and not the 30 seconds that a body may stand still


def test_a_client_that_goes_on_sending_gets_the_refusal_and_no_broken_pipe(shared_address: str) -> None:
    body = bytes(20_000_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(5):
        connection = http.client.HTTPConnection(shared_address, timeout=30)

        connection.request("POST", "/refuse", body, {"Content-Type": "multipart/form-data"})
        answer = connection.getresponse()

        assert (answer.status, answer.reason, answer.read()) == (401, "The secret is wrong", b"no")
        connection.close()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # kB; nothing was buffered


def test_the_applications_wish_to_close_is_honoured(app: SmallApp, connect: Callable[[], Raw]) -> None:
    raw = connect()

    raw.send(b"GET /goodbye HTTP/1.1\r\nHost: a\r\n\r\n" + SMUGGLED)

    assert raw.rest().count(b"HTTP/1.1 200") == 1
    assert app.asked == ["/goodbye"]


@pytest.mark.parametrize("path", [b"/read", b"/lines"])
def test_a_body_that_ends_before_its_length_is_an_error(app: SmallApp, connect: Callable[[], Raw], path: bytes) -> None:
    raw = connect()

    raw.send(HEAD.replace(b"/read", path) + b"Content-Length: 10\r\n\r\n12345")
    raw.socket.shutdown(socket.SHUT_WR)

    assert raw.rest().startswith(b"HTTP/1.1 400 Cut short")
    assert (app.read, app.cut_short) == ([], 1)


def test_lines_of_a_body_end_with_the_body(app: SmallApp, connect: Callable[[], Raw]) -> None:
    raw = connect()

    raw.send(HEAD.replace(b"/read", b"/lines") + b"Content-Length: 5\r\nConnection: close\r\n\r\na\nb\nc" + SMUGGLED)
    raw.rest()

    assert app.read == [b"a\nb\nc"]


def test_a_client_that_waits_for_it_is_told_to_go_on_when_its_body_is_wanted(app: SmallApp, connect: Callable[[], Raw]) -> None:
    raw = connect()
    raw.send(HEAD + b"Content-Length: 5\r\nExpect: 100-continue\r\n\r\n")

    assert raw.head() == b"HTTP/1.1 100 Continue\r\n\r\n"
    raw.send(b"12345")
    assert raw.head().startswith(b"HTTP/1.1 200 OK")
    assert app.read == [b"12345"]


def test_a_client_that_waits_for_it_is_not_asked_for_a_body_that_is_refused(connect: Callable[[], Raw]) -> None:
    raw = connect()
    raw.send(HEAD.replace(b"/read", b"/refuse") + b"Content-Length: 5\r\nExpect: 100-continue\r\n\r\n")

    assert raw.rest().startswith(b"HTTP/1.1 401")


def test_a_limit_set_for_all_bodies_is_kept_unread(start: Starting, small_app: SmallApp) -> None:
    with start(max_request_body_size=5) as address:
        statuses = []
        for body in (b"12345", b"123456"):
            connection = http.client.HTTPConnection(address, timeout=60)
            connection.request("POST", "/read", body)
            statuses.append(connection.getresponse().status)
            connection.close()

    assert (statuses, small_app.read) == ([200, 413], [b"12345"])


def test_header_fields_that_are_lists_are_joined_and_underscores_pass_for_nothing(app: SmallApp, connect: Callable[[], Raw]) -> None:
    raw = connect()
    raw.send(
        b"GET / HTTP/1.1\r\nHost: a\r\nAccept: text/html\r\naccept: */*\r\nCookie: a=b\r\nCookie: c=d\r\n"
        b"Content_Length: 5\r\nX_Forwarded_For: 127.0.0.1\r\nConnection: CLOSE\r\n\r\n"
    )
    raw.rest()

    (environ,) = app.environs
    assert (environ["HTTP_ACCEPT"], environ["HTTP_COOKIE"]) == ("text/html, */*", "a=b; c=d")
    assert not [name for name in environ if "FORWARDED" in name or name == "CONTENT_LENGTH"]


def test_http_1_0_closes_unless_asked_to_stay(connect: Callable[[], Raw]) -> None:
    raw, staying = connect(), connect()

    raw.send(b"GET / HTTP/1.0\r\n\r\n")
    staying.send(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")

    assert raw.rest().endswith(b"hello")
    assert b"Connection: Keep-Alive" in staying.head()


def test_the_server_tells_no_version(connect: Callable[[], Raw]) -> None:
    raw = connect()
    raw.send(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")

    assert b"\r\nServer: pywharf\r\n" in raw.rest()
