"""Where connections wait: new ones and idle ones for a head, slow ones until they take more of their response.

One thread at a time looks after all of them with a selector. It never waits for anybody: what it reads and accepts is there already, and
whoever does not come forward until an absolute deadline is sent away. So a connection that does nothing costs a descriptor and a few
kilobytes, and a thread is given to complete heads only. Short requests it answers itself; `lead.py` sees to it that this holds up nobody.
"""

from __future__ import annotations

import logging
import queue
import selectors
import socket
import threading
import time
from contextlib import suppress
from typing import Any

from pywharf.web.server.accepting import PAUSE, Accepting
from pywharf.web.server.connection import Arrival, Connection
from pywharf.web.server.lead import Lead
from pywharf.web.server.tls import Handshakes

LOOK = 0.5  # seconds between looks for deadlines
MOST_FAILURES = 200  # in a row, after which the selector is taken for broken
FAIR = 1.0  # seconds after which a connection without a head makes room for a new one: a head is one packet
GOODBYE = 0.5  # seconds in which kept connections may still bring a request when the server stops: its answer says that it was the last

log = logging.getLogger(__name__)


class Connections:
    """The connections of one server that no thread works on. `run` keeps two threads, of which one leads; `put` and `stop` are for any."""

    def __init__(self, server: Any, listener: socket.socket) -> None:
        self._server = server
        self._guard = threading.Lock()  # of the selector's table and of the three below
        self._selector = selectors.DefaultSelector()
        self._lead = Lead(self._take)
        self._failure: Exception | None = None  # why nothing works any more
        self._arriving: dict[Connection, float] = {}  # something came, or has to come at once: until when the head has to be whole
        self._idle: dict[Connection, float] = {}  # kept for a next request: until when
        self._sending: dict[Connection, None] = {}  # each knows its own
        self._woken, self._wake = socket.socketpair()
        self._wake.setblocking(False)
        self._woken.setblocking(False)
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._accepting = Accepting(server, listener, self._selector, begin=self._begin, make_room=self._make_room)
        self._look_at = 0.0  # monotonic, for deadlines
        self._stopped = False
        self._refusing = False
        self._refused = threading.Event()
        self._ended = threading.Event()
        self._handshakes = Handshakes(self._shake) if server.tls is not None else None

    # --- counts -----------------------------------------------------------------------------------------------------

    @property
    def waiting(self) -> int:
        """Connections that wait here."""
        return len(self._arriving) + len(self._idle) + len(self._sending)

    @property
    def at_work(self) -> int:
        """Requests that are answered here."""
        return self._lead.at_work

    @property
    def idle(self) -> int:
        """Those that are kept for a next request."""
        return len(self._idle)

    @property
    def silent(self) -> int:
        """Those that have brought no whole request: new ones, kept ones. Of one moment."""
        with self._guard:
            return len(self._arriving) + len(self._idle)

    # --- coming and going -------------------------------------------------------------------------------------------

    def put(self, connection: Connection) -> None:
        """A thread is done with a connection that stays open. Raises nothing: the thread would not survive it."""
        try:
            self._put(connection)
        except Exception as error:
            self._give_up(connection, error)

    def _put(self, connection: Connection) -> None:
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
        with self._guard:
            among[connection] = until  # first: the loop looks there as soon as something comes
            try:
                self._selector.register(connection.socket, event, connection)
                return
            except (OSError, ValueError, KeyError):  # it was shut down meanwhile, or the server is closed
                del among[connection]
        connection.close()

    def _take(self, connection: Connection) -> None:
        with self._guard:
            with suppress(KeyError, ValueError):
                self._selector.unregister(connection.socket)
            for among in (self._arriving, self._idle, self._sending):
                among.pop(connection, None)

    def _give_up(self, connection: Connection, error: Exception) -> None:
        """Whatever it was, the others are looked after."""
        log.error("a connection is given up: peer=%s", connection.remote_addr, exc_info=error)
        self._take(connection)
        connection.close()

    def _hand_over(self, connection: Connection) -> None:
        try:
            self._server.requests.put(connection)
        except queue.Full:
            connection.refuse("503 Too many requests are waiting")
            connection.close()

    # --- the loop ---------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Look after them until `stop`, whatever happens to one of them. Raises where nothing works any more."""
        threading.Thread(target=self._lead.lead_in_turn, args=(self._look_after,), name="connections, too", daemon=True).start()
        self._lead.lead_in_turn(self._look_after)
        if self._failure is not None:
            raise self._failure

    def _look_after(self) -> None:
        """Lead, until another thread does, or it is over."""
        failures = 0
        while not self._stopped:
            try:
                if not self._turn():
                    return
                failures = 0
            except Exception as error:
                failures += 1
                if failures == MOST_FAILURES:
                    self._failure = error
                    break
                log.exception("the connections could not be looked after")
                time.sleep(PAUSE)
        self._let_go_of_listener()
        self._lead.finish()
        self._ended.set()

    def _turn(self) -> bool:
        """Look after what has come. False where another thread leads by now, and is told of the rest."""
        for key, _ in self._selector.select(PAUSE if self._accepting.is_paused else LOOK):
            if isinstance(key.data, Connection):
                try:
                    leads = self._come_forward(key.data)
                except Exception as error:
                    self._give_up(key.data, error)
                else:
                    if not leads:
                        return False
            elif key.fileobj is self._accepting.listener:
                self._accepting.accept()
            else:
                self._woken.recv(64)
        if self._refusing and not self._refused.is_set():
            self._let_go_of_listener()
        now = time.monotonic()
        if now >= self._look_at:
            self._look_at = now + LOOK
            self._send_away(now)
        self._accepting.go_on(now)
        return True

    def _come_forward(self, connection: Connection) -> bool:
        """Something can be read from it, or written to it. False where another thread leads by now."""
        if connection in self._sending:
            self._take(connection)
            self._hand_over(connection)
        elif connection.is_shaking_hands and self._handshakes is not None:
            self._take(connection)
            self._handshakes.go_on(connection)
        else:
            return self._arrived(connection, connection.receive())
        return True

    def _arrived(self, connection: Connection, arrival: Arrival) -> bool:
        if arrival is Arrival.PARTLY:
            if connection.has_begun and connection in self._idle:
                with self._guard:
                    del self._idle[connection]
                    self._arriving[connection] = time.monotonic() + self._server.head_timeout
        elif arrival is Arrival.NOTHING:
            self._take(connection)
            connection.close()
        elif connection.is_short() and self._lead.begin(connection):
            return self._answer(connection)
        else:
            self._take(connection)
            self._hand_over(connection)
        return True

    def _answer(self, connection: Connection) -> bool:
        """Answer the request that is here, in this thread; the connection stays in the selector meanwhile. Raises nothing.

        False where another thread leads by now.
        """
        with self._guard:
            self._arriving.pop(connection, None)
            self._idle.pop(connection, None)
        stays = False
        try:
            stays = connection.communicate(patience=0)
        except Exception:
            log.exception("a request could not be worked on: peer=%s", connection.remote_addr)
        leads = self._lead.end(connection)
        if leads and stays and connection.is_quiet and not self._stopped:
            with self._guard:
                self._idle[connection] = time.monotonic() + self._server.timeout
            return True
        if leads:
            self._take(connection)
        if stays:
            self.put(connection)
        else:
            connection.close()
        return leads

    def _begin(self, connection: Connection) -> None:
        """A new one."""
        self._wait(connection, self._arriving, time.monotonic() + self._server.head_timeout)

    def _make_room(self) -> bool:
        """Close the connection that is idle longest, which may end at any time; else one that had time for its head. Whether there was one."""
        with self._guard:
            connection = next(iter(self._idle), None)
            if connection is None:
                connection, until = next(iter(self._arriving.items()), (None, 0.0))
                if connection is None or until > time.monotonic() + self._server.head_timeout - FAIR:
                    return False
        self._take(connection)
        connection.close()
        return True

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

    def _shake(self, connection: Connection) -> None:
        """Go on with a handshake, in a thread of `Handshakes`. Raises nothing."""
        try:
            arrival = connection.shake_hands()
            if arrival is Arrival.HEAD:
                self._hand_over(connection)
            elif arrival is Arrival.NOTHING:
                connection.close()
            else:
                self._wait(connection, self._arriving, connection.since + self._server.head_timeout)
        except Exception as error:
            self._give_up(connection, error)

    # --- the end ----------------------------------------------------------------------------------------------------

    def refuse_new(self) -> None:
        """Take no connection any more. Who is here already may still bring a request."""
        self._refusing = True
        self._nudge()  # the loop may be taking one just now: it closes the listener itself
        if not self._refused.wait(10 * LOOK):
            self._accepting.listener.close()

    def _let_go_of_listener(self) -> None:
        self._accepting.end()
        self._refused.set()

    def stop(self) -> None:
        """Send away who waits for a head, and end the loop. Takes LOOK seconds at most."""
        self._stopped = True
        self._nudge()
        self._ended.wait(10 * LOOK)
        with self._guard:  # who comes here now finds the selector closed
            left = [*self._arriving, *self._idle, *self._sending]
            with suppress(OSError):
                self._selector.close()
        for connection in left:
            self._take(connection)
            connection.close()
        if self._handshakes is not None:
            self._handshakes.stop()
        self._woken.close()
        self._wake.close()

    def cut_off(self, timeout: float, patience: float) -> None:
        """Let a request that is answered here end within `timeout` seconds after `stop`; then cut it off, and give it `patience`."""
        self._lead.cut_off(timeout, patience)

    def _nudge(self) -> None:
        with suppress(OSError):
            self._wake.send(b"\0")
