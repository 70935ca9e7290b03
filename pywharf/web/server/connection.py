"""One connection: what arrived of it, the request it works on, what is to be sent, and how it ends.

Its socket never blocks. While a head is on its way, or while the client does not read, the connection waits in the selector
(`connections.py`); a thread has it from a complete head until the response is out, or until the client has to read first.
"""

from __future__ import annotations

import enum
import logging
import re
import select
import socket
import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from cheroot.server import HTTPConnection

from pywharf.web.server.header_fields import Fields
from pywharf.web.server.http_request import Request, environ_of
from pywharf.web.server.sending import PATIENCE, WOULD_BLOCK, Outgoing

PIECE = 16 * 1024  # bytes read at a time while a head arrives
HEAD_END = b"\r\n\r\n"
FORM = 64 * 1024  # bytes; a form up to this size is waited for as its head is: everybody may send one, and no thread shall wait for it
_WITHOUT_BODY = (b"GET ", b"HEAD ")
_LONE_LF = re.compile(rb"(?<!\r)\n")
_IS_FORM = re.compile(rb"\r\ncontent-type:[ \t]*application/x-www-form-urlencoded[ \t]*[;\r]", re.IGNORECASE)
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,18})[ \t]*\r\n", re.IGNORECASE)
_WAITS = re.compile(rb"\r\nexpect:[ \t]*100-continue", re.IGNORECASE)  # such a body comes when it is asked for

log = logging.getLogger(__name__)


class Arrival(enum.Enum):
    """What is there after reading what can be read."""

    PARTLY = enum.auto()  # more has to come
    HEAD = enum.auto()  # a head, or what cannot become one any more
    NOTHING = enum.auto()  # and nothing will come


