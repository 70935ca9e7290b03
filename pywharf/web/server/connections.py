"""Looking after connections: new ones and idle ones wait for a head, slow ones until they take more of their response.

One thread at a time looks after all of them with a selector. It never waits for anybody: what it reads and accepts is there already, and
whoever does not come forward until an absolute deadline is sent away. So a connection that does nothing costs a descriptor and a kilobyte,
and a thread is given to complete heads only. Short requests it answers itself; `lead.py` sees to it that this holds up nobody. Who waits
is in `waiting.py`.
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
from pywharf.web.server.waiting import Waiting

LOOK = 0.5  # seconds between looks for deadlines
MOST_FAILURES = 200  # in a row, after which the selector is taken for broken
FAIR = 1.0  # seconds after which a connection without a head makes room for a new one: a head is one packet
GOODBYE = 0.5  # seconds in which kept connections may still bring a request when the server stops: its answer says that it was the last

log = logging.getLogger(__name__)


class Connections:
    """The connections of one server that no thread works on. `run` keeps two threads, of which one leads; `put` and `stop` are for any."""

    def __init__(self, server: Any, listener: socket.socket) -> None:
        self._server = server
        self.waiting = Waiting()
        self._lead = Lead(self.waiting.take)
        self._failure: BaseException | None = None  # why nothing works any more
        self._woken, self._wake = socket.socketpair()
        self._wake.setblocking(False)
        self._woken.setblocking(False)
        self.waiting.selector.register(self._woken, selectors.EVENT_READ)
        self._accepting = Accepting(server, listener, self.waiting.selector, begin=self._begin, make_room=self._make_room)
        self._look_at = 0.0  # monotonic, for deadlines
        self._stopped = False
        self._refusing = False
        self._refused = threading.Event()
        self._ended = threading.Event()
        self._handshakes = Handshakes(self._shake) if server.tls is not None else None

    @property
    def at_work(self) -> int:
        """Requests that are answered here."""
        return self._lead.at_work

    # --- coming and going -------------------------------------------------------------------------------------------

    def put(self, connection: Connection) -> None:
        """A thread is done with a connection that stays open. Raises nothing: the thread would not survive it."""
        try:
            self._put(connection)
        except Exception as error:
            self._give_up(connection, error)

    def _put(self, connection: Connection) -> None:
        if connection.wants_write:
            self.waiting.for_room(connection)
        elif connection.has_head() or (connection.is_tls and connection.receive() is Arrival.HEAD):
            self._hand_over(connection)  # it was there already; what TLS holds back no selector sees
        elif self._stopped:
            connection.close()
        elif connection.has_begun:
            self.waiting.for_head(connection, self._head_until())
        else:
            self.waiting.for_next(connection, self._next_until())

    def _head_until(self) -> float:
        end: float = time.monotonic() + self._server.head_timeout
        return end

    def _next_until(self) -> float:
        end: float = time.monotonic() + self._server.timeout
        return end

    def _give_up(self, connection: Connection, error: Exception) -> None:
        """Whatever it was, the others are looked after."""
        self.waiting.take(connection)
        connection.close()
        log.error("a connection is given up: peer=%s", connection.remote_addr, exc_info=error)

    def _hand_over(self, connection: Connection) -> None:
        try:
            self._server.requests.put(connection)
        except queue.Full:
            connection.refuse("503 Too many requests are waiting")
            connection.close()

    # --- the loop ---------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Look after them until `stop`, whatever happens to one of them. Raises where nothing works any more."""
        threading.Thread(target=self._live, name="connections", daemon=True).start()
        with suppress(RuntimeError):  # the system gives no more threads: the one that leads hands over every request
            threading.Thread(target=self._live, name="connections, too", daemon=True).start()
        self._ended.wait()  # and for neither of the two: it may be at a request for long
        if self._failure is not None:
            raise self._failure

    def _live(self) -> None:
        """The life of each of the two. Neither goes on alone: nobody would take the lead from it where a request takes long."""
        try:
            self._lead.lead_in_turn(self._look_after)
        except BaseException as error:
            log.exception("the connections cannot be looked after any more")
            self._end(error)

    def _look_after(self) -> None:
        """Lead, until another thread does, or it is over."""
        failures = 0
        while self._lead.is_mine():
            if self._stopped:
                self._end()
                return
            try:
                self._turn()
                failures = 0
            except Exception as error:
                failures += 1
                if failures == MOST_FAILURES:
                    self._end(error)
                    return
                log.exception("the connections could not be looked after")
                time.sleep(PAUSE)

    def _end(self, failure: BaseException | None = None) -> None:
        """Nobody looks after connections any more."""
        self._failure = self._failure or failure
        try:
            if self._lead.is_mine():
                self._let_go_of_listener()
        finally:
            self._lead.finish()
            self._ended.set()

    def _turn(self) -> None:
        """Look after what has come. Where another thread leads in the midst of it, that one is told of the rest."""
        for key, _ in self.waiting.selector.select(PAUSE if self._accepting.is_paused else LOOK):
            if isinstance(key.data, Connection):
                try:
                    self._come_forward(key.data)
                except Exception as error:
                    self._give_up(key.data, error)
                if not self._lead.is_mine():
                    return
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

    def _come_forward(self, connection: Connection) -> None:
        """Something can be read from it, or written to it."""
        if self.waiting.wants_room(connection):
            self.waiting.take(connection)
            self._hand_over(connection)
        elif connection.is_shaking_hands and self._handshakes is not None:
            self.waiting.take(connection)
            self._handshakes.go_on(connection)
        else:
            self._arrived(connection, connection.receive())

    def _arrived(self, connection: Connection, arrival: Arrival) -> None:
        if arrival is Arrival.PARTLY:
            if connection.has_begun:
                self.waiting.has_begun(connection, self._head_until())
        elif arrival is Arrival.NOTHING:
            self.waiting.take(connection)
            connection.close()
        elif connection.is_short() and self._lead.begin(connection):
            self._answer(connection)
        else:
            self.waiting.take(connection)
            self._hand_over(connection)

    def _answer(self, connection: Connection) -> None:
        """Answer the request that is here, in this thread; the connection stays in the selector meanwhile."""
        stays, leads = False, False
        try:
            self.waiting.set_aside(connection)
            stays = connection.communicate(patience=0)
        except BaseException:
            log.exception("a request could not be worked on: peer=%s", connection.remote_addr)
        finally:
            leads = self._lead.end(connection)
        if leads and stays and connection.is_quiet and not self._stopped:
            self.waiting.put_back(connection, self._next_until())
            return
        if leads:
            self.waiting.take(connection)
        if stays:
            self.put(connection)
        else:
            connection.close()

    def _begin(self, connection: Connection) -> None:
        """A new one."""
        self.waiting.for_head(connection, self._head_until())

    def _make_room(self) -> bool:
        """Close the connection that can be done without most easily: an idle one, or one that had time for its head. Whether there was one."""
        connection = self.waiting.least_needed(self._head_until() - FAIR)
        if connection is None:
            return False
        self.waiting.take(connection)
        connection.close()
        return True

    def _send_away(self, now: float) -> None:
        """End those whose time is over."""
        for connection in self.waiting.late(now):
            begun = connection.has_begun
            self.waiting.take(connection)
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
                self.waiting.for_head(connection, connection.since + self._server.head_timeout)
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
        for connection in self.waiting.close():
            connection.close()
        if self._handshakes is not None:
            self._handshakes.stop()
        self._woken.close()
        self._wake.close()

    def cut_off(self, timeout: float) -> None:
        """Let a request that is still answered here end within `timeout` seconds after `stop`; then cut it off."""
        if not self._lead.let_end(timeout):
            self._lead.cut_off()

    def has_ended(self, patience: float) -> bool:
        """Whether one that was cut off noticed it within `patience` seconds; the log tells where not."""
        if self._lead.let_end(patience):
            return True
        log.error("a request did not end and is abandoned")
        return False

    def _nudge(self) -> None:
        with suppress(OSError):
            self._wake.send(b"\0")
