"""The table of raw requests: what is sent, and what may come of it.

A request that two parties could read differently has one right outcome: it is refused, the connection ends, and nothing of it, nor of
what came behind it, is executed. One that can be read in one way only may be refused too, or read in that way.

Sources: RFC 9112 (2.2 line ends, 2.3 version, 3 request line, 3.2 target and Host, 5 fields, 6 body, 9.6 close), RFC 9110 (5.5 values, 8.6
Content-Length, 10.1.1 Expect), RFC 6585 (431).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

HOST = b"Host: pywharf.test\r\n"
GET = b"GET /first HTTP/1.1\r\n" + HOST
MARKER = b"GET /marker HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"
FIRST, SECOND = "GET /first", "GET /marker"
READ = ("POST /read 12345", SECOND)
CUT = "(cut short)"


@dataclass(frozen=True)
class Case:
    """A request, to be sent at once with the marker behind it.

    raw: its bytes. refusals: the statuses it may be refused with. readings: what may be executed in place of that, each a list of
    "METHOD path body"; where there is none the request is ambiguous or malformed. lone: nothing is sent behind it.
    ends: the client then says that it has finished. interim: whether "100 Continue" may come.
    """

    group: str
    name: str
    raw: bytes = field(repr=False)
    refusals: frozenset[str] = frozenset({"400"})
    readings: tuple[tuple[str, ...], ...] = ()
    lone: bool = False
    ends: bool = False
    interim: bool = False

    @property
    def sent(self) -> bytes:
        return self.raw if self.lone else self.raw + MARKER


def _case(group: str, name: str, raw: bytes, refusals: str = "400", *readings: tuple[str, ...], **more: bool) -> Case:
    return Case(group, name, raw, frozenset(refusals.split()), readings, **more)


def _post(lines: bytes, body: bytes = b"12345", target: bytes = b"/read", version: bytes = b"HTTP/1.1") -> bytes:
    return b"POST " + target + b" " + version + b"\r\n" + HOST + lines + b"\r\n" + body


def _lengths() -> Iterator[Case]:
    cl = b"Content-Length: "
    refused: list[tuple[str, bytes]] = [
        ("two, different", cl + b"5\r\n" + cl + b"6\r\n"),
        ("two, the same", cl + b"5\r\n" + cl + b"5\r\n"),
        ("two, spelled differently", cl + b"5\r\ncontent-length: 0\r\n"),
        ("a list of the same", cl + b"5, 5\r\n"),
        ("a list of different ones", cl + b"5, 0\r\n"),
        ("-1", cl + b"-1\r\n"),
        ("-5", cl + b"-5\r\n"),
        ("-0", cl + b"-0\r\n"),
        ("+5", cl + b"+5\r\n"),
        ("1_0", cl + b"1_0\r\n"),
        ("0x5", cl + b"0x5\r\n"),
        ("5.0", cl + b"5.0\r\n"),
        ("5e0", cl + b"5e0\r\n"),
        ("two words", cl + b"5 0\r\n"),
        ("a vertical tab in front", cl + b"\x0b5\r\n"),
        ("a superscript digit", cl + b"\xb2\r\n"),
        ("Arabic digits", cl + "\u0665".encode() + b"\r\n"),
        ("quoted", cl + b'"5"\r\n'),
        ("empty", b"Content-Length:\r\n"),
        ("a semicolon behind", cl + b"5;\r\n"),
        ("a space before the colon", b"Content-Length : 5\r\n"),
        ("a tab before the colon", b"Content-Length\t: 5\r\n"),
        ("NUL before the colon", b"Content-Length\x00: 5\r\n"),
        ("folded", b"Content-Length:\r\n 5\r\n"),
    ]
    for name, lines in refused:
        yield _case("Content-Length", name, _post(lines))
    yield _case("Content-Length", "-1, unread", _post(cl + b"-1\r\n", b"", b"/unread"))
    yield _case("Content-Length", "two, different, unread", _post(cl + b"0\r\n" + cl + b"5\r\n", target=b"/unread"))
    yield _case("Content-Length", "thirty digits", _post(cl + b"9" * 30 + b"\r\n"), "400 413")
    yield _case("Content-Length", "5000 digits", _post(cl + b"1" * 5000 + b"\r\n"), "400 413")
    yield _case("Content-Length", "leading zeros", _post(cl + b"0005\r\n"), "400", READ)
    yield _case("Content-Length", "spaces around", _post(b"Content-Length: \t 5 \t\r\n"), "400", READ)
    yield _case(
        "Content-Length", "an underscore in the name is another field", _post(b"Content_Length: 5\r\n", b""), "400", ("POST /read", SECOND)
    )


def _codings() -> Iterator[Case]:
    te, chunks = b"Transfer-Encoding: chunked\r\n", b"5\r\n12345\r\n0\r\n\r\n"
    refused: list[tuple[str, bytes]] = [
        ("with a length", te + b"Content-Length: 5\r\n"),
        ("behind a length", b"Content-Length: 5\r\n" + te),
        ("behind length 0", b"Content-Length: 0\r\n" + te),
        ("with a length that is none", te + b"Content-Length: x\r\n"),
        ("a tab behind", b"Transfer-Encoding: chunked\t\r\nContent-Length: 5\r\n"),
        ("a tab in front", b"Transfer-Encoding:\tchunked\r\nContent-Length: 5\r\n"),
        ("a vertical tab in front", b"Transfer-Encoding:\x0bchunked\r\nContent-Length: 5\r\n"),
        ("quoted", b'Transfer-Encoding: "chunked"\r\nContent-Length: 5\r\n'),
        ("in quotes of one sort", b"Transfer-Encoding: 'chunked'\r\nContent-Length: 5\r\n"),
        ("in capitals", b"Transfer-Encoding: CHUNKED\r\nContent-Length: 5\r\n"),
        ("xchunked", b"Transfer-Encoding: xchunked\r\n"),
        ("chunked1", b"Transfer-Encoding: chunked1\r\n"),
        ("identity", b"Transfer-Encoding: identity\r\nContent-Length: 5\r\n"),
        ("identity, chunked", b"Transfer-Encoding: identity, chunked\r\n"),
        ("chunked, identity", b"Transfer-Encoding: chunked, identity\r\n"),
        ("gzip, chunked", b"Transfer-Encoding: gzip, chunked\r\n"),
        ("chunked twice in one line", b"Transfer-Encoding: chunked, chunked\r\n"),
        ("two lines, the same", te + te),
        ("two lines, different", te + b"Transfer-Encoding: x\r\n"),
        ("two lines, identity first", b"Transfer-Encoding: identity\r\n" + te),
        ("folded", b"Transfer-Encoding:\r\n chunked\r\nContent-Length: 5\r\n"),
        ("folded in the middle", b"Transfer-Encoding: x\r\n\tchunked\r\n"),
        ("behind a bare LF in another value", b"X-A: b\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n"),
        ("behind a bare CR in another value", b"X-A: b\rTransfer-Encoding: chunked\r\nContent-Length: 5\r\n"),
        ("NUL behind", b"Transfer-Encoding: chunked\x00\r\nContent-Length: 5\r\n"),
        ("a space before the colon", b"Transfer-Encoding : chunked\r\nContent-Length: 5\r\n"),
        ("empty", b"Transfer-Encoding:\r\nContent-Length: 5\r\n"),
    ]
    for name, lines in refused:
        yield _case("Transfer-Encoding", name, _post(lines, chunks), "400 411 501")
    yield _case("Transfer-Encoding", "in HTTP/1.0", _post(te, chunks, version=b"HTTP/1.0"), "400 411 501")
    yield _case("Transfer-Encoding", "a chunk's size in 0x", _post(te, b"0x5\r\n12345\r\n0\r\n\r\n"), "400 411")
    yield _case("Transfer-Encoding", "a chunk's size with a sign", _post(te, b"+5\r\n12345\r\n0\r\n\r\n"), "400 411")
    yield _case("Transfer-Encoding", "a negative chunk", _post(te, b"-5\r\n12345\r\n0\r\n\r\n"), "400 411")
    yield _case("Transfer-Encoding", "chunks ended by bare LF", _post(te, b"5\n12345\n0\n\n"), "400 411")
    yield _case(
        "Transfer-Encoding",
        "chunked within chunked",
        _post(te, b"f\r\n5\r\n12345\r\n0\r\n\r\n\r\n0\r\n\r\n"),
        "400 411",
        ("POST /read 5\r\n12345\r\n0\r\n\r\n", SECOND),
    )
    yield _case("Transfer-Encoding", "plain", _post(te, chunks), "411", READ)
    yield _case(
        "Transfer-Encoding",
        "plain, unread",
        _post(te, b"%x\r\n" % len(MARKER) + MARKER + b"\r\n0\r\n\r\n", b"/unread"),
        "411",
        ("POST /unread",),
    )
    yield _case(
        "Transfer-Encoding",
        "on GET, unread",
        b"GET /unread HTTP/1.1\r\n" + HOST + te + b"\r\n" + b"%x\r\n" % len(MARKER) + MARKER + b"\r\n0\r\n\r\n",
        "400 411",
        ("GET /unread",),
    )
    yield _case(
        "Transfer-Encoding",
        "a request in the trailers",
        _post(te, b"5\r\n12345\r\n0\r\n" + MARKER),
        "411",
        ("POST /read 12345",),
        lone=True,
    )
    yield _case(
        "Transfer-Encoding",
        "an underscore in the name is another field",
        _post(b"Transfer_Encoding: chunked\r\nContent-Length: 5\r\n"),
        "400",
        READ,
    )


def _line_ends() -> Iterator[Case]:
    refused: list[tuple[str, bytes]] = [
        ("bare LF everywhere", b"GET /first HTTP/1.1\nHost: pywharf.test\n\n"),
        ("bare LF behind the request line", b"GET /first HTTP/1.1\n" + HOST + b"\r\n"),
        ("bare LF behind a field", GET + b"X-A: b\nX-B: c\r\n\r\n"),
        ("bare LF at the empty line", GET + b"\n"),
        ("LF CR for CR LF", b"GET /first HTTP/1.1\n\rHost: pywharf.test\n\r\n\r"),
        ("LF CR behind a field", GET + b"X-A: b\n\r\r\n"),
        ("bare CR everywhere", b"GET /first HTTP/1.1\rHost: pywharf.test\r\r"),
        ("bare CR behind the request line", b"GET /first HTTP/1.1\r" + HOST + b"\r\n"),
        ("bare CR in a value", GET + b"X-A: b\rc\r\n\r\n"),
        ("CR CR LF behind a field", GET + b"X-A: b\r\r\n\r\n"),
        ("CR CR LF behind the request line", b"GET /first HTTP/1.1\r\r\n" + HOST + b"\r\n"),
        ("CR CR LF at the end", GET + b"\r\r\n"),
        ("a space at the empty line", GET + b" \r\n\r\n"),
        ("a tab at the empty line", GET + b"\t\r\n\r\n"),
        ("a space before the request line", b" " + GET + b"\r\n"),
        ("an empty line with a space first", b" \r\n" + GET + b"\r\n"),
    ]
    for name, raw in refused:
        yield _case("line ends", name, raw)
    yield _case("line ends", "bare LF everywhere, and nothing behind", b"GET /first HTTP/1.1\nHost: pywharf.test\n\n", lone=True)
    yield _case("line ends", "an empty line first", b"\r\n" + GET + b"\r\n", "400", (FIRST, SECOND))
    yield _case("line ends", "a thousand empty lines first", b"\r\n" * 1000 + GET + b"\r\n", "400", (FIRST, SECOND))
    yield _case("line ends", "a bare LF first", b"\n" + GET + b"\r\n")


def _fields() -> Iterator[Case]:
    refused: list[tuple[str, bytes]] = [
        ("a space before the colon", b"X-A : b"),
        ("a tab before the colon", b"X-A\t: b"),
        ("NUL in a name", b"X-\x00A: b"),
        ("no name", b": b"),
        ("no colon", b"nonsense"),
        ("a parenthesis in a name", b"X(A): b"),
        ("a quote in a name", b'"X-A": b'),
        ("a space in a name", b"X A: b"),
        ("an 8-bit name", b"X-\xc3\x84: b"),
        ("DEL in a name", b"X-\x7f: b"),
        ("a slash in a name", b"X/A: b"),
        ("NUL in a value", b"X-A: b\x00c"),
        ("SOH in a value", b"X-A: b\x01c"),
        ("a vertical tab in a value", b"X-A: b\x0bc"),
        ("ESC in a value", b"X-A: \x1b[31m"),
        ("DEL in a value", b"X-A: b\x7f"),
        ("two Authorizations", b"Authorization: Basic YTpi\r\nAuthorization: Basic YTpj"),
        ("two Content-Types", b"Content-Type: text/plain\r\nContent-Type: text/html"),
        ("folded, the last", b"X-A: b\r\n c"),
        ("folded with a tab", b"X-A: b\r\n\tc"),
        ("folded, in the middle", b"X-A: b\r\n c\r\nX-B: d"),
    ]
    for name, lines in refused:
        yield _case("fields", name, GET + lines + b"\r\n\r\n")
    yield _case("fields", "folded, the first", b"GET /first HTTP/1.1\r\n X-A: b\r\n" + HOST + b"\r\n")
    yield _case("fields", "folded Host", b"GET /first HTTP/1.1\r\nHost:\r\n pywharf.test\r\n\r\n")
    yield _case("fields", "an 8-bit value", GET + b"X-A: \xc3\x84\xff\r\n\r\n", "400", (FIRST, SECOND))
    yield _case("fields", "an empty value", GET + b"X-A:\r\n\r\n", "", (FIRST, SECOND))
    yield _case("fields", "underscores are not hyphens", GET + b"X_Trusted: yes\r\n\r\n", "400", (FIRST, SECOND))
    yield _case("fields", "a lone field of 100 kB", GET + b"X-A: " + b"b" * 100_000 + b"\r\n\r\n", "413 431")
    yield _case("fields", "a name of 100 kB", GET + b"X" * 100_000 + b": b\r\n\r\n", "400 413 431")
    yield _case("fields", "10,000 fields", GET + b"X-A: b\r\n" * 10_000 + b"\r\n", "400 413 431")


def _hosts() -> Iterator[Case]:
    line = b"GET /first HTTP/1.1\r\n"
    refused: list[tuple[str, bytes]] = [
        ("none", b""),
        ("two, different", b"Host: a\r\nHost: b\r\n"),
        ("two, the same", b"Host: a\r\nHost: a\r\n"),
        ("a list", b"Host: a, b\r\n"),
        ("with a path", b"Host: a/b\r\n"),
        ("with a user", b"Host: user@a\r\n"),
        ("with a user and a secret", b"Host: user:secret@a\r\n"),
        ("with a query", b"Host: a?b\r\n"),
        ("with a fragment", b"Host: a#b\r\n"),
        ("with a backslash", b"Host: a\\b\r\n"),
        ("with a space", b"Host: a b\r\n"),
        ("with a scheme", b"Host: http://a\r\n"),
        ("a port that is none", b"Host: a:b\r\n"),
        ("two ports", b"Host: a:1:2\r\n"),
        ("a port with a sign", b"Host: a:+80\r\n"),
        ("half a bracket", b"Host: [::1\r\n"),
        ("8-bit", b"Host: \xc3\xa4\r\n"),
        ("quoted", b'Host: "a"\r\n'),
        ("a space before the colon", b"Host : a\r\n"),
    ]
    for name, lines in refused:
        yield _case("Host", name, line + lines + b"\r\n")
    yield _case("Host", "none in HTTP/1.0", b"GET /first HTTP/1.0\r\n\r\n", "400", (FIRST,))
    yield _case("Host", "empty", line + b"Host:\r\n\r\n", "400", (FIRST, SECOND))
    yield _case("Host", "IPv6 and a port", line + b"Host: [::1]:8888\r\n\r\n", "", (FIRST, SECOND))
    yield _case("Host", "in capitals", line + b"HOST: PYWHARF.TEST:8888\r\n\r\n", "", (FIRST, SECOND))
