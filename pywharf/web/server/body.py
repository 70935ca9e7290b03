"""The body of a request, as the application reads it: of known length, arriving within bounds, and never one byte of what comes behind.

A reader that gets fewer bytes than there should be would take a part for the whole. So an end before the length is an error, and so is
a body that comes too slowly. Nothing is read that the application does not ask for; the first time it does, a client that waits for
it is told to go on.

Source: RFC 9110, sections 8.6 (Content-Length) and 10.1.1 (Expect).
"""

from __future__ import annotations

import time
from typing import Protocol

from pywharf.web.errors import BodyCutShort, BodyTooSlow
from pywharf.web.server.pace import Pace

PIECE = 256 * 1024  # bytes asked of the connection at a time: as much memory is set aside, whatever comes
LINE_PIECE = 64 * 1024  # bytes; what is looked through for the end of a line at a time


class Source(Protocol):
    """The connection that a body arrives on."""

    def read(self, most: int, end: float) -> bytes:
        """At least one and up to `most` bytes; b"" where there will be no more. end: monotonic. Raises TimeoutError, OSError."""

    def tell_to_go_on(self) -> None:
        """Tell a client that waits for it to send."""


class Body:
    """`wsgi.input`. remaining: bytes that were not read yet. Used by the one thread that works on the request."""

    def __init__(self, source: Source, length: int, pace: Pace, *, expected: bool) -> None:
        """expected: whether the client waits to be told to go on."""
        self.remaining = length
        self._source = source
        self._pace = pace
        self._expected = expected
        self._ahead = b""  # read of the connection already, for `readline`; of which so much was given:
        self._given = 0
        self._began = self._last = time.monotonic()
        self._received = 0

    def read(self, size: int | None = None) -> bytes:
        """Up to `size` bytes; fewer only at the end of the body. Raises BodyCutShort, BodyTooSlow."""
        wanted = self._wanted(size)
        if not wanted:
            return b""
        pieces = []
        while wanted:
            piece = self._some(wanted)
            wanted -= len(piece)
            pieces.append(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def readline(self, size: int | None = None) -> bytes:
        """One line with its end, or what there is of it within `size` bytes or the body. Raises as `read` does."""
        wanted = self._wanted(size)
        pieces = []
        while wanted:
            if self._given == len(self._ahead):
                self._ahead, self._given = self._arrived(min(self.remaining, LINE_PIECE)), 0
            end = self._ahead.find(b"\n", self._given, self._given + wanted) + 1
            piece = self._some(end - self._given if end else wanted)
            pieces.append(piece)
            wanted = 0 if end else wanted - len(piece)
        return b"".join(pieces)

    def readlines(self, hint: int | None = None) -> list[bytes]:
        """All lines; the hint is not heeded, as PEP 3333 allows."""
        return list(self)

    def __iter__(self) -> Body:
        return self

    def __next__(self) -> bytes:
        """The next line."""
        line = self.readline()
        if not line:
            raise StopIteration
        return line

    def _wanted(self, size: int | None) -> int:
        return self.remaining if size is None or size < 0 else min(size, self.remaining)

    def _some(self, most: int) -> bytes:
        """At least one byte and at most `most`, which the body still has."""
        if self._given < len(self._ahead):
            piece = self._ahead[self._given : self._given + most]
            self._given += len(piece)
        else:
            piece = self._arrived(most)
        self.remaining -= len(piece)
        return piece

    def _arrived(self, most: int) -> bytes:
        if self._expected:
            self._expected = False
            self._source.tell_to_go_on()
        try:
            piece = self._source.read(min(most, PIECE), self._pace.end(self._began, self._received, self._last))
        except TimeoutError as error:
            raise BodyTooSlow from error
        except OSError as error:
            raise BodyCutShort from error
        if not piece:
            raise BodyCutShort
        self._received += len(piece)
        self._last = time.monotonic()
        return piece
