"""How new connections are taken: a few at a time, none where there is no room, and not in a frenzy where the system has none left."""

from __future__ import annotations

import errno
import logging
import selectors
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from pywharf.web.server.connection import Connection

ACCEPTS = 4  # connections taken at one wake-up, so that those that wait already have their turn
BREATH = 0.001  # seconds after so many, where there are other workers: those of a burst are for them, too, and they are just waking up
FEW = 64  # connections, beyond which there is no such breath: a flood has to be taken as fast as it comes, or others wait behind it
NO_DESCRIPTOR = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
UNSENT = 128 * 1024  # bytes the kernel holds besides what is on its way; what it held of a slow reader's megabytes would pass for unread
PAUSE = 0.05  # seconds before accepting is tried again where it failed

log = logging.getLogger(__name__)


class Accepting:
    """The listener of one server, in a selector. Used by the one thread that looks after that."""

    def __init__(
        self,
        server: Any,
        listener: socket.socket,
        selector: selectors.BaseSelector,
        *,
        begin: Callable[[Connection], None],
        make_room: Callable[[], bool],
    ) -> None:
        """begin: is given each new connection. make_room: closes one that can be done without, and tells whether there was one."""
        self.listener = listener
        self._server = server
        self._selector = selector
        self._begin = begin
        self._make_room = make_room
        self._paused_until = 0.0  # monotonic; 0: is not paused
        self._told = float("-inf")  # monotonic
        selector.register(listener, selectors.EVENT_READ)

    @property
    def is_paused(self) -> bool:
        return self._paused_until > 0

    def accept(self) -> None:
        """Take connections that are there."""
        for _ in range(ACCEPTS):
            try:
                sock, address = self.listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if self._goes_on_after(error):
                    continue
                return
            self._server.accepted += 1
            self._take(sock, address)
        if self._server.workers > 1 and len(self._server.open_connections) <= FEW:
            time.sleep(BREATH)

    def go_on(self, now: float) -> None:
        """Accept again, where a pause is over."""
        if 0 < self._paused_until <= now:
            self._selector.register(self.listener, selectors.EVENT_READ)
            self._paused_until = 0.0

    def end(self) -> None:
        """Close the listener."""
        with suppress(KeyError, ValueError):
            self._selector.unregister(self.listener)
        self._paused_until = 0.0
        self.listener.close()

    def _take(self, sock: socket.socket, address: Any) -> None:
        server = self._server
        try:
            sock.setblocking(False)
            if sock.family != socket.AF_UNIX and server.nodelay:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if sock.family != socket.AF_UNIX and hasattr(socket, "TCP_NOTSENT_LOWAT"):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT)
            if server.tls is not None:
                sock = server.tls.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        except (OSError, ValueError):  # it went away again
            sock.close()
            return
        peer, port = (address[0], address[1]) if isinstance(address, tuple) else ("unix", None)
        connection = Connection(server, sock, peer, port)
        if len(server.open_connections) >= server.max_connections and not self._make_room():
            connection.refuse("503 Too many connections")
            connection.close()
            return
        server.open_connections.add(connection)
        self._begin(connection)

    def _goes_on_after(self, error: OSError) -> bool:
        """A connection waits that cannot be taken. Where nothing is done about it trying again at once would do nothing else any more."""
        now = time.monotonic()
        if now - self._told >= 10:
            self._told = now
            hint = "; raise the limit of open files (ulimit -n)" if error.errno in NO_DESCRIPTOR else ""
            log.error("no new connection can be accepted: reason=%s%s", error.strerror, hint)
        if error.errno in NO_DESCRIPTOR and self._make_room():
            return True
        self._selector.unregister(self.listener)
        self._paused_until = now + PAUSE
        return False