class Connection(HTTPConnection):
    """A connection. Only ever in one thread's hands."""

    def __init__(self, server: Any, sock: socket.socket, peer: str, port: int | None) -> None:
        """sock: does not block. peer: an address, or "unix"."""
        self.server = server
        self.socket: socket.socket = sock
        self.remote_addr = peer
        self.remote_port = port
        self.is_tls = isinstance(sock, ssl.SSLSocket)
        self.is_shaking_hands = self.is_tls
        self.since = time.monotonic()
        self.is_lingering = False  # whether the client is still sending what nobody reads
        self.requests_seen = 0  # which Cheroot reads
        self.cut_off = False
        self._received = bytearray()  # of heads, and what came behind them
        self._searched = 0  # bytes of it in which no end of a head begins
        self._awaited = 0  # bytes of it that a head and its form have; 0 until the head is here
        self._forgave = False  # whether an empty line before this head was passed over
        self.fields: Fields | None = None  # of the request before, where they are few
        self._environ: dict[str, Any] | None = None  # made for the first request: one that only waits has none
        self._request: Request | None = None
        self._outgoing: Outgoing | None = None

    @property
    def environ(self) -> Mapping[str, Any]:
        """What the environ of each of its requests has in common."""
        if self._environ is None:
            self._environ = environ_of(self, self.server.bind_addr)
        return self._environ

    # --- arriving ---------------------------------------------------------------------------------------------------

    @property
    def has_begun(self) -> bool:
        """Whether anything of a next request is here."""
        return bool(self._received)

    @property
    def wants_write(self) -> bool:
        """Whether a response waits until the client has read more."""
        return self._outgoing is not None

    @property
    def is_quiet(self) -> bool:
        """Whether nothing is to be read or sent any more until the client sends a next request. Of TLS nobody knows without looking."""
        return not self._received and self._outgoing is None and not self.is_tls

    def is_short(self) -> bool:
        """Whether the request that is here has no body that somebody would have to wait for."""
        return self._outgoing is None and self._received.startswith(_WITHOUT_BODY)

    @property
    def deadline(self) -> float:
        """Until when the client has to read more, where it has to; monotonic."""
        return self._outgoing.deadline if self._outgoing is not None else float("inf")

    def receive(self) -> Arrival:
        """Read what is there, without waiting."""
        while True:
            if self.has_head():
                return Arrival.HEAD
            try:
                piece = self.socket.recv(PIECE)
            except WOULD_BLOCK:
                return Arrival.PARTLY
            except OSError:
                return Arrival.NOTHING
            if not piece:  # where the head is here, its request is told that the form is not whole
                return Arrival.HEAD if self._awaited else Arrival.NOTHING
            self._received += piece

    def shake_hands(self) -> Arrival:
        """Take the next step of the TLS handshake; where that was the last, read what came behind it. Without waiting."""
        assert isinstance(self.socket, ssl.SSLSocket)  # noqa: S101 - for the type checker
        try:
            self.socket.do_handshake()
        except WOULD_BLOCK:
            return Arrival.PARTLY
        except ssl.SSLError as error:
            if error.reason == "HTTP_REQUEST":
                self.socket, self.is_tls = socket.socket(fileno=self.socket.detach()), False
                self.refuse("400 This port speaks https only", "The client spoke plain HTTP: use an https address")
            return Arrival.NOTHING
        except (OSError, ValueError):
            return Arrival.NOTHING
        self.is_shaking_hands = False
        return self.receive()

    def has_head(self) -> bool:
        """Whether a whole head is here, with its form where it has one; or what cannot become one: too much, or lines that end otherwise."""
        if not self._received:
            return False
        if not self._forgave and self._received.startswith(b"\r\n"):
            del self._received[:2]  # one empty line before a request is forgiven (RFC 9112, 2.2)
            self._forgave = True
            self._searched = 0
        if self._awaited:
            return len(self._received) >= self._awaited
        end = self._received.find(HEAD_END, max(0, self._searched - 3))
        if end >= 0:
            self._awaited = end + len(HEAD_END) + self._form_length(end + 2)
            return len(self._received) >= self._awaited
        found = _LONE_LF.search(self._received, self._searched)
        self._searched = len(self._received)
        return found is not None or len(self._received) > self.server.max_request_header_size

    def _form_length(self, end: int) -> int:
        """The length of the form that is waited for; the head ends at `end`. What else is wrong with it is told when it is here."""
        if not _IS_FORM.search(self._received, 0, end) or _WAITS.search(self._received, 0, end):
            return 0
        length = _LENGTH.search(self._received, 0, end)
        return int(length[1]) if length is not None and int(length[1]) <= FORM else 0

    def take_head(self) -> tuple[bytes, str]:
        """The head that `has_head` spoke of, with its empty line; or the status to refuse it with."""
        limit: int = self.server.max_request_header_size
        end = self._received.find(HEAD_END)
        self._searched = self._awaited = 0
        self._forgave = False
        first = self._received.find(b"\r\n", 0, limit)
        if 0 <= end <= limit - len(HEAD_END):
            head = bytes(self._received[: end + len(HEAD_END)])
            del self._received[: end + len(HEAD_END)]
            return head, ""
        if end < 0 and len(self._received) <= limit:
            return b"", "400 Lines have to end with CRLF"
        return b"", "414 URI Too Long" if first < 0 else "431 Request Header Fields Too Large"

    def read(self, most: int, end: float) -> bytes:
        """At least one and up to `most` bytes of a body; b"" where the client sends no more.

        end: monotonic. Raises TimeoutError where nothing came until then, OSError.
        """
        if self._received:
            piece = bytes(self._received[:most])
            del self._received[:most]
            return piece
        while True:
            if self.cut_off:
                raise ConnectionAbortedError("the server stops")
            try:
                return self.socket.recv(most)
            except (BlockingIOError, InterruptedError, ssl.SSLWantReadError):
                self._wait(select.POLLIN, end)
            except ssl.SSLWantWriteError:
                self._wait(select.POLLOUT, end)

    def _wait(self, event: int, end: float) -> None:
        left = end - time.monotonic()
        poll = select.poll()
        poll.register(self.socket, event)
        if left <= 0 or not poll.poll(min(left, 3600) * 1000):
            raise TimeoutError("the client took too long")

    def tell_to_go_on(self) -> None:
        """Answer an Expect: 100-continue. A client that does not hear it goes on by itself, or ends."""
        with suppress(OSError):
            self.socket.send(b"HTTP/1.1 100 Continue\r\n\r\n")

    # --- working ----------------------------------------------------------------------------------------------------

    def communicate(self, patience: float = PATIENCE) -> bool:
        """Work on the request that is here, or go on with its response. Whether the connection stays open.

        patience: seconds that a client has to take more, before the connection waits for that alone.
        """
        try:
            if self._outgoing is None:
                request = self._request = Request(self.server, self)
                request.parse_request()
                if not request.ready:
                    return False
                self._outgoing = Outgoing(self.socket, request, request.answer(), self.server.response_pace)
            if not self._outgoing.go_on(patience):
                return True
        except OSError as error:
            is_usual = isinstance(error, (ConnectionError, TimeoutError, ssl.SSLError))  # else it may be of the application
            log.log(logging.DEBUG if is_usual else logging.WARNING, "connection ended: peer=%s reason=%s", self.remote_addr, error)
            self._apologize()
            return False
        except (SystemExit, KeyboardInterrupt) as error:  # which would end the thread, and stop the server
            self._apologize()
            raise RuntimeError("the application wanted to end the process") from error
        except BaseException:
            self._apologize()
            raise
        return self._finish()

    def _apologize(self) -> None:
        """Tell the client that there will be no answer, where none has begun."""
        if self._request is not None and self._request.ready and not self._request.sent_headers:
            self.refuse("500 Internal Server Error", "The server could not answer; its log says why")

    def _finish(self) -> bool:
        outgoing, self._outgoing = self._outgoing, None
        request, self._request = self._request, None
        if outgoing is not None:
            outgoing.close()
        return request is not None and not request.close_connection

    def refuse(self, status: str, sentence: str = "") -> None:
        """Tell the client why it is not answered, as far as it listens; the connection ends with that."""
        self.is_lingering = True
        self.server.count_refusal(status[:3])
        text = (sentence or status[4:]).encode("ascii", "replace")
        head = f"HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nX-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\n"
        if status.startswith("503"):
            head += "Retry-After: 1\r\n"
        head += f"Connection: close\r\nContent-Length: {len(text)}\r\n{self.server.signature}"
        try:
            self.socket.send(head.encode("ascii") + text)
        except OSError:
            self.is_lingering = False  # nobody is there to be told

    # --- ending -----------------------------------------------------------------------------------------------------

    def shut_down(self) -> None:
        """Keep whoever waits for this connection from waiting on. For any thread."""
        self.cut_off = True
        with suppress(OSError):
            socket.socket.shutdown(self.socket, socket.SHUT_RDWR)  # that of ssl would go on in clear text

    def close(self) -> None:
        """End the connection. Raises nothing: a thread that closes one would not survive it."""
        self.server.open_connections.discard(self)
        try:
            self._finish()
        finally:
            with suppress(OSError):
                if isinstance(self.socket, ssl.SSLSocket) and not self.is_shaking_hands:
                    with suppress(OSError, ValueError):
                        self.socket.unwrap()  # says that this is the end, and does not wait for the answer
                if (self.is_lingering or self._received) and self.socket.fileno() != -1:
                    self.server.lingering.add(socket.socket(fileno=self.socket.detach()))
                else:
                    self.socket.close()
