"""A response on its way to a client that may read it slowly, or not at all.

Sending never blocks: what the client does not take yet stays here, and the thread goes on to other requests; the connection waits
in the selector until it can be written to. So the number of slow downloads is bounded by memory and descriptors, not by threads.

A file goes from the disk to the socket inside the kernel where that is possible (plain sockets, `os.sendfile`).
"""

from __future__ import annotations

import errno
import logging
import os
import select
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Protocol

from pywharf.web.server.pace import Pace

PATIENCE = 0.02  # seconds a thread waits for a client to take more, before the connection waits alone
TURN = 0.1  # seconds after which a thread does not wait any more: a client that takes a little every 19 ms would keep it
RECORD = 16 * 1024  # bytes given to OpenSSL at a time: of a piece of several records it does not tell how much is out
# Bytes one system call may send. Without a limit it fills what the socket takes, some MB, each time. To a client on the same machine that made
# 1,900 MB/s, with 0.5 ms of CPU for a MB; these pieces 2,700 MB/s, with 0.3. Half or twice as much is about as good.
SENDFILE_MOST = 256 * 1024
NO_SENDFILE = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP)  # some file systems cannot
WOULD_BLOCK = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)

log = logging.getLogger(__name__)


class Answered(Protocol):
    """The request that a response is for."""

    close_connection: bool
    sent_headers: bool
    chunked_write: bool
    has_body: bool

    def head(self) -> bytes:
        """The head of the response."""

    def declared_length(self) -> int | None:
        """Its Content-Length."""


class Outgoing:
    """One response: what the application gave, and how much of it is out. Worked on by one thread at a time.

    Nothing of the application is called before `go_on`, so that whoever has made one can close it.
    """

    def __init__(self, sock: socket.socket, request: Answered, response: Iterable[bytes], pace: Pace) -> None:
        """sock: does not block."""
        self._socket = sock
        self._request = request
        self._pace = pace
        self._response = response
        self._pieces: Iterator[bytes] | None = None
        self._left = memoryview(b"")  # what goes out next
        self._is_tls = isinstance(sock, ssl.SSLSocket)
        self._part: FilePart | None = None
        self._declared: int | None = None  # bytes of the body, as its head says
        self._given = 0  # bytes of the body that the application gave
        self._ended = False  # the application has no more
        self._began = self._last = time.monotonic()
        self._sent = 0  # bytes, with the head
        self._turn_ends = 0.0  # monotonic
        self._patience = PATIENCE

    @property
    def deadline(self) -> float:
        """Until when the client has to take more; monotonic."""
        return self._pace.end(self._began, self._sent, self._last)

    def go_on(self, patience: float = PATIENCE) -> bool:
        """Send what can be sent. True where all of it is out; False where the client has to read first.

        patience: seconds to wait for that each time. Raises OSError, and whatever the application does.
        """
        self._patience = patience
        self._turn_ends = time.monotonic() + TURN
        if self._pieces is None:
            self._pieces = iter(self._response)
            self._part = None if self._is_tls else _file_part(self._response)
        while self._flush():
            if self._ended:
                return True
            if self._part is None or not self._request.sent_headers:
                self._next(self._pieces)
            elif self._request.chunked_write:
                self._part = None  # between chunks goes only what was read here
            elif not self._send_file(self._part):
                return False
        return False

    def close(self) -> None:
        """Let go of what the application gave, once, whatever came of it. Raises nothing."""
        response, self._response = self._response, ()
        close = getattr(response, "close", None)
        if close is not None:
            try:
                close()
            except BaseException:  # also SystemExit, which would end the thread, and the server with it
                log.exception("a response could not be closed")

    # --- within -----------------------------------------------------------------------------------------------------

    def _next(self, pieces: Iterator[bytes]) -> None:
        """Take the next piece from the application; the head goes out with the first."""
        if self._part is not None:
            piece: bytes | None = b""
        else:
            piece = next(pieces, None)
            if piece == b"":
                return  # WSGI lets an application say so that it has nothing yet
        head = b""
        if not self._request.sent_headers:
            head = self._request.head()
            self._request.sent_headers = True
            self._declared = self._request.declared_length()
        if piece is None or not self._request.has_body:  # also an application that gives one to a HEAD does not send it
            self._left = memoryview(head + (b"0\r\n\r\n" if self._request.chunked_write else b""))
            self._end()
            return
        self._given += len(piece)
        if self._declared is not None and self._given > self._declared:
            self._request.close_connection = True
            raise ConnectionAbortedError("the application gave more than its Content-Length")
        if self._request.chunked_write and piece:
            piece = b"%x\r\n%b\r\n" % (len(piece), piece)
        self._left = memoryview(head + piece if head else piece)

    def _end(self) -> None:
        self._ended = True
        if self._declared is not None and self._given < self._declared and self._request.has_body:
            self._request.close_connection = True
            raise ConnectionAbortedError("the application gave less than its Content-Length")

    def _flush(self) -> bool:
        """Send what is left of this piece; False where the client has to read first."""
        waited = False
        while self._left:
            try:
                sent = self._socket.send(self._left[:RECORD] if self._is_tls else self._left)
            except WOULD_BLOCK:
                if waited or not self._is_taken_soon():
                    return False
                waited = True
                continue
            self._moved(sent)
            self._left = self._left[sent:]
            waited = False
        return True

    def _send_file(self, part: FilePart) -> bool:
        """Send the rest of a part of a file; False where the client has to read first."""
        if self._declared is not None and self._given + part.left > self._declared:
            raise ConnectionAbortedError("the application gave more than its Content-Length")
        waited = False
        while part.left:
            try:
                sent = os.sendfile(self._socket.fileno(), part.descriptor, part.offset, min(part.left, SENDFILE_MOST))
            except WOULD_BLOCK:
                if waited or not self._is_taken_soon():
                    return False
                waited = True
                continue
            except OSError as error:
                if error.errno in NO_SENDFILE and not self._given:
                    self._part = None  # as the application reads it, then
                    return True
                if error.errno == errno.EIO:
                    log.error("response cut short: a file cannot be read (%s)", error.strerror)  # nobody else would tell
                raise
            if not sent:
                log.error("response cut short: a file ended %d bytes before its size", part.left)
                raise ConnectionAbortedError("a file ended before its size")
            part.took(sent)
            self._given += sent
            self._moved(sent)
            waited = False
        self._part = None
        self._end()
        return True

    def _moved(self, sent: int) -> None:
        self._sent += sent
        self._last = time.monotonic()

    def _is_taken_soon(self) -> bool:
        """Whether the client makes room within a moment: one that keeps up need not be waited for anywhere else."""
        if not self._patience or time.monotonic() >= self._turn_ends:
            return False
        poll = select.poll()
        poll.register(self._socket, select.POLLOUT)
        return bool(poll.poll(self._patience * 1000))


class FilePart:
    """Bytes of an open file that the kernel may send by itself. on_sent: is told of each step."""

    def __init__(self, descriptor: int, offset: int, left: int, on_sent: Callable[[int], None]) -> None:
        self.descriptor = descriptor
        self.offset = offset
        self.left = left
        self._on_sent = on_sent

    def took(self, sent: int) -> None:
        """So many bytes went out."""
        self.offset += sent
        self.left -= sent
        self._on_sent(sent)


def _file_part(response: Iterable[bytes]) -> FilePart | None:
    """The part of a file that a response is, where its application says so (`file_part`)."""
    ask = getattr(response, "file_part", None)
    part: FilePart | None = None
    if ask is not None:
        with suppress(OSError):
            part = ask()
    return part
