"""Header fields are read strictly; what is kept of them for the next request of a connection changes nothing but the time it takes."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pywharf.web.errors import RequestInvalid
from pywharf.web.server.header_fields import KEPT_BYTES, KEPT_FIELDS, Field, Fields, check_framing, good_fields, read_fields
from pywharf.web.server.listening import listen
from pywharf.web.server.run import running

from .conftest import Raw, SmallApp, started, wait_until

pytestmark = pytest.mark.any_python

LINE = b"GET / HTTP/1.1\r\n"


@given(st.binary(max_size=300))
def test_any_bytes_are_a_head_or_refused(raw: bytes) -> None:
    try:
        fields = read_fields(io.BytesIO(raw + b"\r\n\r\n"))
    except RequestInvalid:
        return
    check_framing(fields, "HTTP/1.1")


# --- several requests of one connection -------------------------------------------------------------------------------


class Spoiling:
    """Remembers what it was asked, and then does to its environ what WSGI allows: it is its own."""

    def __init__(self) -> None:
        self.asked: list[dict[str, object]] = []

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        body = environ["wsgi.input"].read()
        told = {name: value for name, value in environ.items() if name not in ("REMOTE_PORT", "wsgi.input", "wsgi.errors")}
        self.asked.append({**told, "body": body})
        for name in list(environ):
            environ[name] = "spoiled"
        del environ["PATH_INFO"]
        environ["HTTP_X_MADE_UP"] = "1"
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]


APP = Spoiling()
FIELDS = st.sampled_from(
    [
        b"Host: a\r\n",
        b"Host: a\r\nAuthorization: Basic YTpi\r\n",
        b"Host: a\r\nAuthorization: Basic YTpj\r\n",
        b"Host: a\r\nAccept: text/html\r\naccept: */*\r\nX_Y: 1\r\n",
        b"Host: a\r\nAccept: text/html\r\naccept: *\r\nX_Y: 1\r\n",
        b"Host: a\r\nX-A: " + b"a" * KEPT_BYTES + b"\r\n",
        b"Host: b:1\r\nContent-Type: text/plain\r\nCookie: a=b\r\nCookie: c=d\r\n",
        b"Host: a\r\n" + b"".join(b"X-%d: 1\r\n" % number for number in range(KEPT_FIELDS)),
    ]
)
PATHS = st.sampled_from([b"/", b"/a?b=c", b"/a%20b?", b"/simple/x/", b"//x"[1:] + b"~"])


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    method, version = draw(st.sampled_from([b"GET", b"GET", b"HEAD", b"POST", b"PUT"])), draw(st.sampled_from([b"1.1", b"1.1", b"1.0"]))
    body = draw(st.sampled_from([b"", b"", b"12345"]))
    head = b"%b %b HTTP/%b\r\n%b" % (method, draw(PATHS), version, draw(FIELDS))
    head += b"Connection: keep-alive\r\n" if version == b"1.0" else b""
    return head + (b"Content-Length: %d\r\n" % len(body) if body or method == b"POST" else b"") + b"\r\n" + body


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with running(APP, listen("127.0.0.1", 0), options={"numthreads": 2, "shutdown_timeout": 1}) as address:
        yield address


def ask(raw: Raw, request: bytes) -> None:
    raw.send(request)
    head = raw.head()
    assert head.startswith(b"HTTP/1.1 200"), head
    if not request.startswith(b"HEAD"):
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        while length:
            length -= len(raw.socket.recv(length))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(requests(), min_size=1, max_size=6))
def test_requests_of_one_connection_are_what_they_are_on_connections_of_their_own(address: str, sent: list[bytes]) -> None:
    APP.asked.clear()
    one = Raw(address)
    for request in sent:
        ask(one, request)
    one.close()
    together = APP.asked.copy()
    APP.asked.clear()
    for request in sent:
        own = Raw(address)
        ask(own, request)
        own.close()

    assert together == APP.asked


@pytest.mark.parametrize(
    "block",
    [b"X-A: " + b"a" * 30_000 + b"\r\n", b"".join(b"X-%d:\r\n" % number for number in range(190))],
    ids=["a long field", "many fields"],
)
def test_of_many_header_fields_nothing_is_kept_while_a_connection_waits(small_app: SmallApp, block: bytes) -> None:
    """Thousands of connections wait; whoever opened them may have sent the most that is taken, without any secret."""
    with started(small_app) as server:
        raw = Raw(server.address)
        for fields, are_kept in ((b"", True), (block, False)):
            raw.send(LINE + b"Host: a\r\n" + fields + b"\r\n")
            assert raw.head().startswith(b"HTTP/1.1 200")
            raw.socket.recv(5)
            wait_until(lambda: server._connections.waiting.idle == 1)
            (connection,) = server.open_connections
            assert (connection.fields is not None) is are_kept


def test_other_fields_than_those_before_are_checked_as_strictly(small_app: SmallApp) -> None:
    with started(small_app) as server:
        for wrong in (b"Host: a\r\nHost: a\r\n", b"", b"Host: a\r\nContent-Length: +0\r\n", b"Host: a\r\nTransfer-Encoding: chunked\r\n"):
            raw = Raw(server.address)
            raw.send((LINE + b"Host: a\r\n\r\n") * 2 + LINE + wrong + b"\r\n")
            statuses = [line.split()[1] for line in raw.rest().splitlines() if b"HTTP/1.1 " in line]
            assert statuses in ([b"200", b"200", b"400"], [b"200", b"200", b"411"])


def test_the_same_fields_in_another_version_of_http_are_read_anew(small_app: SmallApp) -> None:
    """Only HTTP/1.1 has to say a host, and stays open without being asked to."""
    with started(small_app) as server:
        raw, other = Raw(server.address), Raw(server.address)
        raw.send(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET / HTTP/1.1\r\nConnection: keep-alive\r\n\r\n")
        other.send(LINE + b"Host: a\r\n\r\nGET / HTTP/1.0\r\nHost: a\r\n\r\n" + LINE + b"Host: a\r\n\r\n")

        assert raw.rest().count(b"HTTP/1.1 400 Missing Host") == 1
        assert other.rest().count(b"HTTP/1.1 200") == 2


_LINES = st.sampled_from([b"A: 1", b"A: 2", b"a: 1", b"B:\t x ", b"Cookie: a=1", b"Cookie: b=2", b"X_Y: 1", b"Host: a", b"Content-Type: t"])


@given(st.lists(st.lists(_LINES, max_size=6), max_size=5))
def test_lines_that_are_known_already_are_read_as_new_ones_are(blocks: list[list[bytes]]) -> None:
    known: Fields | None = None
    for block in blocks:
        raw = b"".join(line + b"\r\n" for line in block) + b"\r\n"
        try:
            expected = read_fields(io.BytesIO(raw))
        except RequestInvalid:
            with pytest.raises(RequestInvalid):
                read_fields(io.BytesIO(raw), known and known.lines, {})
            continue
        lines: dict[bytes, Field] = {}
        found = read_fields(io.BytesIO(raw), known and known.lines, lines)
        known = good_fields(raw, "HTTP/1.1", found, lines)

        assert found == expected
        assert known.environ == {
            name.upper().replace("-", "_") if name == "Content-Type" else "HTTP_" + name.upper(): value
            for name, value in ((name.decode(), value.decode()) for name, value in expected.items())
        }


_CHANGED = [
    b"If-None-Match: a",
    b"If-None-Match: bb",
    b"if-none-match:\t cc",
    b"Accept: 1",
    b"Accept: 22",
    b"X-Accept: 1",
    b"Accept",
    b"Cookie: a=1",
]
_CHANGED += [
    b"Cookie: b=2",
    b"Range: b=1-2",
    b"Range:\x00",
    b"A: 1",
    b"Connection: close",
    b"Content-Length: 1",
    b"Host: a",
    b"Host: b",
    b"",
]


@given(st.lists(st.sampled_from(_CHANGED), max_size=6), st.lists(st.sampled_from(_CHANGED), min_size=1, max_size=2), st.integers(0, 6))
@example([b"Host: a", b"Accept: 1", b"If-None-Match: a"], [b"If-None-Match: bb"], 2)
@example([b"Host: a", b"X-Accept: 1", b"Accept: 1"], [b"X-Accept: 22"], 1)
@example([b"Host: a", b"Accept: 1", b"Accept: 22"], [b"Accept: 22"], 1)
@example([b"Host: a", b"Accept: 1"], [b"Accept: 1", b"Host: b"], 1)
def test_fields_of_which_one_line_changes_are_what_they_are_when_all_are_read(lines: list[bytes], changed: list[bytes], at: int) -> None:
    before = all_read(lines)
    later = lines[:at] + changed + lines[at + 1 :]
    raw = b"".join(line + b"\r\n" for line in [*later, b""])
    expected = all_read(later)
    if before is None or isinstance(before, str):
        return
    if isinstance(expected, str):
        assert before.for_block(raw, "HTTP/1.1") is None
        return
    found = before.for_block(raw, "HTTP/1.1")
    if found is not None:
        assert isinstance(expected, Fields)
        assert found[:1] + found[2:6] == expected[:1] + expected[2:6]  # all but what is for the next ones


def all_read(lines: list[bytes]) -> Fields | str | None:
    """The fields, or what is told where they are malformed; None where their end is not certain."""
    raw = b"".join(line + b"\r\n" for line in [*lines, b""])
    read: dict[bytes, Field] = {}
    try:
        by_name = read_fields(io.BytesIO(raw), None, read)
    except RequestInvalid as error:
        return str(error)
    return None if check_framing(by_name, "HTTP/1.1") else good_fields(raw, "HTTP/1.1", by_name, read)


def test_the_tag_of_a_conditional_request_alone_is_read_anew() -> None:
    before = all_read([b"Host: a", b"Accept: 1", b"If-None-Match: a"])
    assert isinstance(before, Fields)

    found = before.for_block(b"Host: a\r\nAccept: 1\r\nIf-None-Match: bcd\r\n\r\n", "HTTP/1.1")

    assert found is not None
    assert (found.by_name[b"If-None-Match"], found.environ["HTTP_IF_NONE_MATCH"]) == (b"bcd", "bcd")
    assert before.for_block(b"Host: b\r\nAccept: 1\r\nIf-None-Match: a\r\n\r\n", "HTTP/1.1") is None
    assert before.for_block(before.block, "HTTP/1.0") is None
