"""Where connections wait: new ones and idle ones for a head, slow ones until they take more of their response.

One thread looks after all of them with a selector. It never waits for anybody: what it reads and accepts is there already, and whoever
does not come forward until an absolute deadline is sent away. So a connection that does nothing costs a descriptor and a few
kilobytes, and a thread is given to complete heads only.
"""

from __future__ import annotations

import errno
import logging
import queue
import selectors
import socket
import threading
import time
from contextlib import suppress
from typing import Any

from pywharf.web.server.connection import Arrival, Connection
from pywharf.web.server.tls import Handshakes

ACCEPTS = 16  # connections taken at one wake-up, so that those that wait here have their turn
LOOK = 0.5  # seconds between looks for deadlines
NO_DESCRIPTOR = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
PAUSE = 0.05  # seconds before accepting is tried again where no descriptor was left
GOODBYE = 0.5  # seconds in which kept connections may still bring a request when the server stops: its answer says that it was the last

log = logging.getLogger(__name__)


class Connections:
    """The connections of one server that no thread works on. `run` is its one thread; `put` and `stop` are for any."""

    def __init__(self, server: Any, listener: socket.socket) -> None:
        self._server = server
        self._listener = listener
        self._guard = threading.Lock()  # of the selector's table and of the three below
        self._selector = selectors.DefaultSelector()
        self._arriving: dict[Connection, float] = {}  # something came, or has to come at once: until when the head has to be whole
        self._idle: dict[Connection, float] = {}  # kept for a next request: until when
        self._sending: dict[Connection, None] = {}  # each knows its own
        self._woken, self._wake = socket.socketpair()
        self._wake.setblocking(False)
        self._woken.setblocking(False)
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._selector.register(listener, selectors.EVENT_READ)
        self._accepting = True
        self._paused_until = 0.0  # monotonic
        self._told = float("-inf")  # monotonic
        self._stopped = False
        self._refusing = False
        self._refused = threading.Event()
        self._ended = threading.Event()
        self._handshakes = Handshakes(self._shaken) if server.tls is not None else None

    # --- counts -----------------------------------------------------------------------------------------------------

    @property
    def waiting(self) -> int:
        """Connections that wait here."""
        return len(self._arriving) + len(self._idle) + len(self._sending)

    @property
    def idle(self) -> int:
        """Those that are kept for a next request."""
        return len(self._idle)

    @property
    def sending(self) -> int:
        """Those whose client has to read before more of a response can be sent."""
        return len(self._sending)

    # --- coming and going -------------------------------------------------------------------------------------------

    def put(self, connection: Connection) -> None:
        """A thread is done with a connection that stays open."""
        if connection.wants_write:
            self._wait(connection, self._sending, None, selectors.EVENT_WRITE)
        elif connection.has_head() or (connection.is_tls and connection.receive() is Arrival.HEAD):
            self._hand_over(connection)  # it was there already; what TLS holds back no selector sees
        elif self._stopped:
            connection.close()
        elif connection.has_begun:
            self._wait(connection, self._arriving, time.monotonic() + self._server.head_timeout)
        else:
            self._wait(connection, self._idle, time.monotonic() + self._server.timeout)

    def _wait(self, connection: Connection, among: dict[Connection, Any], until: float | None, event: int = selectors.EVENT_READ) -> None:
        try:
            with self._guard:
                self._selector.register(connection.socket, event, connection)
                among[connection] = until
        except (OSError, ValueError, KeyError):  # it was shut down meanwhile, or the server is closed
            connection.close()

    def _take(self, connection: Connection) -> None:
        with self._guard:
            with suppress(KeyError, ValueError):
                self._selector.unregister(connection.socket)
            for among in (self._arriving, self._idle, self._sending):
                among.pop(connection, None)

    def _hand_over(self, connection: Connection) -> None:
        try:
            self._server.requests.put(connection)
        except queue.Full:
            self._server.refused += 1
            connection.refuse("503 Too many requests are waiting")
            connection.close()

    # --- the loop ---------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Look after them until `stop`."""
        try:
            look_at = 0.0
            while not self._stopped:
                for key, _ in self._selector.select(LOOK if self._accepting else PAUSE):
                    if isinstance(key.data, Connection):
                        self._come_forward(key.data)
                    elif key.fileobj is self._listener:
                        self._accept()
                    else:
                        self._woken.recv(64)
                if self._refusing and not self._refused.is_set():
                    self._let_go_of_listener()
                now = time.monotonic()
                if now >= look_at:
                    look_at = now + LOOK
                    self._send_away(now)
                if not self._accepting and 0 < self._paused_until <= now:
                    self._accept_again()
        finally:
            self._ended.set()

    def _come_forward(self, connection: Connection) -> None:
        """Something can be read from it, or written to it."""
        if connection in self._sending:
            self._take(connection)
            self._hand_over(connection)
        elif connection.is_shaking_hands and self._handshakes is not None:
            self._take(connection)
            self._handshakes.go_on(connection)
        else:
            self._arrived(connection, connection.receive())

    def _arrived(self, connection: Connection, arrival: Arrival) -> None:
        if arrival is Arrival.PARTLY:
            if connection.has_begun and connection in self._idle:
                with self._guard:
                    del self._idle[connection]
                    self._arriving[connection] = time.monotonic() + self._server.head_timeout
            return
        self._take(connection)
        if arrival is Arrival.HEAD:
            self._hand_over(connection)
        else:
            connection.close()

    def _accept(self) -> None:
        for _ in range(ACCEPTS):
            try:
                sock, address = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._cannot_accept(error)
                return
            self._server.accepted += 1
            self._begin(sock, address)

    def _begin(self, sock: socket.socket, address: Any) -> None:
        server = self._server
        try:
            sock.setblocking(False)
            if sock.family != socket.AF_UNIX and server.nodelay:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if server.tls is not None:
                sock = server.tls.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        except (OSError, ValueError):  # it went away again
            sock.close()
            return
        peer, port = (address[0], address[1]) if isinstance(address, tuple) else ("unix", None)
        connection = Connection(server, sock, peer, port)
        if len(server.open_connections) >= server.max_connections and not self._make_room():
            server.refused += 1
            connection.refuse("503 Too many connections")
            connection.close()
            return
        server.open_connections.add(connection)
        arrival = Arrival.PARTLY if connection.is_tls else connection.receive()
        if arrival is Arrival.PARTLY:
            self._wait(connection, self._arriving, time.monotonic() + server.head_timeout)
        elif arrival is Arrival.HEAD:
            self._hand_over(connection)
        else:
            connection.close()

    def _make_room(self) -> bool:
        """Close the connection that is idle longest; it may end at any time. Whether there was one."""
        with self._guard:
            connection = next(iter(self._idle), None)
        if connection is None:
            return False
        self._take(connection)
        connection.close()
        return True

    def _cannot_accept(self, error: OSError) -> None:
        """A connection waits that cannot be taken: trying again at once would do nothing else any more."""
        now = time.monotonic()
        if now - self._told >= 10:
            self._told = now
            hint = "; raise the limit of open files (ulimit -n)" if error.errno in NO_DESCRIPTOR else ""
            log.error("no new connection can be accepted: reason=%s%s", error.strerror, hint)
        self._make_room()
        self._selector.unregister(self._listener)
        self._accepting, self._paused_until = False, now + PAUSE

    def _accept_again(self) -> None:
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._accepting, self._paused_until = True, 0.0

    def _send_away(self, now: float) -> None:
        """End those whose time is over."""
        with self._guard:
            late = [one for among in (self._arriving, self._idle) for one, until in among.items() if until <= now]
            late += [one for one in self._sending if one.deadline <= now]
        for connection in late:
            begun = connection.has_begun
            self._take(connection)
            if begun and not connection.wants_write:
                connection.refuse("408 The head of the request did not arrive in time")
            connection.close()

    def _shaken(self, connection: Connection, arrival: Arrival) -> None:
        """A handshake went on, in a thread of `Handshakes`."""
        if arrival is Arrival.HEAD:
            self._hand_over(connection)
        elif arrival is Arrival.NOTHING:
            connection.close()
        else:
            self._wait(connection, self._arriving, connection.since + self._server.head_timeout)

    # --- the end ----------------------------------------------------------------------------------------------------

    def refuse_new(self) -> None:
        """Take no connection any more. Who is here already may still bring a request."""
        self._refusing = True
        self._nudge()  # the loop may be taking one just now: it closes the listener itself
        if not self._refused.wait(10 * LOOK):
            self._listener.close()

    def _let_go_of_listener(self) -> None:
        with suppress(KeyError, ValueError):
            self._selector.unregister(self._listener)
        self._accepting, self._paused_until = False, 0.0
        self._listener.close()
        self._refused.set()

    def stop(self) -> None:
        """Send away who waits for a head, and end the loop. Takes LOOK seconds at most."""
        self._stopped = True
        self._nudge()
        self._ended.wait(10 * LOOK)
        with self._guard:
            left = [*self._arriving, *self._idle, *self._sending]
        for connection in left:
            self._take(connection)
            connection.close()
        if self._handshakes is not None:
            self._handshakes.stop()
        with suppress(OSError):
            self._selector.close()
        self._woken.close()
        self._wake.close()

    def _nudge(self) -> None:
        with suppress(OSError):
            self._wake.send(b"\0")
