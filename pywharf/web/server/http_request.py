"""How a request is read and answered: Cheroot's request, made strict.

What two parties could read differently is refused, here of the request line, in `header_fields.py` of the rest. A body that nobody read is
neither read now nor taken for the next request: the connection closes, gently.

Sources: RFC 9112, sections 3 and 9.6; PEP 3333.
"""

from __future__ import annotations

import io
import re
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from email.utils import formatdate
from typing import Any, Protocol

from cheroot.server import HTTPRequest

from pywharf.web.errors import RequestInvalid
from pywharf.web.server.body import Body, Source
from pywharf.web.server.header_fields import Field, Fields, check_framing, good_fields, read_fields


class Arrived(Source, Protocol):
    """The connection that a request arrived on."""

    fields: Fields | None  # of the request before, where they are few
    is_tls: bool
    is_lingering: bool
    remote_addr: str
    remote_port: int | None

    @property
    def environ(self) -> Mapping[str, Any]:
        """What the environ of each of its requests has in common."""

    def take_head(self) -> tuple[bytes, str]:
        """The head with its empty line; or the status to refuse it with."""

    def refuse(self, status: str, sentence: str = "") -> None:
        """Tell the client why it is not answered."""


# What nearly every request begins with. Anything else is read by Cheroot, with all the care that takes.
USUAL = re.compile(rb"(GET|HEAD|POST) ((/(?:[A-Za-z0-9._~@+-][A-Za-z0-9._~@+/-]*)?)(?:\?([!-\"$-~]*))?) (HTTP/1\.[01])\r\n")
_LINE = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+ [\x21-\x7e\x80-\xff]+ HTTP/[0-9]\.[0-9]\r\n")


