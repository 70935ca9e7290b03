"""How a request is read off a connection, and how a connection ends: Cheroot's classes, made strict.

What two parties could read differently is refused: lengths given twice or with a sign, folded or nameless header lines, chunked
bodies. A body that nobody read is neither read now nor taken for the next request: the connection closes, gently. A body that ends
before its length is an error for whoever reads it.

Sources: RFC 9112, sections 5, 6 and 9.6; RFC 9110, section 10.1.1 (Expect).
"""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from cheroot.server import HTTPConnection, HTTPRequest, KnownLengthRFile

from pywharf.web.errors import BodyCutShort, RequestInvalid

if TYPE_CHECKING:
    from typing import Protocol

    class Lines(Protocol):
        """What a head is read from."""

        def readline(self) -> bytes: ...


MAX_HEADER_LINES = 200
# Said once or not at all; of everything else the values are joined, as RFC 9110, 5.3 has it.
_SINGLE = {b"Authorization", b"Content-Length", b"Content-Type", b"Host", b"Transfer-Encoding", b"Expect", b"Range", b"If-Range", b"Origin"}
_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
_LENGTH = re.compile(rb"[0-9]{1,18}")


def read_fields(lines: Lines) -> dict[bytes, bytes]:
    """Read header lines up to the empty one; names in Cheroot's spelling ("Content-Length"). Raises RequestInvalid.

    A name with an underscore is left out: in a WSGI environ it would pass for the one with a hyphen.
    """
    fields: dict[bytes, bytes] = {}
    for _ in range(MAX_HEADER_LINES):
        line = lines.readline()
        if line == b"\r\n":
            return fields
        if not line.endswith(b"\r\n"):
            raise RequestInvalid("A header line does not end with CRLF")
        name, colon, value = line[:-2].partition(b":")
        if not colon or not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            raise RequestInvalid("A header line is malformed")
        if b"_" in name:
            continue
        name, value = name.title(), value.strip(b" \t")
        if name in fields:
            if name in _SINGLE:
                raise RequestInvalid(f"The header field {name.decode()} comes more than once")
            value = fields[name] + (b"; " if name == b"Cookie" else b", ") + value
        fields[name] = value
    raise RequestInvalid("There are too many header lines")


def check_framing(fields: Mapping[bytes, bytes], protocol: str, max_body: int = 0) -> str:
    """The status to refuse a head with, because where its body ends or whom it is for is not certain; "" where all is well.

    max_body: bytes; 0 leaves that to the application.
    """
    if b"Transfer-Encoding" in fields:
        return "411 Length Required"
    if not _LENGTH.fullmatch(fields.get(b"Content-Length", b"0")):
        return "400 Malformed Content-Length"
    if max_body and int(fields.get(b"Content-Length", b"0")) > max_body:
        return "413 Content Too Large"
    if protocol == "HTTP/1.1" and b"Host" not in fields:
        return "400 Missing Host"
    return ""


class Body(KnownLengthRFile):
    """A body of known length. Reading past what arrived raises BodyCutShort; the first read tells a waiting client to go on."""

    def __init__(self, stream: Any, length: int, connection: Connection, *, expected: bool) -> None:
        super().__init__(stream, length)
        self._connection = connection
        self._expected = expected

    def read(self, size: int | None = None) -> bytes:
        """Up to `size` bytes; fewer only at the end of the body."""
        wanted: int = self.remaining if size is None or size < 0 else min(size, self.remaining)
        self._go_on(wanted)
        chunk: bytes = super().read(wanted) if wanted else b""
        if len(chunk) < wanted:
            raise BodyCutShort
        return chunk

    def readline(self, size: int | None = None) -> bytes:
        """One line, or what there is of it within `size` bytes or the body."""
        wanted: int = self.remaining if size is None or size < 0 else min(size, self.remaining)
        self._go_on(wanted)
        line: bytes = super().readline(wanted) if wanted else b""
        if len(line) < wanted and not line.endswith(b"\n"):
            raise BodyCutShort
        return line

    def __next__(self) -> bytes:
        """The next line; never one of the next request, as Cheroot's could."""
        line = self.readline()
        if not line:
            raise StopIteration
        return line

    def _go_on(self, wanted: int) -> None:
        if wanted and self._expected:
            self._expected = False
            self._connection.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")


