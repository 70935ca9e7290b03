"""The second half of the table: request lines, what is said of the connection, and bodies."""

from __future__ import annotations

from collections.abc import Iterator

from .framing_cases import CUT, FIRST, GET, HOST, MARKER, READ, SECOND, Case, _case, _codings, _fields, _hosts, _lengths, _line_ends, _post


def _asked(line: bytes) -> bytes:
    return line + b"\r\n" + HOST + b"\r\n"


def _targets() -> Iterator[Case]:
    refused: list[tuple[str, bytes]] = [
        ("absolute, another host's", b"http://evil.example/first"),
        ("absolute, with a user", b"http://user@pywharf.test/first"),
        ("two slashes and a host", b"//evil.example/first"),
        ("two slashes and half a bracket", b"//["),
        ("absolute with half a bracket", b"http://[/"),
        ("an authority", b"evil.example:80"),
        ("an asterisk", b"*"),
        ("no slash", b"first"),
        ("a query alone", b"?first"),
        ("a scheme that is none", b"javascript:alert(1)"),
        ("a backslash in front", b"\\first"),
        ("a fragment", b"/first#there"),
        ("8-bit", b"/f\xc3\xa4rst"),
        ("NUL", b"/first\x00"),
        ("SOH", b"/fi\x01rst"),
        ("DEL", b"/first\x7f"),
        ("ESC", b"/first\x1b[2J"),
        ("a tab", b"/first\tthere"),
        ("a space", b"/first there"),
        ("a bare CR", b"/first\rthere"),
    ]
    for name, target in refused:
        yield _case("target", name, _asked(b"GET " + target + b" HTTP/1.1"))
    for target in (
        b"/first%00",
        b"/fi%ffrst",
        b"/first%0d%0aX-A:%20b",
        b"/%2ffirst",
        b"/../first",
        b"/first%",
        b"/first%zz",
        b'/"first"',
        b"/a;b",
    ):
        yield _case("target", f"{target.decode()} is no other path", _asked(b"GET " + target + b" HTTP/1.1"), "400", *_as_is(target))
    yield _case("target", "our own, absolute", _asked(b"GET http://pywharf.test/first HTTP/1.1"), "400", (FIRST, SECOND))
    yield _case("target", "OPTIONS *", _asked(b"OPTIONS * HTTP/1.1"), "400 405 501", ("OPTIONS *", SECOND))
    yield _case("target", "CONNECT", _asked(b"CONNECT evil.example:80 HTTP/1.1"), "400 405 501")
    yield _case("target", "1 MB", _asked(b"GET /" + b"a" * 1_000_000 + b" HTTP/1.1"), "400 414")
    yield _case("target", "100 kB of query", _asked(b"GET /first?" + b"a" * 100_000 + b" HTTP/1.1"), "400 414")


def _as_is(target: bytes) -> tuple[tuple[str, ...], ...]:
    """Decoded as WSGI has it, or kept as it was; never with a byte left out or a folder less."""
    decoded = {b"/first%00": "/first\0", b"/fi%ffrst": "/fi\xffrst", b"/first%0d%0aX-A:%20b": "/first\r\nX-A: b", b"/%2ffirst": "//first"}
    paths = {target.decode(), target.decode().replace("%2f", "%2F"), decoded.get(target, target.decode())}
    return tuple((f"GET {path}", SECOND) for path in sorted(paths))


