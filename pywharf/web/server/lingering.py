"""Closing a connection so that the other side gets the last response, although it is still sending.

A close while bytes of a refused body are unread makes the kernel send a reset, and many clients then report a broken pipe
in place of the 401 or 413 that explains it. So the sending side is closed first, and what still arrives is thrown away for
a while. One thread does that for all of them: a worker has better things to do than to wait for somebody who was refused.
"""

from __future__ import annotations

import selectors
import socket
import threading
import time
from dataclasses import dataclass

LONGEST = 5.0  # seconds a client has to finish sending, or to notice
MOST_BYTES = 128 * 1024 * 1024  # of one client; whoever sends on after that gets the reset
MOST_SOCKETS = 256  # at a time; beyond, a connection is closed at once
PIECE = 256 * 1024  # bytes


@dataclass
class _Lingerer:
    socket: socket.socket
    end: float  # monotonic
    left: int  # bytes


class Lingering:
    """Connections on their way out. Its thread lives only while there are some."""

    def __init__(self, *, longest: float = LONGEST, most_bytes: int = MOST_BYTES, most_sockets: int = MOST_SOCKETS) -> None:
        self._longest = longest
        self._most_bytes = most_bytes
        self._most_sockets = most_sockets
        self._guard = threading.Lock()
        self._waiting: list[_Lingerer] = []  # not yet seen by the thread
        self._count = 0
        self._running = False
        self._closed = False

    def add(self, connection: socket.socket) -> None:
        """Take over a connected socket: the response is sent; close it when the client has finished, or has had its time."""
        try:
            connection.setblocking(False)
            connection.shutdown(socket.SHUT_WR)
        except OSError:
            connection.close()
            return
        with self._guard:
            if self._closed or self._count >= self._most_sockets:
                connection.close()
                return
            self._waiting.append(_Lingerer(connection, time.monotonic() + self._longest, self._most_bytes))
            self._count += 1
            if self._running:
                return
            try:
                threading.Thread(target=self._run, name="lingering close", daemon=True).start()
                self._running = True
            except RuntimeError:  # the system gives no more threads: then without the courtesy
                self._waiting.pop()
                self._count -= 1
                connection.close()

    def close(self, timeout: float) -> None:
        """Take no more, and give those there are `timeout` seconds together."""
        end = time.monotonic() + timeout
        with self._guard:
            self._closed = True
        while self._count and time.monotonic() < end:
            time.sleep(0.01)

    def _run(self) -> None:
        try:
            selector = selectors.DefaultSelector()
        except OSError:  # no descriptor is left: then without the courtesy
            self._give_up()
            return
        buffer = bytearray(PIECE)
        with selector:
            while self._take(selector):
                for key, _ in selector.select(timeout=0.05):
                    if not _drain(key.data, buffer):
                        self._finish(selector, key.data)
                now = time.monotonic()
                for key in [key for key in selector.get_map().values() if key.data.end <= now]:
                    self._finish(selector, key.data)

    def _take(self, selector: selectors.BaseSelector) -> bool:
        """Register who came; False, and the end of the thread, where nobody is left."""
        with self._guard:
            for lingerer in self._waiting:
                selector.register(lingerer.socket, selectors.EVENT_READ, lingerer)
            self._waiting.clear()
            self._running = bool(selector.get_map())
            return self._running

    def _give_up(self) -> None:
        """Close those that wait; the next one gets another thread."""
        with self._guard:
            for lingerer in self._waiting:
                lingerer.socket.close()
            self._count -= len(self._waiting)
            self._waiting.clear()
            self._running = False

    def _finish(self, selector: selectors.BaseSelector, lingerer: _Lingerer) -> None:
        selector.unregister(lingerer.socket)
        lingerer.socket.close()
        with self._guard:
            self._count -= 1


def _drain(lingerer: _Lingerer, buffer: bytearray) -> bool:
    """Throw away what is there; False once the client has finished, broke off, or had its share."""
    try:
        received = lingerer.socket.recv_into(buffer)
    except (BlockingIOError, InterruptedError):
        return True
    except OSError:  # also of a network that went away, which is no ConnectionError
        return False
    lingerer.left -= received
    return received > 0 and lingerer.left > 0