class Request(HTTPRequest):
    """One request and its response."""

    conn: Connection

    def __init__(self, server: Any, conn: Connection, *args: Any, **kwargs: Any) -> None:
        super().__init__(server, conn, *args, **kwargs)
        conn.request = self

    def read_request_line(self) -> bool:
        """Cheroot's, but for targets that its URL parser stumbles over."""
        try:
            return bool(super().read_request_line())  # type: ignore[no-untyped-call]  # Cheroot's stubs
        except ValueError:
            self.simple_response("400 Bad Request", "Malformed Request-URI")
            return False

    def read_request_headers(self) -> bool:
        """Read the head, decide about the connection. False where the request was refused."""
        try:
            self.inheaders = read_fields(self.rfile)
        except RequestInvalid as error:
            self.simple_response("400 Bad Request", str(error))
            return False
        refused = check_framing(self.inheaders, self.response_protocol, self.server.max_request_body_size)
        if refused:
            self.simple_response(refused)
            return False
        options = {option.strip().lower() for option in self.inheaders.get(b"Connection", b"").split(b",")}
        is_lasting = self.response_protocol == "HTTP/1.1" or b"keep-alive" in options
        self.close_connection = b"close" in options or not is_lasting
        return True

    def respond(self) -> None:
        """Let the application answer."""
        expected = self.response_protocol == "HTTP/1.1" and self.inheaders.get(b"Expect", b"").lower() == b"100-continue"
        self.rfile = Body(self.conn.rfile, int(self.inheaders.get(b"Content-Length", 0)), self.conn, expected=expected)
        self.server.gateway(self).respond()
        if self.ready:
            self.ensure_headers_sent()
        if self.chunked_write:
            self.conn.wfile.write(b"0\r\n\r\n")

    def send_headers(self) -> None:
        """Send the head of the response. Who has not been read to the end by now is not read any more."""
        if self.rfile.remaining or any(name.lower() == b"connection" and value.lower() == b"close" for name, value in self.outheaders):
            self.close_connection = True  # keeps Cheroot from reading the rest into memory, and from another request
        self.conn.is_lingering = bool(self.rfile.remaining)
        super().send_headers()

    def simple_response(self, status: str, msg: str = "") -> None:
        """Refuse a request that never reached the application, and end the connection."""
        self.close_connection = True
        self.conn.is_lingering = True
        sentence = (msg or str(status)[4:]).encode("ascii", "replace")
        head = f"{self.server.protocol} {status}\r\nServer: {self.server.server_name}\r\nContent-Type: text/plain; charset=utf-8\r\n"
        head += f"X-Content-Type-Options: nosniff\r\nConnection: close\r\nContent-Length: {len(sentence)}\r\n\r\n"
        try:
            self.conn.wfile.write(head.encode("ascii") + sentence)
        except OSError:
            self.conn.is_lingering = False  # nobody is there to be told


class Connection(HTTPConnection):
    """A connection; knows the request it works on, and closes so that a refusal is heard."""

    RequestHandlerClass = Request
    request: Request | None = None
    is_lingering = False

    @property
    def is_idle(self) -> bool:
        """Whether no request has begun to arrive: such a connection may end at any time."""
        return self.request is None or not self.request.started_request

    def close(self) -> None:
        """End the connection. Raises nothing: a worker that closes one would not survive it."""
        with suppress(OSError):
            if not (self.is_lingering or self.linger):
                super().close()
            else:
                self.rfile.close()
                if self.socket.fileno() != -1:
                    # Away from Cheroot's files, which close the socket when they are collected.
                    self.server.lingering.add(socket.socket(fileno=self.socket.detach()))
        with suppress(OSError):
            self.wfile.close()  # where it holds what could not be sent, Python 3.13 would write a traceback when it is collected