def _lines() -> Iterator[Case]:
    refused: list[tuple[str, bytes, str]] = [
        ("HTTP/0.9", b"GET /first", "400 505"),
        ("no target", b"GET HTTP/1.1", "400"),
        ("no method", b"/first HTTP/1.1", "400"),
        ("an empty method", b" /first HTTP/1.1", "400"),
        ("two spaces before the target", b"GET  /first HTTP/1.1", "400"),
        ("two spaces before the version", b"GET /first  HTTP/1.1", "400"),
        ("a space at the end", b"GET /first HTTP/1.1 ", "400 505"),
        ("tabs", b"GET\t/first\tHTTP/1.1", "400"),
        ("a tab behind the method", b"GET\t/first HTTP/1.1", "400"),
        ("a form feed behind the method", b"GET\x0c/first HTTP/1.1", "400"),
        ("a word behind the version", b"GET /first HTTP/1.1 x", "400 505"),
        ("HTTP/2.0", b"GET /first HTTP/2.0", "400 505"),
        ("HTTP/9.9", b"GET /first HTTP/9.9", "400 505"),
        ("HTTP/1.10", b"GET /first HTTP/1.10", "400 505"),
        ("HTTP/01.1", b"GET /first HTTP/01.1", "400 505"),
        ("HTTP/1", b"GET /first HTTP/1", "400 505"),
        ("HTTP/1.", b"GET /first HTTP/1.", "400 505"),
        ("HTTP/+1.1", b"GET /first HTTP/+1.1", "400 505"),
        ("HTTP/1.1x", b"GET /first HTTP/1.1x", "400 505"),
        ("HTTP/1_0.1", b"GET /first HTTP/1_0.1", "400 505"),
        ("http/1.1", b"GET /first http/1.1", "400 505"),
        ("HTTPS/1.1", b"GET /first HTTPS/1.1", "400 505"),
        ("HTTP /1.1", b"GET /first HTTP /1.1", "400 505"),
        ("NUL in the method", b"GE\x00T /first HTTP/1.1", "400 501"),
        ("a parenthesis in the method", b"GE(T /first HTTP/1.1", "400 501"),
        ("an 8-bit method", b"G\xc3\x8bT /first HTTP/1.1", "400 501"),
        ("a colon in the method", b"GET: /first HTTP/1.1", "400 501"),
        ("a method of 100 kB", b"A" * 100_000 + b" /first HTTP/1.1", "400 413 414 431 501"),
    ]
    for name, line, refusals in refused:
        yield _case("request line", name, _asked(line), refusals)
    yield _case("request line", "the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "400 505")
    yield _case(
        "request line", "a TLS client's first bytes", b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\n\r\n", "400", lone=True, ends=True
    )
    yield _case("request line", "HTTP/1.2", _asked(b"GET /first HTTP/1.2"), "400 505", (FIRST, SECOND))
    yield _case("request line", "get is not GET", _asked(b"get /first HTTP/1.1"), "400 405 501", ("get /first", SECOND))
    yield _case("request line", "a method nobody knows", _asked(b"FROB /first HTTP/1.1"), "400 405 501", ("FROB /first", SECOND))


def _connections() -> Iterator[Case]:
    for value in (
        b"close",
        b"Close",
        b"CLOSE",
        b"keep-alive, Close",
        b"close, keep-alive",
        b"x,\tclose\t,y",
        b",close",
        b"keep-alive\r\nConnection: close",
    ):
        name = value.decode().replace("\r\nConnection: ", " and, in another line, ").replace("\t", " ")
        yield _case("Connection", name, GET + b"Connection: " + value + b"\r\n\r\n", "", (FIRST,))
    yield _case("Connection", "closed is not close", GET + b"Connection: closed\r\n\r\n", "", (FIRST, SECOND))
    yield _case("Connection", "names Content-Length", _post(b"Connection: Content-Length\r\nContent-Length: 5\r\n"), "400", READ)
    yield _case("Connection", "HTTP/1.0 ends it", b"GET /first HTTP/1.0\r\n" + HOST + b"\r\n", "", (FIRST,))
    yield _case(
        "Connection",
        "HTTP/1.0 may ask to stay",
        b"GET /first HTTP/1.0\r\n" + HOST + b"Connection: Keep-Alive\r\n\r\n",
        "400",
        (FIRST, SECOND),
        (FIRST,),
    )
    yield _case(
        "Connection",
        "no upgrade",
        GET + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n",
        "400 426",
        (FIRST, SECOND),
    )


def _bodies() -> Iterator[Case]:
    length, both = b"Content-Length: 5\r\n", b"Content-Length: %d\r\n" % len(MARKER)
    yield _case("body", "bytes behind it", _post(length, b"12345678"), "400", ("POST /read 12345",), ("POST /read 12345", "678GET /marker"))
    yield _case("body", "an empty line behind it", _post(length, b"12345\r\n"), "400", READ, ("POST /read 12345",))
    yield _case("body", "whole", _post(length), "", READ)
    yield _case("body", "a request within, read", _post(both, MARKER), "", ("POST /read " + MARKER.decode(), SECOND))
    yield _case("body", "a request within, unread", _post(both, MARKER, b"/unread"), "400", ("POST /unread", SECOND), ("POST /unread",))
    yield _case(
        "body",
        "a request within a GET, unread",
        GET.replace(b"/first", b"/unread") + both + b"\r\n" + MARKER,
        "400",
        ("GET /unread", SECOND),
        ("GET /unread",),
    )
    yield _case(
        "body",
        "a request within a HEAD, unread",
        b"HEAD /unread HTTP/1.1\r\n" + HOST + both + b"\r\n" + MARKER,
        "400",
        ("HEAD /unread", SECOND),
        ("HEAD /unread",),
    )
    yield _case("body", "of a GET, read", GET + length + b"\r\n12345", "400", (FIRST + " 12345", SECOND), (FIRST + " 12345",))
    yield _case("body", "ends early", _post(b"Content-Length: 100\r\n"), "400", (f"POST /read {CUT}",), lone=True, ends=True)
    yield _case("body", "ends before it begins", _post(length, b""), "400", (f"POST /read {CUT}",), lone=True, ends=True)
    yield _case(
        "body",
        "a form without a length",
        _post(b"Content-Type: application/x-www-form-urlencoded\r\n", b"12345"),
        "400 411",
        ("POST /read",),
        ("POST /read", "12345GET /marker"),
    )
    expect = b"Expect: 100-continue\r\n" + length
    yield _case("Expect", "100-continue", _post(expect), "417", READ, interim=True)
    yield _case("Expect", "100-Continue", _post(expect.replace(b"c", b"C", 1)), "417", READ, interim=True)
    yield _case(
        "Expect",
        "of a body that is refused",
        _post(b"Expect: 100-continue\r\n" + both, MARKER, b"/unread"),
        "417",
        ("POST /unread",),
        ("POST /unread", SECOND),
    )
    yield _case("Expect", "in HTTP/1.0", _post(expect, version=b"HTTP/1.0"), "400 417", ("POST /read 12345",))
    yield _case("Expect", "without a body", GET + b"Expect: 100-continue\r\n\r\n", "417", (FIRST, SECOND), interim=True)
    yield _case("Expect", "something else", _post(b"Expect: 200-ok\r\n" + length), "400 417", READ)
    yield _case("Expect", "twice", _post(b"Expect: 100-continue\r\nExpect: 100-continue\r\n" + length), "400 417")


CASES: tuple[Case, ...] = tuple(
    case for group in (_lengths, _codings, _line_ends, _fields, _hosts, _targets, _lines, _connections, _bodies) for case in group()
)