class Request(HTTPRequest):
    """One request, and the head of its response."""

    conn: Arrived
    has_body = False  # whether the response has one that its Content-Length speaks of

    def __init__(self, server: Any, conn: Arrived) -> None:
        super().__init__(server, conn)
        self.scheme = b"https" if conn.is_tls else b"http"
        self._status = ""
        self._headers: list[tuple[str, str]] = []  # of the response
        self._length: int | None = None  # of its body, as they say

    # --- reading ----------------------------------------------------------------------------------------------------

    def parse_request(self) -> None:
        """Read the head that the connection holds. `ready` tells whether it may go on; where not, it has been refused."""
        head, wrong = self.conn.take_head()
        self.started_request = True
        if wrong:
            self.simple_response(wrong)
            return
        self.rfile = io.BytesIO(head)
        self.ready = self.read_request_line() and self.read_request_headers()

    def read_request_line(self) -> bool:
        """Cheroot's, with a short way for what is usual, and no stumbling over targets that its URL parser cannot read."""
        head = self.rfile.getbuffer()
        usual = USUAL.match(head)
        if usual is not None:
            self.method, self.uri, self.path, query, self.request_protocol = usual.groups()
            self.qs = query or b""
            self.authority = b""
            self.response_protocol = self.request_protocol.decode("ascii")
            self.rfile.seek(usual.end())
            return True
        if head[:2] == b"\r\n":  # of which Cheroot would forgive another one
            self.simple_response("400 Bad Request", "Empty lines before the request")
            return False
        if _LINE.match(head) is None:  # Cheroot strips the line, and takes any bytes for a method, any number for a version
            self.simple_response("400 Bad Request", "Malformed Request-Line")
            return False
        try:
            if not super().read_request_line():  # type: ignore[no-untyped-call]  # Cheroot's stubs
                return False
        except ValueError:
            self.simple_response("400 Bad Request", "Malformed Request-URI")
            return False
        if not self.uri.startswith(b"/"):  # OPTIONS *, of which Cheroot makes a path
            self.simple_response("400 Bad Request", "The target of the request has to be a path")
            return False
        return True

    def read_request_headers(self) -> bool:
        """Read the fields, decide about the connection. False where the request was refused."""
        try:
            fields = self._fields_of(self.rfile.read(), self.conn.fields)
        except RequestInvalid as error:
            self.simple_response("400 Bad Request", str(error))
            return False
        if fields is None:
            return False
        self._fields = fields
        self.inheaders = fields.by_name
        self.close_connection = fields.is_last
        return True

    def _fields_of(self, block: bytes, before: Fields | None) -> Fields | None:
        """None where they were refused. before: of an earlier request. Raises RequestInvalid."""
        known = before.for_block(block, self.response_protocol) if before is not None else None
        if known is not None:
            return known
        lines: dict[bytes, Field] = {}
        by_name = read_fields(io.BytesIO(block), before.lines if before is not None else None, lines)
        refused = check_framing(by_name, self.response_protocol, self.server.max_request_body_size)
        if refused:
            self.simple_response(refused)
            return None
        fields = good_fields(block, self.response_protocol, by_name, lines)
        self.conn.fields = fields if fields.are_few else None
        return fields

    # --- answering --------------------------------------------------------------------------------------------------

    def answer(self) -> Iterable[bytes]:
        """Let the application answer; what it gives is still to be sent."""
        expected = self.response_protocol == "HTTP/1.1" and self.inheaders.get(b"Expect", b"").lower() == b"100-continue"
        self.rfile = Body(self.conn, int(self.inheaders.get(b"Content-Length", 0)), self.server.body_pace, expected=expected)
        response: Iterable[bytes] = self.server.wsgi_app(self._environ(), self._start_response)
        return response

    def declared_length(self) -> int | None:
        """The Content-Length of the response, whose head is made by now; None where that has none."""
        return self._length

    def head(self) -> bytes:
        """The head of the response. Who has not been read to the end by now is not read any more."""
        names: dict[str, str] = {}
        lines = [f"HTTP/1.1 {self._status}\r\n"]
        for name, value in self._headers:
            names[name.lower()] = value
            lines.append(f"{name}: {value}\r\n")
        status = int(self._status[:3])
        self.has_body = self.method != b"HEAD" and status >= 200 and status not in (204, 304)
        if self.rfile.remaining or names.get("connection", "").lower() == "close" or not self.server.can_add_keepalive_connection:
            self.close_connection = True
        self.conn.is_lingering = bool(self.rfile.remaining)
        length = names.get("content-length")
        self._length = None if length is None else int(length)
        if self.has_body and length is None:
            if self.response_protocol == "HTTP/1.1":
                self.chunked_write = True
                lines.append("Transfer-Encoding: chunked\r\n")
            else:
                self.close_connection = True  # its end is the end of the body
        if "connection" not in names:
            if self.close_connection:
                lines.append("Connection: close\r\n")
            elif self.response_protocol == "HTTP/1.0":
                lines.append("Connection: Keep-Alive\r\n")
        if "date" not in names:
            lines.append(_date_line(int(time.time())))
        lines.append(self.server.signature)
        return "".join(lines).encode("latin-1")

    def simple_response(self, status: str, msg: str = "") -> None:
        """Refuse a request that never reached the application, and end the connection."""
        self.close_connection = True
        self.conn.refuse(status, msg)

    # --- WSGI -------------------------------------------------------------------------------------------------------

    def _environ(self) -> dict[str, Any]:
        return {
            **self.conn.environ,
            **self._fields.environ,
            "PATH_INFO": self.path.decode("latin-1"),
            "QUERY_STRING": self.qs.decode("latin-1"),
            "REQUEST_METHOD": self.method.decode("latin-1"),
            "REQUEST_URI": self.uri.decode("latin-1"),
            "SERVER_PROTOCOL": self.request_protocol.decode("latin-1"),
            "wsgi.errors": sys.stderr,
            "wsgi.input": self.rfile,
        }

    def _start_response(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], object]:
        if self._status and exc_info is None:
            raise RuntimeError("start_response was called a second time without exc_info")
        if exc_info is not None and self.sent_headers:
            raise exc_info[1]
        self._status = status
        self._headers = headers
        return _no_write


def environ_of(connection: Arrived, address: tuple[str, int]) -> dict[str, Any]:
    """What the environ of each request of a connection has in common. address: the server's."""
    return {
        "ACTUAL_SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": connection.remote_addr or "",
        "REMOTE_PORT": str(connection.remote_port or ""),
        "SCRIPT_NAME": "",
        "SERVER_NAME": address[0],
        "SERVER_PORT": str(address[1]),
        "SERVER_SOFTWARE": "pywharf",
        "wsgi.input_terminated": False,
        "wsgi.multiprocess": True,
        "wsgi.multithread": True,
        "wsgi.run_once": False,
        "wsgi.url_scheme": "https" if connection.is_tls else "http",
        "wsgi.version": (1, 0),
    }


def _no_write(data: bytes) -> object:
    raise NotImplementedError("this server has no write(): let the application return what it has to say")


_dated: tuple[int, str] = (0, "")  # the second, and the line for it


def _date_line(second: int) -> str:
    """The Date field (RFC 9110, 6.6.1), made once a second."""
    global _dated
    if _dated[0] != second:
        _dated = (second, f"Date: {formatdate(second, usegmt=True)}\r\n")
    return _dated[1]
